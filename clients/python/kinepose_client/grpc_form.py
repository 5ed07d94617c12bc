"""How calls look in gRPC: messages from values and back. No input or output here."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import grpc

from kinepose_client import errors, wire_errors, wire_pb
from kinepose_client.calls import Access, ClipRequest, Picture, Unreachable
from kinepose_client.messages import ClipInfo, FrameResult, SessionOptions
from kinepose_client.pb import pose_pb2 as pb

CHANNEL_OPTIONS = [("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.max_send_message_length", -1)]

BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
"""How grpcio tells of a connection that could not be made, or that broke while a stream was under way."""


def credentials(access: Access) -> grpc.ChannelCredentials | None:
    """What a channel is opened with; None without encryption."""
    return grpc.ssl_channel_credentials(access.root_certificates) if access.tls else None


def metadata(access: Access) -> tuple[tuple[str, str], ...]:
    """What goes with every call."""
    return tuple(access.authorization.items())


def frame(picture: Picture, session_id: str = "", options: SessionOptions | None = None) -> pb.Frame:
    """A Frame message; `options` only in the first one of a stream that opens its session."""
    return pb.Frame(
        session_id=session_id,
        seq=picture.seq,
        pts_us=picture.pts_us,
        image=picture.image,
        region=wire_pb.region_to_pb(picture.region) if picture.region else None,
        regions=map(wire_pb.region_to_pb, picture.regions),
        deadline_ms=picture.deadline_ms,
        options=wire_pb.options_to_pb(options) if options else None,
    )


class Opening:
    """Names a stream's session in its first frame: an existing one, or options for one that it opens."""

    def __init__(self, session_id: str | None, options: SessionOptions | None) -> None:
        if session_id is not None and options is not None:
            raise ValueError("options are for a stream that opens its session: give them or a session_id")
        self._session_id = session_id or ""
        self._options = options

    def frame(self, picture: Picture) -> pb.Frame:
        """The next Frame message of the stream."""
        message = frame(picture, self._session_id, self._options)
        self._session_id, self._options = "", None
        return message


def clip_options(asked: ClipRequest) -> pb.Chunk:
    """The first chunk of a clip."""
    options = pb.ClipOptions(
        model=asked.model or "",
        region=wire_pb.region_to_pb(asked.region) if asked.region else None,
        regions=map(wire_pb.region_to_pb, asked.regions),
        strict=asked.strict,
        max_people=asked.max_people,
    )
    return pb.Chunk(options=options)


def clip_answer(message: pb.PoseResult) -> FrameResult | ClipInfo:
    """A message of a clip's answer: a frame's, or the last one."""
    return wire_pb.clip_from_pb(message.clip) if message.HasField("clip") else wire_pb.result_from_pb(message)


class Upload:
    """Cancels a call whose file cannot be read on, and raises why where its answers are awaited."""

    def __init__(self) -> None:
        self._call: grpc.RpcContext | grpc.aio.Call | None = None
        self._failure: Exception | None = None

    def started(self, call: grpc.RpcContext | grpc.aio.Call) -> None:
        """The call is under way; its file may be read already, in another thread."""
        self._call = call
        self._cancel_failed()

    def fail(self, failure: Exception) -> None:
        """What was raised while the file was read."""
        self._failure = failure
        self._cancel_failed()

    def _cancel_failed(self) -> None:
        if self._call is not None and self._failure is not None:
            self._call.cancel()

    @contextmanager
    def failures(self) -> Generator[None, None, None]:
        """The failure, in place of the error of the call that it cancelled."""
        try:
            yield
        except (errors.KineposeError, asyncio.CancelledError):
            if self._failure is not None:
                raise self._failure from None
            raise


@contextmanager
def typed_errors() -> Generator[None, None, None]:
    """grpc's errors as the server's typed ones, or as Unreachable."""
    try:
        yield
    except grpc.RpcError as error:
        raise _typed(error) from error


def _typed(error: grpc.RpcError) -> Exception:
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)
    # What our server says carries details; without them it was not there to say anything.
    if error.code() in BROKEN and not error.trailing_metadata():
        return Unreachable(error.details() or "no connection")
    return wire_errors.from_rpc_error(error)
