"""The disk that clips lie on: who fills how much of it, what happens when it is full, and threads that write to it."""

import asyncio
import errno
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
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

    async def run(self, work: Callable[[], T], undo: Callable[[T], object] = lambda _: None) -> T:
        """What the work returns, done in a thread. Raises StorageFull, and what else it raises.

        Where the caller is cancelled meanwhile, `undo` gets what it returns.
        """
        running = self._threads.submit(work)
        try:
            with full_disk_told():
                return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            running.add_done_callback(partial(_undo, undo))
            raise

    async def open(self, path: Path) -> BinaryIO:
        """A new file to write."""
        return await self.run(lambda: path.open("wb"), undo=lambda file: file.close())

    async def write(self, file: BinaryIO, piece: bytes) -> None:
        """Append a piece to an open file."""
        await self.run(lambda: _write(file, piece))

    async def make(self, folder: Path, *files: Path) -> None:
        """A new folder, with these files in it, empty."""
        await self.run(lambda: _make_empty(folder, files), undo=lambda _: _remove(folder))

    async def remove(self, folder: Path) -> None:
        """Remove a folder and all that is in it."""
        await self.run(lambda: _remove(folder))

    def close(self) -> None:
        """Let the threads go; what they do they do to its end."""
        self._threads.shutdown(wait=False)


def _undo(undo: Callable[[T], object], done: Future[T]) -> None:
    if not done.cancelled() and done.exception() is None:
        undo(done.result())


def _make_empty(folder: Path, files: Iterable[Path]) -> None:
    folder.mkdir()
    try:
        for file in files:
            file.touch()
    except OSError:
        _remove(folder)
        raise


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


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
