"""What a process that reads other people's clips may not do, whatever a decoder in it is made to do. Linux."""

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

NICENESS: Final = 10
"""Of whoever works on a clip or a large picture: it may wait for processor time, a live stream may not."""
MOST_FILES: Final = 64
"""Open at once: two of the clip, its drawing, the server's socket and memory, and those of Python."""

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000


def confine(memory_bytes: int, file_bytes: int) -> None:
    """Bound this process for good; called before there is a second thread.

    It gets no rights that it does not have, cannot be looked into by others of its user, and reaches no network where
    the system allows user namespaces (containers often do not).

    Args:
        memory_bytes: what it may take beyond what it has now.
        file_bytes: how large a file may grow that it writes; 0: it writes none.
    """
    with suppress(OSError):  # Where the machine has no memory left, the kernel ends this process before the server.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(NICENESS)
    libc = ctypes.CDLL(None)
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _limit(resource.RLIMIT_AS, memory_bytes + _address_space())
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MOST_FILES)
    _limit(resource.RLIMIT_FSIZE, file_bytes)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
