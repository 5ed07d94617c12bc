"""A folder for a process's files, gone when it ends; what a killed process left is cleared away by the next one."""

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

LOCK = "in-use"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A new folder in the system's temporary one. Its lock ends with the process, however that ends."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _clear_if_abandoned(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        with (folder / LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_if_abandoned(folder: Path) -> None:
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            log.warning("clearing away %s, which a process left that was killed", folder)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # In use, or about to be; or somebody else's.
