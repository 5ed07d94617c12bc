"""Clip jobs where several frontends share a Redis: each job is kept by the frontend that took it, files and all.

    ClipPlaces   in Redis: a job's id, and the base URL at which its frontend is reached by the others
    ClipRelay    a call for a job that is kept elsewhere: sent there, and answered with what comes from there

The holder checks key and owner as in any call. A call is relayed once at most: it carries a mark by then.
"""

import logging
import math
import re
import socket
import ssl
from asyncio import get_running_loop
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import httpx
from fastapi import Request
from fastapi.responses import Response
from redis.asyncio import Redis

from service.config import Settings
from service.errors import BadRequest, ClipUnknown, KineposeError
from service.observability import logs
from service.redis.client import Scripts
from service.redis.sessions.keys import Keyspace
from service.transports.http.errors import ClosingStream, while_connected
from service.transports.request_ids import HEADER as REQUEST_ID

AT_WORK_S: Final = 7 * 24 * 3600.0
"""A job's entry lives for so long while the job waits and works; all jobs end earlier."""
MARGIN_S: Final = 60.0
"""An entry outlives the job's result by this."""
CLIP_ID: Final = re.compile(r"[0-9a-f]{32}")

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
ANY_ADDRESS: Final = {"": socket.AF_INET, "0.0.0.0": socket.AF_INET, "::": socket.AF_UNSPEC}

log = logging.getLogger(__name__)


class ClipPlaces:
    """Which frontend keeps a clip job.

    Args:
        client: of the deployment's Redis.
        settings: names, and how long results are kept.
        url: base URL of this frontend, for the others.
    """

    def __init__(self, client: Redis, settings: Settings, url: str) -> None:
        self.url = url
        self._client = client
        self._told = Scripts(client, {}).told
        self._keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        self._result_ttl_s = settings.clip_result_ttl_s

    async def begun(self, clip_id: str) -> None:
        """A job of this frontend begins. Raises StoreUnavailable, TooManySessions (no memory left)."""
        await self._note(clip_id, AT_WORK_S)

    async def ended(self, clip_id: str) -> None:
        """It is done or has failed: its result is kept for its time from now on."""
        with suppress(KineposeError):  # It lives long enough as it is.
            await self._note(clip_id, self._result_ttl_s + MARGIN_S)

    async def gone(self, clip_id: str) -> None:
        """It is kept no longer."""
        with suppress(KineposeError), self._told():  # It ends by itself; until then this frontend says so.
            await self._client.delete(self._keyspace.clip(clip_id))

    async def find(self, clip_id: str) -> str | None:
        """The base URL of its frontend; None where no job of that id is known. Raises StoreUnavailable."""
        if not CLIP_ID.fullmatch(clip_id):
            return None
        with self._told():
            url = await self._client.get(self._keyspace.clip(clip_id))
        return url.decode() if isinstance(url, bytes) else url

    async def _note(self, clip_id: str, ttl_s: float) -> None:
        with self._told():
            await self._client.set(self._keyspace.clip(clip_id), self.url, px=math.ceil(1000 * ttl_s))


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
                told = await while_connected(request, stack.enter_async_context(call))
            except httpx.TransportError as error:
                log.warning("clip %s: %s does not answer: %s: %s", clip_id, url, type(error).__name__, error)
                raise ClipUnknown("the server that held this clip has ended, and its result with it") from error
            return _passed_back(told, stack.pop_all())


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
    headers[REQUEST_ID.encode()] = str(logs.known().get("request_id", "")).encode()
    headers[RELAYED.encode()] = b"1"
    return list(headers.items())


def _passed_back(told: httpx.Response, stack: AsyncExitStack) -> Response:
    named = {name.strip().lower().encode() for name in told.headers.get("connection", "").split(",")}
    left_out = NOT_PASSED_BACK | named
    answer = ClosingStream(told.aiter_raw(), stack, media_type="")
    answer.status_code = told.status_code
    answer.raw_headers = [(n.lower(), value) for n, value in told.headers.raw if n.lower() not in left_out]
    return answer


# -- from frontend to frontend ----------------------------------------------------------------------------


async def own_url(settings: Settings, port: int) -> str:
    """The base URL at which other frontends reach this one, which listens for HTTP on `port`."""
    if settings.advertised_url is not None:
        return settings.advertised_url.rstrip("/")
    host = settings.host
    if host in ANY_ADDRESS:
        host = await _own_address(ANY_ADDRESS[host])
    scheme = "http" if settings.tls_cert_file is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def _own_address(family: socket.AddressFamily) -> str:
    """What this machine's name stands for; the name itself where it cannot be looked up."""
    name = socket.gethostname()
    try:
        [first, *_] = await get_running_loop().getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning("KINEPOSE_ADVERTISED_URL is not set, and %s cannot be looked up: %s", name, error)
        return name
    return str(first[4][0])


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
