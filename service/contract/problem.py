"""How errors travel: problem+json (RFC 9457) over HTTP, google.rpc.Status with its details over gRPC.

Both directions, so that a client meets the classes of `service.errors` again.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as PbAny
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]
from pydantic import BaseModel, Field

from service import errors
from service.errors import KineposeError

MEDIA_TYPE = "application/problem+json"
DOMAIN = "kinepose"
T = TypeVar("T")
Known = Annotated[T | None, Field(exclude_if=lambda value: value is None)]
"""A member that is left out where it is None."""
CONTEXT = ("session_id", "seq", "expected_seq", "retry_after_ms")


def error_of(code: str, detail: str, **context: Any) -> KineposeError:
    """The error that a code stands for; a code that this version does not know becomes the base class."""
    return errors.BY_CODE.get(code, KineposeError)(detail, **context)


# -- HTTP -------------------------------------------------------------------------------------------------


class Problem(BaseModel):
    """An error (RFC 9457); members that are not known are left out."""

    type: str = Field(description="A URN that ends in the code.")
    title: str
    status: int = Field(description="The HTTP status that goes with it.")
    detail: str = Field(description="A sentence for people.")
    code: str = Field(description="Stable, for programs.")
    session_id: Known[str] = None
    seq: Known[int] = Field(default=None, ge=0)
    expected_seq: Known[int] = Field(default=None, ge=0)
    retry_after_ms: Known[int] = Field(default=None, ge=0, description="Milliseconds.")

    @classmethod
    def of(cls, status: int, code: str, detail: str, **context: Any) -> Self:
        """The problem of a code, also of one that is no KineposeError's (an unknown path, say)."""
        title = code.replace("_", " ").capitalize()
        return cls(type=f"urn:{DOMAIN}:{code}", title=title, status=status, detail=detail, code=code, **context)


def to_problem(error: KineposeError) -> dict[str, Any]:
    """The problem+json object of an error."""
    context = {name: getattr(error, name) for name in CONTEXT}
    return Problem.of(error.http_status, error.code, error.detail, **context).model_dump()


def from_problem(problem: Mapping[str, Any]) -> KineposeError:
    """The error that a problem+json object tells of."""
    context = {name: problem.get(name) for name in CONTEXT}
    return error_of(str(problem.get("code", "internal")), str(problem.get("detail", "")), **context)


# -- gRPC -------------------------------------------------------------------------------------------------


def to_status(error: KineposeError) -> status_pb2.Status:
    """google.rpc.Status: ErrorInfo with the code as its reason, RetryInfo where trying again makes sense."""
    number, _ = error.grpc_code.value
    known = {name: getattr(error, name) for name in CONTEXT[:-1]}
    metadata = {name: str(value) for name, value in known.items() if value is not None}
    details = [_packed(error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=metadata))]
    if error.retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=number, message=error.detail, details=details)


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> PbAny:
    packed = PbAny()
    packed.Pack(message)
    return packed


def from_status(status: status_pb2.Status) -> KineposeError | None:
    """The error that a Status tells of; None where it carries no ErrorInfo of ours."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    found = any(detail.Unpack(info) for detail in status.details) and info.domain == DOMAIN
    if not found:
        return None
    retries = any(detail.Unpack(retry) for detail in status.details)
    return error_of(
        info.reason,
        status.message,
        session_id=info.metadata.get("session_id"),
        seq=_number(info.metadata, "seq"),
        expected_seq=_number(info.metadata, "expected_seq"),
        retry_after_ms=retry.retry_delay.ToMilliseconds() if retries else None,
    )


def _number(metadata: Mapping[str, str], name: str) -> int | None:
    return int(metadata[name]) if name in metadata else None


# gRPC itself ends a call whose deadline passes, or whose message is too large: there are no details then.
_BY_GRPC_CODE = {
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlinePassed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.TooLarge,
    grpc.StatusCode.UNAVAILABLE: errors.WorkerFailed,
}


def from_rpc_error(error: grpc.RpcError) -> KineposeError:
    """The error behind a failed call, sync or asyncio; by the status code alone where it has no details."""
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)
    metadata = error.trailing_metadata() or ()
    packed = next((value for key, value in metadata if key == rpc_status.GRPC_DETAILS_METADATA_KEY), None)
    if isinstance(packed, bytes):
        found = from_status(status_pb2.Status.FromString(packed))
        if found is not None:
            return found
    return _BY_GRPC_CODE.get(error.code(), KineposeError)(error.details() or str(error.code()))
