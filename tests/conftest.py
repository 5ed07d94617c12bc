"""Fixtures shared by all tests: a real Redis, started once a session."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.redis_server import REDIS_SERVER

# Torch threads of several tests that spin against each other are far slower than one. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no reason to fail: properties are about values, never about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
PORT_ATTEMPTS = 5


class PortTaken(Exception):
    """Another process bound the port between our look and Redis's own bind."""


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a redis-server of our own: loopback, a free port, nothing persisted, never evicting.

    One server serves all tests of a session: a test keeps to keys under a prefix of its own.
    """
    binary = shutil.which(REDIS_SERVER)
    if binary is None:
        pytest.fail(f"{REDIS_SERVER} is not installed; `make test` installs redis-server", pytrace=False)
    with _redis_on_free_port(binary, tmp_path_factory.mktemp("redis")) as port:
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _redis_on_free_port(binary: str, directory: Path) -> Iterator[int]:
    for _ in range(PORT_ATTEMPTS):
        port = _free_port()
        process = _spawn(binary, directory, port)
        try:
            _wait_until_ready(process)
        except PortTaken:
            _stop(process)
            continue
        except BaseException:
            _stop(process)
            raise
        try:
            yield port
        finally:
            _stop(process)
        return
    pytest.fail(f"redis-server found no free port in {PORT_ATTEMPTS} tries", pytrace=False)


def _free_port() -> int:
    # Redis reads port 0 as "no TCP", so the kernel's choice is asked for here.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _spawn(binary: str, directory: Path, port: int) -> subprocess.Popen[str]:
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return subprocess.Popen(
        [binary, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Block until Redis takes connections; its log is read to the end, so that it never blocks on us."""
    log: list[str] = []
    started_or_ended = threading.Event()

    def read_log() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                log.append(line)
                if "Ready to accept connections" in line:
                    started_or_ended.set()
        started_or_ended.set()

    threading.Thread(target=read_log, name="redis-log", daemon=True).start()
    in_time = started_or_ended.wait(START_TIMEOUT_S)
    text = "".join(log)
    if "Ready to accept connections" in text:
        return
    if "Address already in use" in text:
        raise PortTaken
    how = "ended" if in_time else f"was not ready after {START_TIMEOUT_S:.0f} s"
    pytest.fail(f"redis-server {how}:\n{text}", pytrace=False)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
