"""How errors are written: problem+json (RFC 9457) over HTTP, google.rpc.Status with its details over gRPC.

`kinepose_client.wire_errors` reads them.
"""

from typing import Annotated, Any, Self, TypeVar

from google.protobuf.any_pb2 import Any as PbAny
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from pydantic import BaseModel, Field

from kinepose_client.wire_errors import CONTEXT, DOMAIN
from service.errors import KineposeError

MEDIA_TYPE = "application/problem+json"
T = TypeVar("T")
Known = Annotated[T | None, Field(exclude_if=lambda value: value is None)]
"""A member that is left out where it is None."""


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
