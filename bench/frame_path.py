"""Which files of `service/` one frame enters: `python -m bench.frame_path grpc|http [--redis-url URL]`.

The third frame of a session is followed, with a server, and with `--redis-url` a worker, in this process. What they do
beside it in that moment (probes, beats) is listed, too. `docs/architecture.md` is made from what this prints.
"""

import argparse
import asyncio
import secrets
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import CodeType, FrameType

import cv2
import numpy as np

import service
from kinepose_client import AsyncClient, Picture
from service.config import Settings
from service.processes.frontend import RunningServer
from service.processes.worker import RunningWorker

ROOT = f"{Path(service.__file__).parent}/"
PIPELINE = "pipeline/frames.py"
NOT_OURS = ("client/", "pb/")
"""The client is at the other end of the wire, the stubs are generated."""
SETTLE_S = 1.0
TRIES = 30


class Tracer:
    """Functions of `service/` as they are called while `on` is true, each frame of a coroutine counted once."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[tuple[str, str, str]] = []
        self._seen: dict[int, FrameType] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """A profile function."""
        name = _name(frame.f_code)
        if not self.on or event != "call" or name is None or id(frame) in self._seen:
            return
        self._seen[id(frame)] = frame  # kept, so that its id stays its own
        caller = frame.f_back and _name(frame.f_back.f_code)
        self.calls.append((name, frame.f_code.co_qualname, caller or ""))

    def report(self) -> str:
        """One file a line, in the order in which they are first entered."""
        functions: dict[str, list[str]] = {}
        for name, function, _ in self.calls:
            functions.setdefault(name, []).append(function)
        entered = [function for name, function, caller in self.calls if name == PIPELINE != caller]
        lines = [f"{name}: {', '.join(dict.fromkeys(found))}" for name, found in functions.items()]
        summary = f"{len(functions)} files; {PIPELINE} entered {len(entered)} times: {', '.join(entered)}"
        return "\n".join([*lines, summary])


def _name(code: CodeType) -> str | None:
    """The file below `service/`; None where it is another one."""
    name = code.co_filename.removeprefix(ROOT)
    return None if name == code.co_filename or name.startswith(NOT_OURS) else name


async def follow(tracer: Tracer, transport: str, settings: Settings) -> None:
    """Start what is needed, send two frames, and a third one while `tracer` is on."""
    async with AsyncExitStack() as stack:
        if settings.redis_url is not None:
            await stack.enter_async_context(RunningWorker(settings))
        server = await stack.enter_async_context(RunningServer(settings))
        for _ in range(TRIES):
            if await server.services.lifecycle.ready():
                break
            await asyncio.sleep(SETTLE_S)
        client = AsyncClient(server.http_url, server.grpc_target)
        stack.push_async_callback(client.aclose)
        await (_stream(tracer, client) if transport == "grpc" else _single(tracer, client))


async def _stream(tracer: Tracer, client: AsyncClient) -> None:
    answered = asyncio.Event()

    async def pictures() -> AsyncIterator[Picture]:
        yield _picture(0)
        yield _picture(1)
        await answered.wait()
        yield _picture(2)

    results = client.stream(pictures())
    async for result in results:
        tracer.on = False
        if result.seq == 1:
            await asyncio.sleep(SETTLE_S)
            tracer.on = True
            answered.set()


async def _single(tracer: Tracer, client: AsyncClient) -> None:
    session = await client.create_session()
    for seq in range(3):
        tracer.on = seq == 2
        await client.send_frame(session.session_id, _picture(seq))
        tracer.on = False


def _picture(seq: int) -> Picture:
    noise = np.random.default_rng(seq).integers(0, 255, (240, 320, 3), np.uint8)
    return Picture(cv2.imencode(".jpg", noise)[1].tobytes(), pts_us=40_000 * seq)


def main() -> None:
    """Follow a frame and print its path."""
    parser = argparse.ArgumentParser(prog="python -m bench.frame_path", description=main.__doc__)
    parser.add_argument("transport", choices=("grpc", "http"))
    parser.add_argument("--redis-url", help="of a Redis; default: everything in one process")
    arguments = parser.parse_args()
    ports = {"http_port": 0, "grpc_port": 0}
    settings = Settings.model_validate(
        {**ports, "redis_url": arguments.redis_url, "redis_prefix": f"path-{secrets.token_hex(4)}"}
    )
    tracer = Tracer()
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    asyncio.run(follow(tracer, arguments.transport, settings))
    sys.setprofile(None)
    print(tracer.report())


if __name__ == "__main__":
    main()
