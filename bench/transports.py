"""One session over each transport: takes frames as they fall due, sends them in order, books every answer."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import astuple, replace
from typing import Any, Literal

import websockets
from websockets.asyncio.client import ClientConnection

from bench.ledger import SessionLedger
from bench.pacing import DueFrame
from kinepose_client import AsyncClient, Picture, wire_errors, wire_json
from service.contract.messages import Outcome, SessionOptions
from service.errors import DeadlinePassed, FrameDropped, KineposeError

Transport = Literal["grpc", "http", "websocket"]
TRANSPORTS: tuple[Transport, ...] = ("grpc", "http", "websocket")

Carrier = Callable[[AsyncIterator[DueFrame], SessionLedger], Awaitable[None]]
"""Carries one session's frames to the server, from its opening to its close.

Raises what ends a session: KineposeError, Unreachable, WebSocketException.
"""

END = json.dumps({"end": True})


def over_grpc(client: AsyncClient, options: SessionOptions) -> Carrier:
    """A StreamPose call that opens its session."""

    async def carry(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        async with aclosing(client.stream(_sent(frames, ledger), None, options)) as results:
            async for result in results:
                ledger.answered(result.seq, result.outcome, result.error_code, len(result.people))

    return carry


async def _sent(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> AsyncGenerator[Picture, None]:
    async for frame in frames:
        ledger.sent(frame.due)
        yield frame.picture


def over_http(client: AsyncClient, options: SessionOptions) -> Carrier:
    """A POST a frame. Each waits for the answer to the one before, as the order of a session demands."""

    async def carry(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        session_id = (await client.create_session(options)).session_id
        seq = 0
        async for frame in frames:
            number = ledger.sent(frame.due)
            try:
                result = await client.send_frame(session_id, replace(frame.picture, seq=seq))
            except KineposeError as error:
                ledger.answered(number, _outcome(error), error.code)
                seq = (await client.session(session_id)).next_seq  # some errors spend the seq, some do not
            else:
                ledger.answered(number, result.outcome, result.error_code, len(result.people))
                seq += 1
        await client.close_session(session_id)

    return carry


def _outcome(error: KineposeError) -> Outcome:
    if isinstance(error, DeadlinePassed):
        return Outcome.EXPIRED
    return Outcome.DROPPED if isinstance(error, FrameDropped) else Outcome.ERROR


def over_websocket(
    client: AsyncClient,
    http_url: str,
    headers: dict[str, str],
    options: SessionOptions,
    context: ssl.SSLContext | None = None,
) -> Carrier:
    """A WebSocket of a session that is opened and closed over HTTP; `headers` say who is asking."""
    socket_options: dict[str, Any] = {"additional_headers": headers, "max_size": None, "ping_interval": None}
    if context is not None:
        socket_options["ssl"] = context

    async def carry(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        session_id = (await client.create_session(options)).session_id
        url = f"{http_url.replace('http', 'ws', 1)}/v1/sessions/{session_id}/stream"
        async with websockets.connect(url, compression=None, **socket_options) as socket:
            await _converse(socket, frames, ledger)
        await client.close_session(session_id)

    return carry


async def _converse(socket: ClientConnection, frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
    """Send and receive at once; the first to fail ends both."""
    directions = [asyncio.create_task(_send(socket, frames, ledger)), asyncio.create_task(_receive(socket, ledger))]
    try:
        for direction in asyncio.as_completed(directions):
            await direction
    finally:
        for task in directions:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)


async def _send(socket: ClientConnection, frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
    async for frame in frames:
        number = ledger.sent(frame.due)
        await socket.send(json.dumps(_frame_params(frame.picture, number)))
        await socket.send(frame.picture.image)
    await socket.send(END)


def _frame_params(picture: Picture, seq: int) -> dict[str, Any]:
    said = {
        "seq": seq,
        "pts_us": picture.pts_us,
        "region": astuple(picture.region) if picture.region else None,
        "deadline_ms": picture.deadline_ms,
    }
    return {name: value for name, value in said.items() if value is not None}


async def _receive(socket: ClientConnection, ledger: SessionLedger) -> None:
    async for message in socket:
        data = json.loads(message)
        if "outcome" not in data:
            raise wire_errors.from_problem(data["error"])
        result = wire_json.result_from_json(data)
        ledger.answered(result.seq, result.outcome, result.error_code, len(result.people))
