"""The disk that clips lie on: who fills how much of it, what happens when it is full, and threads that write to it."""

import asyncio
import errno
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from service.auth.access import Quota
from service.auth.api_keys import Caller
from service.config import Settings
from service.errors import StorageFull

T = TypeVar("T")

WRITERS: Final = 4
"""Threads that write uploads; pictures, and the drawing of overlays, have others."""
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

log = logging.getLogger(__name__)


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Raises StorageFull where the block meets a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        log.error("the disk for clips is full: %s", error)
        raise StorageFull("the server's disk for clips is full") from error


class ClipStorage:
    """A folder for clips, in bytes of all and of each API key.

    Args:
        root: the folder.
        settings: limits.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.quota = Quota(
            "bytes of clips and results", settings.max_clip_bytes, settings.max_clip_bytes_per_key, full=StorageFull
        )
        self._least_free = settings.min_free_disk_bytes
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="clip-disk")

    def check_free(self, more: int = 0) -> None:
        """Raise StorageFull where the disk has no room for so many bytes more."""
        free = shutil.disk_usage(self.root).free
        if free - more < self._least_free:
            raise StorageFull(f"the server's disk for clips has {free} bytes left")

    async def run(self, work: Callable[[], T]) -> T:
        """What the work returns, done in a thread. Raises StorageFull, and what else it raises."""
        with full_disk_told():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def open(self, path: Path) -> BinaryIO:
        """A new file to write. Where the caller is cancelled meanwhile, it is closed as soon as it is open."""
        opening: Future[BinaryIO] = self._threads.submit(lambda: path.open("wb"))
        try:
            with full_disk_told():
                return await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    async def write(self, file: BinaryIO, piece: bytes) -> None:
        """Append a piece to an open file."""
        await self.run(lambda: _write(file, piece))

    async def remove(self, folder: Path) -> None:
        """Remove a folder and all that is in it."""
        await self.run(lambda: shutil.rmtree(folder, ignore_errors=True))

    def close(self) -> None:
        """Let the threads go; what they do they do to its end."""
        self._threads.shutdown(wait=False)


def _close_opened(opening: Future[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _write(file: BinaryIO, piece: bytes) -> None:
    # Flushed, so that a full disk is met here and not by a later close.
    file.write(piece)
    file.flush()


class DiskShare:
    """How much of a storage one clip fills; given back by `clear`."""

    def __init__(self, storage: ClipStorage, caller: Caller) -> None:
        self._storage = storage
        self._caller = caller
        self.bytes = 0

    def grow(self, amount: int) -> None:
        """So many bytes more are about to be written. Raises QueueFull (the key's share), StorageFull."""
        self._storage.quota.take(self._caller, amount)
        self.bytes += amount

    def clear(self) -> None:
        """The files are gone."""
        self._storage.quota.release(self._caller, self.bytes)
        self.bytes = 0
