"""A redis-server whose wall clock jumps when told to, by a library that is preloaded into it."""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.redis_server import OwnRedis, own_redis

Jump = Callable[[float], None]
"""Seconds by which the clock goes ahead; below 0, back."""


@contextmanager
def jumping_clock() -> Iterator[tuple[dict[str, str], Jump]]:
    """What a redis-server's environment needs, and what lets its clock jump, also across its restarts.

    Raises FileNotFoundError where there is no C compiler.
    """
    with tempfile.TemporaryDirectory() as folder:
        library, ahead = Path(folder) / "jumping_clock.so", Path(folder) / "ahead"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        ahead.write_bytes(struct.pack("=q", 0))

        def jump(seconds: float) -> None:
            # In place: it is mapped.
            with ahead.open("r+b") as file:
                [before_us] = struct.unpack("=q", file.read())
                file.seek(0)
                file.write(struct.pack("=q", before_us + round(1e6 * seconds)))

        yield {"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(ahead)}, jump


@contextmanager
def jumping_redis() -> Iterator[tuple[OwnRedis, Jump]]:
    """A running one, and what lets its clock jump."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler is installed, which makes the library that lets Redis's clock jump")
    with jumping_clock() as (environment, jump), own_redis(environment) as redis:
        yield redis, jump
