"""The service's processes and a Redis, each started for one measurement and ended with it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.support.redis_server import REDIS_SERVER

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.05

FRONTEND_READY = re.compile(r"ready: HTTP on (?P<http>http://[^\s,]+), gRPC on (?P<grpc>[^\s,\"]+)")
WORKER_READY = re.compile(r"ready: ")
REDIS_READY = re.compile(r"[Rr]eady to accept connections")

Way = Literal["unix", "loopback"]


@dataclass(slots=True)
class Running:
    """A process that has said that it is ready.

    Attributes:
        addresses: what its log said of its addresses, by name (http, grpc).
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def wait_until_ready(self, ready: re.Pattern[str]) -> None:
        """RuntimeError with the end of its log where it ends, or takes too long."""
        until = time.monotonic() + START_TIMEOUT_S
        while (found := ready.search(self.text)) is None:
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not get ready:\n{self.text[-2000:]}")
            time.sleep(LOOK_EVERY_S)
        self.addresses = found.groupdict()

    @property
    def text(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM, and SIGKILL where that does not help; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class Processes:
    """Starts them, and ends them in the reverse order: `with processes(folder) as started`.

    Attributes:
        running: in the order of their starts.
    """

    def __init__(self, folder: Path) -> None:
        self.running: list[Running] = []
        self._folder = folder

    def redis(self, way: Way) -> str:
        """A Redis with an append-only file, written to disk every second; returns its URL."""
        options = {
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "bind": "127.0.0.1",
        }
        if way == "unix":
            path = self._folder / "redis.sock"
            options |= {"port": "0", "unixsocket": str(path)}
            url = f"unix://{path}"
        else:
            port = _free_port()
            options |= {"port": str(port)}
            url = f"redis://127.0.0.1:{port}/0"
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._start("redis", [REDIS_SERVER, *arguments], {}).wait_until_ready(REDIS_READY)
        return url

    def service(self, name: str, command: Literal["serve", "worker"], **settings: str) -> Running:
        """`kinepose serve` or `kinepose worker` on free ports. Not ready yet: see `Running.wait_until_ready`.

        Args:
            settings: by name, such as redis_url.
        """
        named = {f"KINEPOSE_{setting.upper()}": value for setting, value in settings.items()}
        environment = {"KINEPOSE_HTTP_PORT": "0", "KINEPOSE_GRPC_PORT": "0", "KINEPOSE_LOG_LEVEL": "INFO", **named}
        return self._start(name, [sys.executable, "-m", "service", command], environment)

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Running:
        log = self._folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C ends the measurement, and that ends its processes in order
            )
        self.running.append(Running(name, process, log))
        return self.running[-1]


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """Processes whose logs and data go to `folder` (a short path: a socket's may have 107 bytes)."""
    started = Processes(folder)
    try:
        yield started
    finally:
        for one in reversed(started.running):
            one.stop()


def _free_port() -> int:
    # Redis reads port 0 as "no TCP".
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
