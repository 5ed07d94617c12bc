"""Frames as transports hand them in: parsed at the edge, numbered, and streamed through the pipeline."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from service import wire
from service.errors import BadRequest, KineposeError
from service.frames import Transport
from service.messages import EncodedFrame, FrameResult, Outcome, SessionInfo
from service.pb import pose_pb2 as pb
from service.pipeline import Pipeline

MAX_DEADLINE_MS = 24 * 3600 * 1000

# A frame, or the answer to one that was refused before it could become a frame.
Incoming = EncodedFrame | FrameResult


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a client says of a frame beside the picture, as text or as JSON values; None: nothing said."""

    seq: Any = None
    pts_us: Any = None
    region: Any = None
    deadline_ms: Any = None


def frame_of(session_id: str, seq: int, image: bytes, stamp: Stamp, arrived: float) -> EncodedFrame:
    """A frame with what was said of it; `arrived` is event-loop time. Raises BadRequest, BadRegion."""
    deadline_ms = wire.integer("deadline_ms", stamp.deadline_ms, low=0, high=MAX_DEADLINE_MS)
    as_text = stamp.region is None or isinstance(stamp.region, str)
    return EncodedFrame(
        session_id=session_id,
        seq=seq,
        image=image,
        pts_us=wire.integer("pts_us", stamp.pts_us),
        region=wire.region_from_text(stamp.region) if as_text else wire.region_from_values(stamp.region),
        deadline=None if deadline_ms is None else arrived + deadline_ms / 1000,
    )


def frame_from_pb(message: pb.Frame, session_id: str, seq: int, deadline: float | None) -> EncodedFrame:
    """A frame that arrives now; `deadline` is the call's, event-loop time. Raises BadRequest, BadRegion."""
    deadlines = [] if deadline is None else [deadline]
    if message.HasField("deadline_ms"):
        deadlines.append(asyncio.get_running_loop().time() + message.deadline_ms / 1000)
    if message.session_id not in ("", session_id):
        raise BadRequest(f"this stream is of session {session_id}, the frame of another one")
    return EncodedFrame(
        session_id=session_id,
        seq=seq,
        image=message.image,
        pts_us=message.pts_us if message.HasField("pts_us") else None,
        region=wire.region_from_pb(message.region) if message.HasField("region") else None,
        deadline=min(deadlines, default=None),
    )


class Numbering:
    """Numbers the frames of a stream that carry no number of their own: one more than the frame before."""

    def __init__(self, first: int) -> None:
        self._next = first

    def seq(self, given: int | None) -> int:
        """The number of a frame that may carry one."""
        return self._next if given is None else given

    def taken(self, seq: int) -> None:
        """A frame of this number went in."""
        self._next = seq + 1


def refused(pipeline: Pipeline, session: SessionInfo, seq: int, error: KineposeError) -> FrameResult:
    """The answer to a frame that did not parse. Its seq is not spent."""
    return FrameResult(
        session_id=session.session_id,
        seq=seq,
        pts_us=None,
        outcome=Outcome.ERROR,
        model=session.model,
        skeleton=pipeline.skeleton.name,
        joint_names=pipeline.skeleton.joints,
        error_code=error.code,
        error_detail=error.detail,
    )


async def answers(
    pipeline: Pipeline, session: SessionInfo, incoming: AsyncIterator[Incoming], transport: Transport
) -> AsyncGenerator[FrameResult, None]:
    """One answer a frame: the pipeline's in order, and those of refused frames as soon as they are refused.

    Closing it, or cancelling its consumer, ends all work of the stream. What ends the stream is raised.
    """
    out: asyncio.Queue[FrameResult | Exception | None] = asyncio.Queue(1)

    async def frames() -> AsyncIterator[EncodedFrame]:
        async for item in incoming:
            if isinstance(item, EncodedFrame):
                yield item
            else:
                await out.put(item)

    async def pump() -> None:
        policy = session.options.drop_policy
        results = pipeline.stream(session.session_id, frames(), policy, transport=transport)
        try:
            async with aclosing(results):
                async for result in results:
                    await out.put(result)
        except Exception as error:
            await out.put(error)  # raised by the consumer, below
        await out.put(None)

    task = asyncio.create_task(pump(), name=f"stream-{session.session_id}")
    try:
        while (item := await out.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
