"""The door of every transport: no call comes in without a key, except for the health of the server.

What is open is listed here; all else is closed, also a route or method that somebody adds without thinking of it.
Where no keys are configured, everybody may come in.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

import grpc
from grpc_health.v1 import health  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from service import problem, request_ids
from service.auth import Caller, KeyRing
from service.errors import KineposeError, Unauthenticated
from service.http import problem_response

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
OPEN_SERVICE: Final = f"/{health.SERVICE_NAME}/"

SUBPROTOCOL: Final = "kinepose"
"""Browsers cannot send headers with a WebSocket; they offer this subprotocol and `kinepose.bearer.KEY`."""
KEY_SUBPROTOCOL: Final = "kinepose.bearer."

# -- HTTP and WebSocket -----------------------------------------------------------------------------------


class KeyGate:
    """ASGI middleware: finds the caller with `app.state.operated.keys`, or answers 401.

    The handshake of a WebSocket is refused in the same way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or answer."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        keys: KeyRing = scope["app"].state.operated.keys
        try:
            scope.setdefault("state", {})["caller"] = keys.caller(_authorization(scope))
        except Unauthenticated as error:
            await _refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send)


def caller_of(connection: HTTPConnection) -> Caller:
    """Who the gate let in."""
    caller = connection.state.caller
    assert isinstance(caller, Caller)
    return caller


def _authorization(scope: Scope) -> str | None:
    said = Headers(scope=scope).get("authorization")
    if said is not None or scope["type"] != "websocket":
        return said
    offered: list[str] = scope["subprotocols"]
    return next(
        (f"Bearer {name.removeprefix(KEY_SUBPROTOCOL)}" for name in offered if name.startswith(KEY_SUBPROTOCOL)), None
    )


async def _refuse(error: Unauthenticated, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(error)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)


# -- gRPC -------------------------------------------------------------------------------------------------

Context = grpc.aio.ServicerContext[Any, Any]
Metadata = Iterable[tuple[str, str | bytes]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]


class KeyInterceptor(grpc.aio.ServerInterceptor):
    """Answers UNAUTHENTICATED for every method of every service but health's."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Let in, or answer."""
        if not handler_call_details.method.startswith(OPEN_SERVICE):
            try:
                self._keys.caller(authorization(handler_call_details.invocation_metadata))
            except Unauthenticated as error:
                return _refusal(error)
        return await continuation(handler_call_details)


def authorization(metadata: Metadata | None) -> str | None:
    """The `authorization` of a call's metadata, if it has one."""
    return next((str(value) for name, value in metadata or () if name == "authorization"), None)


async def abort(context: Context, error: KineposeError) -> None:
    """End a call that has its id (`request_ids.call`) with the google.rpc.Status of an error."""
    await context.abort_with_status(request_ids.answered(rpc_status.to_status(problem.to_status(error))))


def _refusal(error: Unauthenticated) -> Handler:
    async def refuse(messages: Any, context: Context) -> None:
        with request_ids.call(context):
            await abort(context, error)

    # Unary calls look the same on the wire; nothing is read of the request.
    return grpc.stream_stream_rpc_method_handler(refuse)
