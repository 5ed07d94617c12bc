"""`python -m tests.chaos.fragile_worker worker`: a worker whose decoder crashes on marked pictures, as any may."""

import os
import resource
import signal
import sys

from model.values import Frame
from service.__main__ import main
from service.inference import decoder
from service.media.image import ImageHeader, decode

MARK = b"chaos: this picture ends its worker"
CRASH = signal.SIGSEGV
"""What such a process ends by; nothing else in a run sends it."""
_COMMENT = b"\xff\xfe"


def poisoned(jpeg: bytes) -> bytes:
    """The same picture, marked by a comment behind its first marker."""
    return jpeg[:2] + _COMMENT + (len(MARK) + 2).to_bytes(2) + MARK + jpeg[2:]


def _decode(image: bytes, header: ImageHeader) -> Frame:
    if MARK in image:
        os.kill(os.getpid(), CRASH)
    return decode(image, header)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    decoder.decode = _decode  # type: ignore[attr-defined]
    sys.exit(main())
