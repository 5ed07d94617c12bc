"""One picture that belongs to no video: a session of a single frame, closed behind it."""

from contextlib import suppress
from dataclasses import replace

from model.values import Region
from service.auth.api_keys import ANYONE, Caller, KeyLimits
from service.contract.messages import EncodedFrame, FrameResult, SessionOptions
from service.errors import KineposeError, SessionExpired, SessionUnknown, StoreUnavailable
from service.pipeline.pipeline import Pipeline


async def estimate_picture(
    pipeline: Pipeline,
    picture: bytes,
    options: SessionOptions,
    regions: tuple[Region, ...] = (),
    *,
    deadline: float | None = None,
    caller: Caller = ANYONE,
) -> FrameResult:
    """Who is in the picture. Nothing is kept of it, also where the caller is cancelled.

    It counts as a frame of its API key and not as a session.

    Raises:
        BadImage, ImageTooLarge, BadRegion: the picture or what is said of it is at fault.
        KineposeError: any other kind; the picture may be sent again.
    """
    caller = replace(caller, limits=KeyLimits(frames_per_s=caller.limits.frames_per_s))
    session_id = (await pipeline.sessions.create(options, caller=caller)).session_id
    try:
        frame = EncodedFrame(session_id, 0, picture, regions=regions, deadline=deadline)
        return await pipeline.frames.estimate(frame, caller=caller)
    except KineposeError as error:
        # The session is no business of who sent the picture.
        error.session_id = error.seq = None
        raise
    finally:
        # Gone already, which is what was wanted; or about to expire.
        with suppress(SessionExpired, SessionUnknown, StoreUnavailable):
            await pipeline.sessions.close(session_id, caller=caller)
