"""A stream's connection to one frontend, over each way that frames can take."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from kinepose_client import AsyncClient, Picture, Unreachable, wire_errors, wire_json
from service.contract.messages import FrameResult, SessionInfo, SessionOptions, Smoothing
from service.errors import KineposeError
from tests.chaos.fleet import Address

CALL_TIMEOUT_S = 15.0
"""A client takes a server that says nothing for so long for dead. No stage of a run lasts as long."""
WAYS = ("grpc stream", "http", "grpc", "websocket")
"""StreamPose, POST frame by frame, EstimateFrame, WebSocket."""


class Connection(Protocol):
    """One frame at a time. Every call raises KineposeError, Unreachable, TimeoutError."""

    async def create_session(self, max_people: int) -> SessionInfo:
        """Begin."""
        ...

    async def session(self, session_id: str) -> SessionInfo:
        """What the session expects next."""
        ...

    async def exchange(self, session_id: str, picture: Picture) -> FrameResult:
        """Send a frame and wait for its answer. Cancelled, the connection is of no further use."""
        ...

    async def finish(self) -> list[FrameResult]:
        """End in order; answers that nobody asked for."""
        ...

    async def aclose(self) -> None:
        """Cut it."""
        ...


async def opened(way: str, address: Address) -> Connection:
    """A new connection. Nothing may have been sent yet."""
    if way == "http":
        return Single(AsyncClient(http_url=address.http_url, api_key=address.api_key, timeout_s=CALL_TIMEOUT_S))
    if way == "websocket":
        return WebSocketStream(address)
    grpc = AsyncClient(grpc_target=address.grpc_target, api_key=address.api_key, timeout_s=CALL_TIMEOUT_S)
    return Single(grpc) if way == "grpc" else GrpcStream(grpc)


class Single:
    """A call a frame, over HTTP or gRPC."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def create_session(self, max_people: int) -> SessionInfo:
        """See Connection."""
        return await self.client.create_session(SessionOptions(max_people=max_people, smoothing=Smoothing.ONE_EURO))

    async def session(self, session_id: str) -> SessionInfo:
        """See Connection."""
        return await self.client.session(session_id)

    async def exchange(self, session_id: str, picture: Picture) -> FrameResult:
        """See Connection."""
        return await self.client.send_frame(session_id, picture)

    async def finish(self) -> list[FrameResult]:
        """See Connection. A call has one answer by its nature."""
        await self.aclose()
        return []

    async def aclose(self) -> None:
        """See Connection."""
        await self.client.aclose()


class GrpcStream(Single):
    """StreamPose, from its first frame on."""

    def __init__(self, client: AsyncClient) -> None:
        super().__init__(client)
        self._outgoing: asyncio.Queue[Picture | None] = asyncio.Queue()
        self._answers: AsyncGenerator[FrameResult, None] | None = None

    async def exchange(self, session_id: str, picture: Picture) -> FrameResult:
        """See Connection."""
        if self._answers is None:
            self._answers = self.client.stream(self._pictures(), session_id)
        self._outgoing.put_nowait(picture)
        async with asyncio.timeout(CALL_TIMEOUT_S):
            try:
                return await anext(self._answers)
            except StopAsyncIteration:
                raise Unreachable("the stream ended with a frame unanswered") from None

    async def _pictures(self) -> AsyncIterator[Picture]:
        while (picture := await self._outgoing.get()) is not None:
            yield picture

    async def finish(self) -> list[FrameResult]:
        """See Connection."""
        self._outgoing.put_nowait(None)
        async with asyncio.timeout(CALL_TIMEOUT_S):
            rest = [answer async for answer in self._answers] if self._answers else []
        await self.aclose()
        return rest

    async def aclose(self) -> None:
        """See Connection."""
        self._outgoing.put_nowait(None)  # grpc goes on waiting for a frame to send after the call has failed.
        if self._answers is not None:
            await self._answers.aclose()
        await super().aclose()


class WebSocketStream(Single):
    """Frames over a WebSocket; what concerns the session over HTTP."""

    def __init__(self, address: Address) -> None:
        super().__init__(AsyncClient(http_url=address.http_url, api_key=address.api_key, timeout_s=CALL_TIMEOUT_S))
        self._url = address.http_url.replace("http://", "ws://", 1)
        self._headers = address.headers
        self._socket: ClientConnection | None = None

    async def exchange(self, session_id: str, picture: Picture) -> FrameResult:
        """See Connection."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            try:
                if self._socket is None:
                    url = f"{self._url}/v1/sessions/{session_id}/stream"
                    self._socket = await connect(url, additional_headers=self._headers, ping_interval=None)
                await self._socket.send(_stamp(picture))
                await self._socket.send(picture.image)
                return _read(await self._socket.recv())
            except InvalidStatus as refused:
                raise _refusal(refused) from refused
            except (ConnectionClosed, InvalidHandshake, OSError) as broken:
                raise Unreachable(str(broken)) from broken

    async def finish(self) -> list[FrameResult]:
        """See Connection."""
        rest = []
        if self._socket is not None:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._socket.send('{"end": true}')
                rest = [_read(message) async for message in self._socket]
        await self.aclose()
        return rest

    async def aclose(self) -> None:
        """See Connection."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()
        await super().aclose()


def _stamp(picture: Picture) -> str:
    region = picture.region
    data = {"seq": picture.seq, "pts_us": picture.pts_us}
    return json.dumps(data | ({"region": [region.x, region.y, region.w, region.h]} if region else {}))


def _read(message: str | bytes) -> FrameResult:
    data = json.loads(message)
    if "outcome" not in data:
        raise wire_errors.from_problem(data["error"])
    return wire_json.result_from_json(data)


def _refusal(refused: InvalidStatus) -> Exception:
    try:
        return wire_errors.from_problem(json.loads(refused.response.body or b""))
    except (ValueError, KeyError):
        return KineposeError(f"the handshake was answered with {refused.response.status_code}")
