"""API keys at HTTP and WebSocket: no call comes in without one, except for the health of the server,
the page and the API's documentation.

What is open is listed here; all else is closed, also a route that somebody adds without thinking of it. Where no
keys are configured, everybody may come in. For gRPC `transports.grpc.interceptor` does the same.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from service.auth.access import Quota
from service.auth.api_keys import Caller, KeyRing
from service.errors import KineposeError
from service.transports.http.errors import problem_response

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/", "/docs", "/redoc", "/openapi.json"})
OPEN_FILES: Final = "/page/"
"""What is below it are files of the page, which hold nothing of anybody."""

SUBPROTOCOL: Final = "kinepose"
"""Browsers cannot send headers with a WebSocket; they offer this subprotocol and `kinepose.bearer.KEY`."""
KEY_SUBPROTOCOL: Final = "kinepose.bearer."


class ApiKeyMiddleware:
    """ASGI middleware: finds the caller with `app.state.probed.keys`, or answers 401; to too many calls, 429 or 503.

    The handshake of a WebSocket is refused in the same way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or answer."""
        if scope["type"] not in ("http", "websocket") or _is_open(scope):
            await self._app(scope, receive, send)
            return
        keys: KeyRing = scope["app"].state.probed.keys
        calls: Quota = scope["app"].state.probed.calls
        try:
            caller = keys.caller(_authorization(scope))
            calls.take(caller)
        except KineposeError as error:
            await _refuse(error, scope, receive, send)
            return
        try:
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)
        finally:
            calls.release(caller)


def caller_of(connection: HTTPConnection) -> Caller:
    """Whom the middleware let in."""
    caller = connection.state.caller
    assert isinstance(caller, Caller)
    return caller


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path in OPEN_PATHS or (scope["type"] == "http" and path.startswith(OPEN_FILES))


def _authorization(scope: Scope) -> str | None:
    said = Headers(scope=scope).get("authorization")
    if said is not None or scope["type"] != "websocket":
        return said
    offered: list[str] = scope["subprotocols"]
    return next(
        (f"Bearer {name.removeprefix(KEY_SUBPROTOCOL)}" for name in offered if name.startswith(KEY_SUBPROTOCOL)), None
    )


async def _refuse(error: KineposeError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(error)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
