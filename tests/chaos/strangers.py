"""Those who send what costs much: over HTTP, with a key of their own, each kind over and over until cancelled."""

import asyncio
import os
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.chaos.fleet import Address
from tests.support.costly import announced_png, jpeg_of_scans, long_gif, make_bomb, strip
from tests.support.raw import connected, post

SLOW_CLIENTS = 200
"""Half of them send a request's head, half of them a clip, a byte a second."""
PICTURES_IN_CLIPS = 100_000
SIDE = 16_384
Send = Callable[[Address, bytes], Awaitable[str]]
"""Something to a frontend; says how it was answered."""
ANSWER_S = 120.0
"""A stranger is as patient as that."""
PAUSE_S = 1.0
"""After each answer, which is what refusals ask for."""


@dataclass(frozen=True, slots=True)
class Costly:
    """What they send: pictures for frames, and clips, by what people call them."""

    pictures: dict[str, bytes]
    clips: dict[str, bytes]


def make_costly() -> Costly:
    """Make them all; some seconds."""
    pictures = {
        "a strip of 2000 x 20": strip(2000, 20),
        "a strip of 65,500 x 8": strip(65_500, 8),
        "a PNG's header of 16,384 x 16,384": announced_png(SIDE),
        "a PNG of 40 million pixels": strip(8000, 5000),
        "a JPEG of 3,000 scans": jpeg_of_scans(3000),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = {
            "a GIF of 100,000 pictures": long_gif(PICTURES_IN_CLIPS),
            "an MP4 of 100,000 pictures": _long_clip(folder / "long.mp4"),
            "an MP4 that declares 50,000,000": make_bomb(folder / "bomb.mp4").read_bytes(),
        }
    return Costly(pictures, clips)


def _long_clip(path: Path) -> bytes:
    source = ["-f", "lavfi", "-i", "color=gray:s=64x64:r=1000", "-frames:v", str(PICTURES_IN_CLIPS)]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-preset", "ultrafast", str(path)], check=True)
    return path.read_bytes()


@dataclass(slots=True)
class Strangers:
    """All of them at once.

    Attributes:
        addresses: frontends that are up.
        api_key: theirs.
        answered: how often each kind was answered with what: (kind, code).
        sessions: those that they opened.
    """

    addresses: Callable[[], list[Address]]
    api_key: str
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    sessions: set[str] = field(default_factory=set)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    async def run(self, costly: Costly, words: str = "") -> None:
        """Send until cancelled those kinds that have these words; none of them ends by what it is answered."""
        sent: list[tuple[str, Send, bytes]] = [(kind, self._frame, one) for kind, one in costly.pictures.items()]
        sent += [(kind, self._clip, one) for kind, one in costly.clips.items()]
        for _ in range(SLOW_CLIENTS // 2):
            sent.append(("a request's head, a byte a second", self._slowly, b""))
            sent.append(("a clip, a byte a second", self._slowly, b"x"))
        async with asyncio.TaskGroup() as group:
            for kind, send, what in sent:
                if words in kind:
                    group.create_task(self._over_and_over(kind, send, what))

    async def _over_and_over(self, kind: str, send: Send, what: bytes) -> None:
        while True:
            answer = "no frontend"
            if addresses := self.addresses():
                address = random.choice(addresses)
                try:
                    answer = await send(address, what)
                except (httpx.HTTPError, OSError) as error:
                    answer = type(error).__name__
            self.answered[kind, answer] += 1
            await asyncio.sleep(PAUSE_S)

    async def _frame(self, address: Address, picture: bytes) -> str:
        """A session's only frame."""
        async with self._http(address) as http:
            opened = await http.post("/v1/sessions")
            if opened.status_code != httpx.codes.CREATED:
                return _code(opened)
            where = opened.headers["location"]
            self.sessions.add(opened.json()["session_id"])
            try:
                return _code(await http.post(f"{where}/frames", content=picture, headers={"Content-Type": "image/png"}))
            finally:
                await http.delete(where)

    async def _clip(self, address: Address, clip: bytes) -> str:
        async with self._http(address) as http:
            return _code(await http.post("/v1/clips", content=clip))

    async def _slowly(self, address: Address, body: bytes) -> str:
        """A request that goes on as slowly as can be, until the server has enough."""
        url = httpx.URL(address.http_url)
        head = post("/v1/clips", 1000, body, self._headers.items())
        assert url.port is not None
        async with connected(url.port, head if body else head[:-4]) as [(reader, writer)]:
            answer = asyncio.create_task(reader.read(4096))
            with suppress(ConnectionError):
                while not (await asyncio.wait({answer}, timeout=1.0))[0]:
                    writer.write(b"x")
                    await writer.drain()
                return (await answer).split(b"\r\n", 1)[0].decode("latin-1")[9:] or "hung up"
            answer.cancel()
            return "hung up"

    def _http(self, address: Address) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=address.http_url, headers=self._headers, timeout=ANSWER_S)


def send_for(seconds: float, address: Address, api_key: str, costly: Costly, words: str) -> Counter[tuple[str, str]]:
    """Strangers for so long, in an event loop of their own; how they were answered. Blocks.

    The process gives way to others: strangers have computers of their own.
    """
    os.nice(19)
    strangers = Strangers(lambda: [address], api_key)

    async def run() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await strangers.run(costly, words)

    asyncio.run(run())
    return strangers.answered


def _code(answer: httpx.Response) -> str:
    """What a server says of a request, in a word."""
    if answer.is_success:
        return f"{answer.status_code} ok"
    return f"{answer.status_code} {answer.json()['code']}"
