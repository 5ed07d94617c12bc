"""The folder of a process's own files."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service.media.scratch import scratch_folder

KILLED = """
import os, sys, tempfile
tempfile.tempdir = sys.argv[1]
from service.media.scratch import scratch_folder
with scratch_folder("clips-") as folder:
    (folder / "clip").write_bytes(b"much")
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder is this test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_with_its_files(temporary: Path) -> None:
    """When the block ends."""
    with scratch_folder("clips-") as folder:
        (folder / "clip").write_bytes(b"much")
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_away(temporary: Path) -> None:
    """By the next one that starts; what is in use, or of another kind, stays."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(temporary)], stdout=subprocess.PIPE, text=True, check=False
    )
    left = Path(done.stdout.strip())
    assert (left / "clip").exists()
    (temporary / "clips-of-somebody-else").mkdir()
    with scratch_folder("clips-") as first, scratch_folder("clips-") as second:
        assert not left.exists()
        assert first.exists()
        assert second.exists()
        assert (temporary / "clips-of-somebody-else").exists()
