"""What was accepted and has not ended: what a server that shuts down still finishes."""

import asyncio
from collections.abc import Callable

from service.pipeline.stream import StreamRun


class Unfinished:
    """Streams and clips under way, beside the frames in flight.

    Args:
        frames: how many frames are in flight.
    """

    def __init__(self, frames: Callable[[], int]) -> None:
        self._frames = frames
        self._something_ended = asyncio.Event()
        self.streams: set[StreamRun] = set()
        self.clips: set[str] = set()
        """Sessions of clips: between two frames nothing of a clip is in flight, and still it is under way."""

    def tell(self) -> None:
        """Something has ended."""
        self._something_ended.set()

    async def finish(self, grace_s: float) -> bool:
        """Take no more frames from streams and wait for all else; False where the grace was too short."""
        for run in self.streams:
            run.stop()
        try:
            async with asyncio.timeout(grace_s):
                while self._frames() or self.streams or self.clips:
                    self._something_ended.clear()
                    await self._something_ended.wait()
        except TimeoutError:
            return False
        return True
