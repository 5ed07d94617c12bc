"""A call for a clip job that another frontend keeps (`clips.places`): sent there, answered with what comes from there.

The holder checks key and owner as in any call. A call is relayed once at most: it carries a mark by then.
"""

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx
from fastapi import Request
from fastapi.responses import Response

from service.clips.places import ClipPlaces
from service.config import Settings
from service.errors import BadRequest, ClipUnknown
from service.observability import logs
from service.transports.http.connection import ClosingStream, while_connected
from service.transports.request_ids import HEADER as REQUEST_ID

RELAYED: Final = "x-kinepose-relayed"
PASSED_ON: Final = frozenset(
    {b"accept", b"accept-encoding", b"range", b"if-range", b"authorization", b"traceparent", b"tracestate"}
)
# Of one connection, and not of the answer (RFC 9110, 7.6.1); the last two are said by each server for itself.
NOT_PASSED_BACK: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-connection te trailer transfer-encoding upgrade"
    b" date server".split()
)

CONNECT_S: Final = 3.0
# Below the 5 s after which uvicorn closes a connection that rests: a call is never sent on one that just ends.
REST_S: Final = 2.0
# A host that fell silent is noticed after about two minutes. Answers may take any time: an overlay is drawn first.
KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

log = logging.getLogger(__name__)


class ClipRelay:
    """Answers calls for clip jobs of other frontends with what those say.

    Args:
        places: where jobs are.
        http: see `open_http`.
    """

    def __init__(self, places: ClipPlaces, http: httpx.AsyncClient) -> None:
        self.places = places
        self._http = http

    async def answer(self, request: Request, clip_id: str) -> Response | None:
        """The holder's answer to a call without a body, passed on as it comes; None where nobody else has the job.

        Raises:
            ClipUnknown: the frontend that held it has ended.
            StoreUnavailable: Redis is away.
            ClientDisconnect: the client went away before the answer began.
        """
        if RELAYED in request.headers:
            return None
        url = await self.places.find(clip_id)
        if url is None or url == self.places.url:
            return None
        call = self._http.stream(request.method, _target(request, url), headers=_request_headers(request))
        async with AsyncExitStack() as stack:
            try:
                received = await while_connected(request, stack.enter_async_context(call))
            except httpx.TransportError as error:
                log.warning("clip %s: %s does not answer: %s: %s", clip_id, url, type(error).__name__, error)
                raise ClipUnknown("the server that held this clip has ended, and its result with it") from error
            return _passed_back(received, stack.pop_all())


def _target(request: Request, url: str) -> httpx.URL:
    # The path is one of our routes' with an id of hex digits in it. httpx escapes in the query what has to be.
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    try:
        return httpx.URL(f"{url}{path}?{query}" if query else f"{url}{path}")
    except httpx.InvalidURL as error:
        raise BadRequest("the query is too long") from error


def _request_headers(request: Request) -> list[tuple[bytes, bytes]]:
    headers = {b"accept-encoding": b"identity"}  # httpx would ask for compression, which the client may not know.
    headers |= {name: value for name, value in request.headers.raw if name in PASSED_ON}
    # Also where the client gave none: both frontends' log lines are found by it.
    headers[REQUEST_ID.encode()] = str(logs.context().get("request_id", "")).encode()
    headers[RELAYED.encode()] = b"1"
    return list(headers.items())


def _passed_back(received: httpx.Response, stack: AsyncExitStack) -> Response:
    named = {name.strip().lower().encode() for name in received.headers.get("connection", "").split(",")}
    left_out = NOT_PASSED_BACK | named
    answer = ClosingStream(received.aiter_raw(), stack, media_type="")
    answer.status_code = received.status_code
    answer.raw_headers = [(n.lower(), value) for n, value in received.headers.raw if n.lower() not in left_out]
    return answer


@asynccontextmanager
async def open_http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client for other frontends, for one event loop. OSError where the certificate cannot be read."""
    transport = httpx.AsyncHTTPTransport(
        verify=_trust(settings),
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=REST_S),
        socket_options=KEEPALIVE,
    )
    # It would log every call; calls are not logged where they come in, either.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Nothing of the environment: no proxy stands between frontends, and no .netrc replaces the caller's key.
    timeout = httpx.Timeout(None, connect=CONNECT_S)
    async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as http:
        yield http


def _trust(settings: Settings) -> ssl.SSLContext:
    """The system's roots, and the certificate that the frontends of a deployment share."""
    context = ssl.create_default_context()
    if settings.tls_cert_file is not None:
        context.load_verify_locations(cafile=settings.tls_cert_file)
        # It is trusted itself, whoever signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
