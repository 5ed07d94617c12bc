"""A redis-server of one test's own, which may be killed, paused and started again; and a lossy way to it."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

PATIENCE_S = 30.0
REDIS_SERVER = os.environ.get("KINEPOSE_TEST_REDIS_SERVER", "redis-server")
"""The program that the tests start: `valkey-server` is another one."""


def free_port() -> int:
    """One that nobody listens on now; redis-server reads 0 as "no TCP"."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class OwnRedis:
    """On a Unix socket. It writes every command to disk before it answers, so that a kill loses nothing.

    Args:
        folder: its files; a socket's path may have 107 bytes.
        environment: variables beside those of this process.
        options: of its configuration, beside or in place of the usual ones.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._options = options or {}
        self._environment = os.environ | (environment or {})
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, with what it wrote before, and wait until it answers."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            **self._options,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [REDIS_SERVER, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=self._environment,
        )
        until = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert time.monotonic() < until, f"{REDIS_SERVER} did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Let it hang: it takes connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.kill()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(7) in (b"+PONG\r\n", b"-NOAUTH")
        return False


@contextmanager
def own_redis(
    environment: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
) -> Iterator[OwnRedis]:
    """A running one."""
    with tempfile.TemporaryDirectory() as folder:
        redis = OwnRedis(Path(folder), environment, options)
        try:
            redis.start()
            yield redis
        finally:
            redis.stop()


class LossyWay:
    """A port before Redis that loses answers: the command has been carried out by then.

    Attributes:
        url: to connect to in place of Redis.
        to_pass: so many answers are passed on, then one is lost and its connection with it; None loses none.
        lost: how many were.
    """

    def __init__(self) -> None:
        self.url = ""
        self.to_pass: int | None = None
        self.lost = 0

    async def answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on what Redis says."""
        while data := await source.read(2**16):
            if self.to_pass == 0:
                self.to_pass = None
                self.lost += 1
                return
            if self.to_pass is not None:
                self.to_pass -= 1
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def lossy_way(host: str, port: int) -> AsyncIterator[LossyWay]:
    """A way to the Redis at this address."""
    processor = LossyWay()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection(host, port)
        commands = asyncio.create_task(_pass_on(reader, redis_writer))
        try:
            await processor.answers(redis_reader, writer)
        finally:
            commands.cancel()
            redis_writer.close()
            writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    processor.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    async with server:
        yield processor


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(2**16):
            sink.write(data)
            await sink.drain()
    sink.close()
