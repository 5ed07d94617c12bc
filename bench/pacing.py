"""When frames are due, and their release at that time, whatever becomes of the frames before."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from kinepose_client import Picture

SATURATED_LAG_S = 0.005
"""Where the generator is this late at its 99th percentile, its own lag is in the latencies."""


@dataclass(frozen=True, slots=True)
class DueFrame:
    """A picture, and when it is due, seconds of `time.monotonic`."""

    due: float
    picture: Picture


def due_times(begin: float, index: int, sessions: int, frames_per_s: float, seconds: float) -> list[float]:
    """When the frames of session `index` of `sessions` are due.

    Sessions start evenly spread over one frame interval, so that their frames stay evenly spread.

    Args:
        begin: start of the first session, seconds.
        seconds: how long each session sends.
    """
    start = begin + index / (sessions * frames_per_s)
    return [start + number / frames_per_s for number in range(max(1, round(seconds * frames_per_s)))]


class Pacer:
    """Releases the frames of one session when they are due. Nobody who takes them can hold it up.

    Args:
        due: when, seconds of `time.monotonic`, increasing.
        pictures: one for each.
        lags: gets, for each frame, how late this process itself was, seconds.
    """

    def __init__(self, due: Sequence[float], pictures: Sequence[Picture], lags: list[float]) -> None:
        self._due = due
        self._pictures = pictures
        self._lags = lags
        self._released: asyncio.Queue[DueFrame | None] = asyncio.Queue()

    async def run(self) -> None:
        """Release all of them."""
        for due, picture in zip(self._due, self._pictures, strict=True):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._lags.append(time.monotonic() - due)
            self._released.put_nowait(DueFrame(due, picture))
        self._released.put_nowait(None)

    async def frames(self) -> AsyncIterator[DueFrame]:
        """The frames, each once it is released; to be taken by one consumer."""
        while (frame := await self._released.get()) is not None:
            yield frame
