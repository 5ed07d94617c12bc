"""WS /v1/sessions/{id}/stream: binary messages are frames, text messages say something of the next one.

    client                                       server
    {"seq": 7, "pts_us": 280000}          ──►              (optional; also region [x,y,w,h] or regions, deadline_ms)
    <JPEG bytes>                          ──►
                                          ◄──   {"session_id": ..., "seq": 7, "outcome": "ok", ...}
    {"end": true}                         ──►              (optional)
                                          ◄──   what is still open, then close 1000

Every binary message gets one answer. A frame without a seq is the next one. A text that makes no sense is answered at
once with `{"error": {problem}}`, and the picture after it, of which it said something, with that error, too. An unknown
or expired session, one of another API key, and a page of another server are refused at the handshake with problem+json.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from service.auth.api_keys import Caller
from service.contract import problem, wire
from service.contract.messages import EncodedFrame, SessionInfo
from service.errors import BadRequest, Draining, Forbidden, KineposeError, TooLarge
from service.transports.http import cors
from service.transports.http.auth import SUBPROTOCOL, caller_of
from service.transports.http.dependencies import services_of
from service.transports.http.errors import problem_response
from service.transports.services import Services

# RFC 6455 and the registry of close codes.
POLICY_VIOLATION, INTERNAL_ERROR, SERVICE_RESTART = 1008, 1011, 1012
MAX_TEXT_CHARS = 4096
MAX_TEXTS = 64
"""Text messages without a picture between them."""
PARAM_FIELDS = frozenset({"seq", "pts_us", "region", "regions", "deadline_ms"})

log = logging.getLogger(__name__)

router = APIRouter()


@router.websocket("/v1/sessions/{session_id}/stream")
async def stream(websocket: WebSocket, session_id: str) -> None:
    """Frames in, joints out, until either side ends it; work of a client that goes away is dropped."""
    services, caller = services_of(websocket), caller_of(websocket)
    try:
        if not cors.may_connect(websocket.headers, services.settings):
            raise Forbidden("a page of another server, which KINEPOSE_CORS_ORIGINS does not name")
        # A handshake that waits for its store when the server stops would be answered with 500 by uvicorn.
        info = services.pipeline.sessions.info(session_id, caller=caller)
        session = await services.lifecycle.unless_draining(info)
    except KineposeError as error:
        await websocket.send_denial_response(problem_response(error))
        return
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
    work = asyncio.ensure_future(_answer(websocket, services, caller, session))
    try:
        await asyncio.wait({work})
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _answer(websocket: WebSocket, services: Services, caller: Caller, session: SessionInfo) -> None:
    me = asyncio.current_task()
    assert me is not None
    incoming = _frames(websocket, session, me.cancel)
    try:
        policy = session.options.drop_policy
        stream = services.pipeline.frames.stream(
            session.session_id, incoming, policy, transport="websocket", caller=caller
        )
        async with aclosing(stream) as results:
            async for result in results:
                await websocket.send_text(_text(wire.result_to_json(result)))
    except KineposeError as error:
        await _end(websocket, error)
    except WebSocketDisconnect:
        return  # It went while it was written to.
    except Exception:
        log.exception("session %s: a stream failed", session.session_id)
        await _end(websocket, KineposeError())
    else:
        await websocket.close()


async def _end(websocket: WebSocket, error: KineposeError) -> None:
    """Tell the error that ends the stream, then close."""
    if websocket.client_state is WebSocketState.CONNECTED:
        await websocket.send_text(_text({"error": problem.to_problem(error)}))
        await websocket.close(_close_code(error), reason=error.code)


def _close_code(error: KineposeError) -> int:
    if isinstance(error, Draining):
        return SERVICE_RESTART
    return INTERNAL_ERROR if type(error) is KineposeError else POLICY_VIOLATION


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


async def _frames(
    websocket: WebSocket, session: SessionInfo, on_gone: Callable[[], object]
) -> AsyncIterator[EncodedFrame]:
    seq = session.next_seq
    said: wire.FrameParams | KineposeError = wire.FrameParams()
    texts = 0
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            on_gone()
            return
        image = message.get("bytes")
        if image is None:
            texts += 1
            if texts > MAX_TEXTS:
                raise BadRequest(f"more than {MAX_TEXTS} text messages without a picture")
            said = _parsed(message.get("text") or "")
            if said is END:
                return
            if isinstance(said, KineposeError):
                await websocket.send_text(_text({"error": problem.to_problem(said)}))
            continue
        frame = _frame(session.session_id, seq, said, image)
        yield frame
        seq, said, texts = frame.seq + 1, wire.FrameParams(), 0


# Stands for {"end": true}: the client sends no more, and waits for what is open.
END = wire.FrameParams()


def _parsed(text: str) -> wire.FrameParams | KineposeError:
    if len(text) > MAX_TEXT_CHARS:
        return TooLarge(f"a text message is above {MAX_TEXT_CHARS} characters; pictures go into binary messages")
    try:
        data = json.loads(text)
    except RecursionError:
        return BadRequest("a text message nests too deep")
    except ValueError as error:
        return BadRequest(f"a text message is no JSON: {error}")
    if data == {"end": True}:
        return END
    if not isinstance(data, dict) or not PARAM_FIELDS.issuperset(data):
        return BadRequest(f"a text message holds an object of {', '.join(sorted(PARAM_FIELDS))}")
    try:
        wire.integer("seq", data.get("seq"), low=0)
        wire.frame_from_params("", 0, b"", wire.FrameParams(**data), 0.0)
    except KineposeError as error:
        return error
    return wire.FrameParams(**data)


def _frame(session_id: str, seq: int, said: wire.FrameParams | KineposeError, image: bytes) -> EncodedFrame:
    if isinstance(said, KineposeError):
        return EncodedFrame(session_id, seq, b"", fault=said)
    given = wire.integer("seq", said.seq)
    now = asyncio.get_running_loop().time()
    return wire.frame_from_params(session_id, seq if given is None else given, image, said, now)
