"""The disk that clips lie on."""

import asyncio
import threading
from io import BufferedWriter
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from service.clips.storage import ClipStorage
from service.config import Settings


async def test_a_file_that_opens_for_nobody_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever uploads may leave while the disk still opens their file."""
    storage = ClipStorage(tmp_path, Settings())
    asked, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    class Watched(BufferedWriter):
        def close(self) -> None:
            super().close()
            closed.set()

    def slow_open(path: Path, mode: str) -> BinaryIO:
        asked.set()
        go_on.wait()
        raw: Any = open(path, mode, buffering=0)  # noqa: PTH123, SIM115
        return Watched(raw)

    monkeypatch.setattr(Path, "open", slow_open)
    opening = asyncio.ensure_future(storage.open(tmp_path / "clip"))
    await asyncio.to_thread(asked.wait)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go_on.set()

    assert await asyncio.to_thread(closed.wait, 30)
    storage.close()


def is_empty(folder: Path) -> bool:
    """Whether nothing is in it."""
    return not list(folder.iterdir())


async def test_a_folder_that_is_made_for_nobody_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever brings a clip may leave while its folder is made."""
    storage = ClipStorage(tmp_path, Settings())
    asked, go_on = threading.Event(), threading.Event()
    real = Path.touch

    def slow_touch(path: Path) -> None:
        asked.set()
        go_on.wait()
        real(path)

    monkeypatch.setattr(Path, "touch", slow_touch)
    making = asyncio.ensure_future(storage.make(tmp_path / "job", tmp_path / "job" / "results"))
    await asyncio.to_thread(asked.wait)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    go_on.set()
    storage.close()
    await asyncio.to_thread(storage._threads.shutdown, wait=True)
    assert is_empty(tmp_path)


async def test_a_folder_that_cannot_be_filled_is_removed(tmp_path: Path) -> None:
    """The disk is full, say."""
    storage = ClipStorage(tmp_path, Settings())
    with pytest.raises(FileNotFoundError):
        await storage.make(tmp_path / "job", tmp_path / "job" / "nowhere" / "results")
    storage.close()
    assert is_empty(tmp_path)
