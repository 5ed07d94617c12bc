"""Each call has an id, the client's own or a new one: in its log lines, and in its answer.

    uvicorn.Config(RequestIds(app))                   around the whole app, so that its error answers have it, too
    with call(context): ...                           around the work of a gRPC call
    context.abort_with_status(answered(status))       an error status would replace the call's metadata

The id travels in `X-Request-Id`. Where a client sends `traceparent` (W3C Trace Context), its trace goes on here.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability import logs, tracing

HEADER: Final = "x-request-id"
TRACEPARENT: Final = "traceparent"
SANE: Final = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
# Messages that carry the headers of an answer.
_ANSWERS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})

Context = grpc.aio.ServicerContext[Any, Any]


def sane_or_new(given: str | None) -> str:
    """The id that a client gave, or a new one where it gave none that a log could hold."""
    return given if given is not None and SANE.fullmatch(given) else secrets.token_hex(16)


class RequestIds:
    """ASGI middleware for HTTP and WebSockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; its lifespan is left alone."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = sane_or_new(headers.get(HEADER))

        async def answer(message: Message) -> None:
            if message["type"] in _ANSWERS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        # Not `about`: uvicorn, which gives each call a task of its own, tells of its bugs after the app has ended.
        logs.bind(request_id=request_id)
        with tracing.continued(headers.get(TRACEPARENT)):
            await self._app(scope, receive, answer)


@contextmanager
def call(context: Context) -> Iterator[None]:
    """As RequestIds, for a gRPC call: reads its metadata, and answers with the id in the trailing metadata."""
    given = {name: text for name, text in context.invocation_metadata() or () if isinstance(text, str)}
    request_id = sane_or_new(given.get(HEADER))
    context.set_trailing_metadata(((HEADER, request_id),))
    with logs.bound_context(request_id=request_id), tracing.continued(given.get(TRACEPARENT)):
        yield


def answered(status: Any) -> Any:
    """A status of `grpc_status.rpc_status.to_status` that keeps the id of the call around, if any."""
    request_id = logs.context().get("request_id")
    if request_id is None:
        return status
    return status._replace(trailing_metadata=(*(status.trailing_metadata or ()), (HEADER, str(request_id))))
