"""A frontend's side of a clip's file: it goes to the session's worker once, in parts, and each frame by its number.

    seq 0, first part  ──►                     ◄──  wanted: from byte 1,048,576 on
    seq 0, next part   ──►                     ◄──  the answer, once the file is whole
    seq 1, no bytes    ──►                     ◄──  the answer; from another worker: wanted, from byte 0 on

Nothing of it stays in Redis, and at most one part of a clip is there at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from service.contract.messages import FrameResult
from service.pipeline.request import ClipFile, FrameRequest
from service.redis.codec import ClipPart, Wanted

log = logging.getLogger(__name__)

PART_BYTES: Final = 1024 * 1024
MOST_TIMES: Final = 2
"""So often the file goes for one frame, should its worker change meanwhile; after that, the frame's pixels do."""

Ask = Callable[[FrameRequest, ClipPart | None], Awaitable[FrameResult | Wanted]]
"""Hands a frame to a worker, with a part or as it is."""


async def ask_by_file(request: FrameRequest, clip: ClipFile, ask: Ask) -> FrameResult:
    """The answer to a frame of this clip. Raises what `ask` raises."""
    wanted: int | None = 0 if request.seq == 0 else clip.size
    left = MOST_TIMES * clip.size
    while wanted is not None and left >= 0:
        part = await _part(clip, wanted)
        if part is None:
            break
        left -= len(part.data)
        answer = await ask(request, part)
        if isinstance(answer, FrameResult):
            return answer
        wanted = answer.offset
    return await ask_by_picture(request, ask)


async def ask_by_picture(request: FrameRequest, ask: Ask) -> FrameResult:
    """The answer to a frame that goes as it is. Raises what `ask` raises."""
    answer = await ask(request, None)
    assert isinstance(answer, FrameResult)  # There is nothing more that could be wanted.
    return answer


async def _part(clip: ClipFile, offset: int) -> ClipPart | None:
    """What is at this place; None where the file is not what it was."""
    if offset == clip.size:
        return ClipPart(clip.size, offset, b"")
    try:
        data = await asyncio.to_thread(_read, clip, offset)
    except OSError as error:
        log.warning("a clip's file cannot be read again: %s", error)
        return None
    return ClipPart(clip.size, offset, data) if data else None


def _read(clip: ClipFile, offset: int) -> bytes:
    with clip.path.open("rb") as file:
        file.seek(offset)
        return file.read(min(PART_BYTES, clip.size - offset))
