"""What a process that reads clips may not do; unconfined, each of it is done once more, so that it could be done."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import create_server

import pytest

from service.media.readers import PASSED_ON, _environment

CONFINE = "from service.media.confinement import confine; confine(memory_bytes=256 << 20, file_bytes=4096)"
UNCONFINED = "import os; os.nice(0)"


@pytest.fixture
def port() -> Iterator[int]:
    """A TCP port of this machine at which somebody listens."""
    with create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def works(first: str, then: str) -> bool:
    """Whether a Python process comes to its end with this."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{first}\n{then}"], env=_environment(), capture_output=True, check=False
    )
    return ran.returncode == 0


def test_it_has_so_many_files_and_so_much_memory(tmp_path: Path) -> None:
    """And none of its files grows beyond its size; what stays below is allowed."""
    out = str(tmp_path / "out")
    for beyond, below in (
        ("opened = [open('/dev/null') for _ in range(70)]", "opened = [open('/dev/null') for _ in range(20)]"),
        ("bytearray(300 << 20)", "bytearray(100 << 20)"),
        (
            f"open({out!r}, 'wb', 0).write(bytes(4096)); open({out!r}, 'ab', 0).write(b'1')",
            f"open({out!r}, 'wb').write(bytes(4096))",
        ),
    ):
        assert works(UNCONFINED, beyond)
        assert works(CONFINE, below)
        assert not works(CONFINE, beyond)


def test_it_gains_no_rights_and_nobody_looks_into_it() -> None:
    """As the kernel tells of it; when it crashes, no picture is left in a core file."""
    facts = """
import ctypes, resource
from pathlib import Path
assert "NoNewPrivs:\\t1" in Path("/proc/self/status").read_text()
assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
"""
    assert works(CONFINE, facts)
    assert not works(UNCONFINED, facts)


def test_it_reaches_no_network_where_the_system_allows_that(port: int) -> None:
    """Not even its own machine's."""
    allowed = subprocess.run(["unshare", "--user", "--net", "true"], capture_output=True, check=False).returncode == 0
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 10)"

    assert works(UNCONFINED, connect)
    assert works(CONFINE, connect) is not allowed


def test_it_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords and keys of the server stay in the server."""
    monkeypatch.setenv("KINEPOSE_REDIS_URL", "redis://:secret@nowhere")

    assert works(CONFINE, "import os; assert 'secret' not in str(os.environ)")
    assert not any("KINEPOSE" in name for name in PASSED_ON)
