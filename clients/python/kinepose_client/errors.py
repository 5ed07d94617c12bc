"""Every error a client can meet, on the line that its data travels.

    bytes ──► admitted frame ──► decoded frame ──► maps ──► committed result
      │             │                  │             │            │
      │             │                  │             │            └ StaleCommit, StoreUnavailable
      │             │                  │             └ DeadlinePassed, WorkerFailed, NoWorker
      │             │                  └ BadImage, ImageTooLarge, FrameSizeChanged, BadRegion
      │             └ SessionUnknown, SessionExpired, SeqOutOfOrder, PtsNotIncreasing, QueueFull, FrameDropped,
      │               TooManySessions, ModelUnknown, Draining, StoreUnavailable
      └ ServerBusy, Unauthenticated, Forbidden, RateLimited, BadRequest, TooLarge, TooSlow, StorageFull,
        UnsupportedMedia, BadClip, ClipTooLong, ClipUnknown, OverlayFailed, WebhookRefused

One class an outcome. `code` is stable: it is the metric label, the `code` of problem+json and the reason in
gRPC's ErrorInfo.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import grpc


@dataclass(eq=False)
class KineposeError(Exception):
    """Base of all errors that clients see.

    Attributes:
        detail: a sentence for people; never holds image data or secrets. The default is that of a bug.
        session_id, seq, expected_seq: where it happened, as far as known.
        retry_after_ms: when trying again makes sense; None where it does not.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    grpc_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    retry_hint_ms: ClassVar[int | None] = None
    """`retry_after_ms` where none is given."""

    detail: str = "an internal error, logged by the server"
    session_id: str | None = None
    seq: int | None = None
    expected_seq: int | None = None
    retry_after_ms: int | None = None

    def __post_init__(self) -> None:
        if self.retry_after_ms is None:
            self.retry_after_ms = self.retry_hint_ms

    def __str__(self) -> str:
        return self.detail


class Unauthenticated(KineposeError):
    """No API key, or one that is not known here."""

    code, http_status, grpc_code = "unauthenticated", 401, grpc.StatusCode.UNAUTHENTICATED


class Forbidden(KineposeError):
    """A session or clip of another API key, or a call for operators only."""

    code, http_status, grpc_code = "forbidden", 403, grpc.StatusCode.PERMISSION_DENIED


class RateLimited(KineposeError):
    """More than this API key may ask for in this time."""

    code, http_status, grpc_code = "rate_limited", 429, grpc.StatusCode.RESOURCE_EXHAUSTED


class BadRequest(KineposeError):
    """A parameter or message that does not parse or is out of range."""

    code, http_status, grpc_code = "bad_request", 422, grpc.StatusCode.INVALID_ARGUMENT


class TooLarge(KineposeError):
    """A body or message above the size limit."""

    code, http_status, grpc_code = "too_large", 413, grpc.StatusCode.RESOURCE_EXHAUSTED

    @classmethod
    def body(cls, limit: int) -> Self:
        """For a body of more than `limit` bytes."""
        return cls(f"the body is above the limit of {limit} bytes")


class TooSlow(KineposeError):
    """The client sends a body, or takes its answer, slower than allowed, or not at all."""

    code, http_status, grpc_code = "too_slow", 408, grpc.StatusCode.DEADLINE_EXCEEDED


class StorageFull(KineposeError):
    """The server has no disk space left for this clip or its results."""

    code, http_status, grpc_code = "storage_full", 507, grpc.StatusCode.RESOURCE_EXHAUSTED
    retry_hint_ms = 5000


class UnsupportedMedia(KineposeError):
    """A container or codec that is not decoded, or a file without a video stream; `detail` names it."""

    code, http_status, grpc_code = "unsupported_media", 415, grpc.StatusCode.INVALID_ARGUMENT


class BadClip(KineposeError):
    """A clip of which nothing can be decoded; with `strict`, one that is damaged or breaks off."""

    code, http_status, grpc_code = "bad_clip", 422, grpc.StatusCode.INVALID_ARGUMENT


class ClipTooLong(KineposeError):
    """A clip above the duration or frame limit."""

    code, http_status, grpc_code = "clip_too_long", 413, grpc.StatusCode.RESOURCE_EXHAUSTED


class ClipUnknown(KineposeError):
    """A clip job that does not exist, or whose result has been cleared away."""

    code, http_status, grpc_code = "clip_unknown", 404, grpc.StatusCode.NOT_FOUND


class OverlayFailed(KineposeError):
    """The clip could not be drawn; its joints are whole."""

    code, http_status, grpc_code = "overlay_failed", 500, grpc.StatusCode.INTERNAL


class WebhookRefused(KineposeError):
    """A webhook to a host that the server's operator has not listed for them, or to what is no URL."""

    code, http_status, grpc_code = "webhook_refused", 422, grpc.StatusCode.INVALID_ARGUMENT


class ModelUnknown(KineposeError):
    """A model name that this server does not serve."""

    code, http_status, grpc_code = "model_unknown", 422, grpc.StatusCode.INVALID_ARGUMENT


class SessionUnknown(KineposeError):
    """No session of that id was ever seen here."""

    code, http_status, grpc_code = "session_unknown", 404, grpc.StatusCode.NOT_FOUND


class SessionExpired(KineposeError):
    """The session was idle for longer than its TTL, or was closed or evicted."""

    code, http_status, grpc_code = "session_expired", 410, grpc.StatusCode.NOT_FOUND


class SeqOutOfOrder(KineposeError):
    """A gap, or a seq older than the last one; `expected_seq` says what is next. The session lives on."""

    code, http_status, grpc_code = "seq_out_of_order", 409, grpc.StatusCode.FAILED_PRECONDITION


class PtsNotIncreasing(KineposeError):
    """A pts at or before that of the last frame. The session lives on."""

    code, http_status, grpc_code = "pts_not_increasing", 422, grpc.StatusCode.INVALID_ARGUMENT


class StaleCommit(KineposeError):
    """Somebody else moved the session on between checkout and commit."""

    code, http_status, grpc_code = "stale_commit", 409, grpc.StatusCode.ABORTED


class QueueFull(KineposeError):
    """More at once (frames, bytes, clips, uploads, calls) than the session, the API key or the server may have."""

    code, http_status, grpc_code = "queue_full", 429, grpc.StatusCode.RESOURCE_EXHAUSTED


class TooManySessions(KineposeError):
    """The server holds as many sessions as it may."""

    code, http_status, grpc_code = "too_many_sessions", 429, grpc.StatusCode.RESOURCE_EXHAUSTED


class BadImage(KineposeError):
    """Bytes that are no picture, or a broken one. Only this frame fails."""

    code, http_status, grpc_code = "bad_image", 422, grpc.StatusCode.INVALID_ARGUMENT


class ImageTooLarge(KineposeError):
    """A picture with more pixels than allowed, refused by its header before it is decoded."""

    code, http_status, grpc_code = "image_too_large", 413, grpc.StatusCode.RESOURCE_EXHAUSTED


class FrameSizeChanged(KineposeError):
    """A frame of another size than the session's first."""

    code, http_status, grpc_code = "frame_size_changed", 422, grpc.StatusCode.INVALID_ARGUMENT


class BadRegion(KineposeError):
    """A region that is empty, not finite, or wholly outside the frame."""

    code, http_status, grpc_code = "bad_region", 422, grpc.StatusCode.INVALID_ARGUMENT


class TooManyPeople(KineposeError):
    """A session or clip asks for more people than this server follows."""

    code, http_status, grpc_code = "too_many_people", 422, grpc.StatusCode.INVALID_ARGUMENT


class PoisonFrame(KineposeError):
    """Each worker that was given the frame ended. It is given to no other; its seq is spent, the session goes on."""

    code, http_status, grpc_code = "poison", 422, grpc.StatusCode.INVALID_ARGUMENT


class DeadlinePassed(KineposeError):
    """The client's deadline passed before the frame was computed; state is as it was."""

    code, http_status, grpc_code = "deadline_passed", 504, grpc.StatusCode.DEADLINE_EXCEEDED


class FrameDropped(KineposeError):
    """The drop policy that the client chose left this frame out; its seq is spent, the session goes on."""

    code, http_status, grpc_code = "frame_dropped", 409, grpc.StatusCode.ABORTED


class WorkerFailed(KineposeError):
    """The device or the worker broke; the frame may be sent again."""

    code, http_status, grpc_code = "worker_failed", 503, grpc.StatusCode.UNAVAILABLE


class NoWorker(KineposeError):
    """No worker is alive that could compute the frame; it may be sent again."""

    code, http_status, grpc_code = "no_worker", 503, grpc.StatusCode.UNAVAILABLE


class StoreUnavailable(KineposeError):
    """The sessions' store does not answer. The frame may be sent again; if it came through, its answer is stored."""

    code, http_status, grpc_code = "store_unavailable", 503, grpc.StatusCode.UNAVAILABLE


class ServerBusy(KineposeError):
    """The server has as many connections or calls as it takes."""

    code, http_status, grpc_code = "server_busy", 503, grpc.StatusCode.UNAVAILABLE
    retry_hint_ms = 1000


class Draining(KineposeError):
    """The server is shutting down and accepts nothing new; another one, or its successor, soon does."""

    code, http_status, grpc_code = "draining", 503, grpc.StatusCode.UNAVAILABLE
    retry_hint_ms = 1000


BY_CODE = {kind.code: kind for kind in KineposeError.__subclasses__()}
"""The class that each code stands for. Those below a class share its code: clients see no difference."""
