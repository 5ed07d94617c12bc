"""Real processes, each in a place that is filled again when its process has ended, as an orchestrator does."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import fragile_worker
from tests.chaos.fragile_worker import CRASH
from tests.support.redis_server import REDIS_SERVER

ROOT = Path(__file__).parents[2]
LOOK_EVERY_S = 0.05
START_TIMEOUT_S = 120.0
RESTART_S = 1.0
"""Until a process that ended by itself is started again."""
SLACK_S = 8.0
"""Beyond its grace: a process that closes its connections, on a machine that is busy with others starting."""

REDIS_READY = re.compile(r"Ready to accept connections")
FRONTEND_READY = re.compile(r"ready: HTTP on (?P<http>http://[^\s,]+), gRPC on (?P<grpc>[^\s,\"]+)")
WORKER_READY = re.compile(r"ready: .*(?P<http>http://[^\s,\"]+)")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a process is started.

    Attributes:
        ready: what its log says once it is.
        grace_s: how long it may take to end after SIGTERM.
    """

    command: tuple[str, ...]
    ready: re.Pattern[str]
    env: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody has sent a process a signal that ends it."""

    number: signal.Signals
    at: float
    away_s: float


class Place:
    """Where one process after the other runs.

    Attributes:
        name: such as worker-1.
        up: set while a process runs here that has said that it is ready.
        addresses: what the ready line of the running process said, by group name.
        starts, faults: how often one was started; what went against the rules.
        crashes: how often one ended by a picture that is made for that.
        stop_s: how long each SIGTERM took, seconds.
    """

    def __init__(self, name: str, recipe: Recipe, logs: Path) -> None:
        self.name = name
        self.up = asyncio.Event()
        self.addresses: dict[str, str] = {}
        self.starts = 0
        self.faults: list[str] = []
        self.crashes = 0
        self.stop_s: list[float] = []
        self._recipe = recipe
        self._logs = logs
        self._process: asyncio.subprocess.Process | None = None
        self._asked: Asked | None = None
        self._closed = False

    async def keep(self) -> None:
        """Fill the place until it is closed."""
        while not self._closed:
            self._asked = None
            log = self._logs / f"{self.name}.{self.starts}.log"
            self._process = process = await self._spawn(log)
            await self._wait_until_ready(process, log)
            await process.wait()
            self.up.clear()
            self._judge(process.returncode, log)
            await asyncio.sleep(self._away_s())

    @property
    def pid(self) -> int | None:
        """Of the process that runs here now, if one does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def _away_s(self) -> float:
        return self._asked.away_s if self._asked else RESTART_S

    async def end(self, number: signal.Signals, away_s: float = 0.0) -> bool:
        """Send the process SIGKILL or SIGTERM; False where there is none that could be ended."""
        process = self._process
        if process is None or process.returncode is not None or self._asked is not None or not self.up.is_set():
            return False
        self._asked = Asked(number, time.monotonic(), away_s)
        process.send_signal(number)
        if number is signal.SIGTERM:
            await self._wait_for_end(process)
        return True

    async def pause(self, seconds: float) -> bool:
        """Let the process hang for so long; False where there is none."""
        process = self._process
        if process is None or process.returncode is not None or not self.up.is_set():
            return False
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):  # It may have been killed while it hung.
                process.send_signal(signal.SIGCONT)
        return True

    async def close(self) -> None:
        """End the process with SIGTERM and fill the place no more."""
        self._closed = True
        await self.end(signal.SIGTERM)

    def kill(self) -> None:
        """Leave nothing running, whatever happened."""
        self._closed = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _spawn(self, log: Path) -> asyncio.subprocess.Process:
        self.starts += 1
        with log.open("wb") as file:
            # A session of its own: Ctrl-C ends the run, and the run ends its processes.
            return await asyncio.create_subprocess_exec(
                *self._recipe.command,
                cwd=ROOT,
                env={**os.environ, **self._recipe.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def _wait_until_ready(self, process: asyncio.subprocess.Process, log: Path) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while process.returncode is None:
            ready = self._recipe.ready.search(_text(log))
            if ready:
                self.addresses = ready.groupdict()
                self.up.set()
                return
            if time.monotonic() > until:
                self.faults.append(f"{log.name}: not ready after {START_TIMEOUT_S:.0f} s")
                process.kill()
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _wait_for_end(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self._recipe.grace_s + SLACK_S):
                await process.wait()
        except TimeoutError:
            self.faults.append(f"{self.name}: runs {self._recipe.grace_s + SLACK_S:.0f} s after SIGTERM")
            process.kill()
            await process.wait()

    def _judge(self, code: int | None, log: Path) -> None:
        """A process ends only when asked, and with 0 unless it was killed; or by a picture that is made for that."""
        asked = self._asked
        if code == -CRASH:
            self.crashes += 1
        elif asked is None:
            self.faults.append(f"{log.name}: ended by itself with {code}")
        elif asked.number is signal.SIGTERM:
            self.stop_s.append(time.monotonic() - asked.at)
            if code != 0:
                self.faults.append(f"{log.name}: SIGTERM, and it ended with {code}")


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


def service_recipe(command: str, ready: re.Pattern[str], settings: Mapping[str, str], grace_s: float) -> Recipe:
    """`kinepose serve`, or `worker` as a fragile one, on ports that the kernel chooses, with one thread for numbers."""
    named = {f"KINEPOSE_{name.upper()}": value for name, value in settings.items()}
    env = {
        "OMP_NUM_THREADS": "1",
        "KINEPOSE_HTTP_PORT": "0",
        "KINEPOSE_GRPC_PORT": "0",
        "KINEPOSE_DRAIN_GRACE_S": str(grace_s),
        "KINEPOSE_LOG_LEVEL": "INFO",
        "KINEPOSE_LOG_FORMAT": "text",
        **named,
    }
    program = "service" if command == "serve" else fragile_worker.__name__
    return Recipe((sys.executable, "-m", program, command), ready, env, grace_s)


def redis_recipe(
    port: int, folder: Path, appendfsync: str, env: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Recipe:
    """A Redis that writes every command to its append-only file, and reads it when it is started again."""
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "maxmemory-policy": "noeviction",
        **(more or {}),
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Recipe((REDIS_SERVER, *arguments), REDIS_READY, env)
