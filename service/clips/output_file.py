"""Where a command's results go: files that appear whole or not at all, and what is no regular file.

a regular file, or none yet      a temporary file beside it takes its place in one step
a link                           stays; its target is written
a device, a pipe, /dev/stdout    is written through, and never replaced
"""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MOST_LINKS = 40
NOT_RENAMED = (errno.EBUSY, errno.EXDEV)
"""A file that is a mount point of its own (a single file bound into a container), or in another file system."""

Target = Path | int
"""What stands at the end of all links: a path, or the number of a descriptor that this process has open."""


def check_output(path: Path) -> None:
    """Refuse a path that cannot be written, before any work is done for it. Nothing is opened or made.

    Raises:
        OSError: a folder, a socket, a file or folder that may not be written, no folder around it, links in a circle.
    """
    target = _target(path)
    if isinstance(target, int):
        return
    if not target.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder, where a file is to be written", str(path))
    if target.is_socket():
        raise OSError(errno.ENXIO, "a socket, where a file is to be written", str(path))
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written", str(path))


def is_stream(path: Path) -> bool:
    """True for a device, a pipe or an open descriptor: it is written as the results come."""
    target = _target(path)
    return isinstance(target, int) or (target.exists() and not target.is_file()) or target.is_symlink()


def open_stream(path: Path) -> BinaryIO:
    """A device, a pipe or an open descriptor, for writing; what is in it stays. A pipe waits for its reader."""
    target = _target(path)
    # Not opened anew: of a file behind /dev/stdout that would begin at its first byte.
    descriptor = os.dup(target) if isinstance(target, int) else os.open(target, os.O_WRONLY)
    return os.fdopen(descriptor, "wb")


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A path to write to; what is in it is at `path` once the block ends. If the block raises, it is dropped.

    A file that is replaced hands its mode and owner on. One that cannot be replaced so (another owner's, with a
    second name, bound into a container, or in a folder that may not be written) is overwritten in place.

    Raises:
        OSError: as `check_output`, at the beginning; and what writing raises.
    """
    check_output(path)
    target = _target(path)
    if isinstance(target, int) or is_stream(path) or not os.access(target.parent, os.W_OK):
        with tempfile.TemporaryDirectory(prefix="kinepose-") as folder:
            part = Path(folder) / "part"
            yield part
            _copy(part, path)
        return
    part = target.with_name(f".kinepose-{secrets.token_hex(8)}.part")
    try:
        yield part
        _take_place(part, target)
    finally:
        part.unlink(missing_ok=True)


def _target(path: Path) -> Target:
    for _ in range(MOST_LINKS):
        folder = path.parent.resolve()
        if folder == Path(f"/proc/{os.getpid()}/fd") and path.name.isdecimal():
            return int(path.name)
        # Below /proc, a link's text is no path: only the kernel can follow it.
        if not path.is_symlink() or folder.is_relative_to("/proc"):
            return path
        path = folder / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _take_place(part: Path, target: Path) -> None:
    if not _made_like(part, target):
        _copy(part, target)
        return
    try:
        part.replace(target)
    except OSError as error:
        if error.errno not in NOT_RENAMED:
            raise
        _copy(part, target)


def _made_like(part: Path, target: Path) -> bool:
    """Give the new file the mode and the owner of the old one; False where it could not take its place."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return True
    if old.st_nlink > 1:
        return False
    new = part.stat()
    try:
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            os.chown(part, old.st_uid, old.st_gid)
        part.chmod(stat.S_IMODE(old.st_mode))
    except PermissionError:
        return False
    return True


def _copy(part: Path, path: Path) -> None:
    with part.open("rb") as whole, open_stream(path) if is_stream(path) else path.open("wb") as out:
        shutil.copyfileobj(whole, out)
