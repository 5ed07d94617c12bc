"""How errors are read: problem+json (RFC 9457) over HTTP, google.rpc.Status with its details over gRPC."""

from collections.abc import Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from kinepose_client import errors
from kinepose_client.errors import KineposeError
from kinepose_client.pb import status_pb2

DOMAIN = "kinepose"
CONTEXT = ("session_id", "seq", "expected_seq", "retry_after_ms")
DETAILS_KEY = "grpc-status-details-bin"
"""Where gRPC carries a Status."""

M = TypeVar("M", bound=Message)


def error_of(code: str, detail: str, **context: Any) -> KineposeError:
    """The error that a code stands for; a code that this version does not know becomes the base class."""
    return errors.BY_CODE.get(code, KineposeError)(detail, **context)


def from_problem(problem: Mapping[str, Any]) -> KineposeError:
    """The error that a problem+json object tells of."""
    context = {name: problem.get(name) for name in CONTEXT}
    return error_of(str(problem.get("code", "internal")), str(problem.get("detail", "")), **context)


def from_status(packed: bytes) -> KineposeError | None:
    """The error that a google.rpc.Status tells of; None where it carries no ErrorInfo of ours."""
    status = status_pb2.Status.FromString(packed)
    info = _detail(status, status_pb2.ErrorInfo)
    if info is None or info.domain != DOMAIN:
        return None
    retry = _detail(status, status_pb2.RetryInfo)
    return error_of(
        info.reason,
        status.message,
        session_id=info.metadata.get("session_id"),
        seq=_number(info.metadata, "seq"),
        expected_seq=_number(info.metadata, "expected_seq"),
        retry_after_ms=retry.retry_delay.ToMilliseconds() if retry else None,
    )


def _detail(status: status_pb2.Status, kind: type[M]) -> M | None:
    # Any.Unpack would look for the name that these messages have here; on the wire they are google.rpc's.
    name = f"google.rpc.{kind.DESCRIPTOR.name}"
    packed = next((detail.value for detail in status.details if detail.TypeName() == name), None)
    return None if packed is None else kind.FromString(packed)


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
    packed = next((value for key, value in metadata if key == DETAILS_KEY), None)
    if isinstance(packed, bytes):
        found = from_status(packed)
        if found is not None:
            return found
    return _BY_GRPC_CODE.get(error.code(), KineposeError)(error.details() or str(error.code()))
