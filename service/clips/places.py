"""Which frontend keeps which clip job, files and all, where several share a Redis; and where the others reach it."""

import logging
import math
import re
import socket
from asyncio import get_running_loop
from contextlib import suppress
from typing import Final

from service.config import Settings
from service.errors import KineposeError
from service.redis.client import RedisClient, Scripts
from service.redis.keys import Keyspace

AT_WORK_S: Final = 7 * 24 * 3600.0
"""A job's entry lives for so long while the job waits and works; all jobs end earlier."""
MARGIN_S: Final = 60.0
"""An entry outlives the job's result by this."""
CLIP_ID: Final = re.compile(r"[0-9a-f]{32}")

ANY_ADDRESS: Final = {"": socket.AF_INET, "0.0.0.0": socket.AF_INET, "::": socket.AF_UNSPEC}

log = logging.getLogger(__name__)


class ClipPlaces:
    """Which frontend keeps a clip job.

    Args:
        client: of the deployment's Redis.
        settings: names, and how long results are kept.
        url: base URL of this frontend, for the others.
    """

    def __init__(self, client: RedisClient, settings: Settings, url: str) -> None:
        self.url = url
        self._client = client
        self._translate_errors = Scripts(client, {}).translate_errors
        self._keyspace = Keyspace(settings.redis_prefix, settings.redis_shards)
        self._result_ttl_s = settings.clip_result_ttl_s

    async def started(self, clip_id: str) -> None:
        """A job of this frontend begins. Raises StoreUnavailable, TooManySessions (no memory left)."""
        await self._set(clip_id, AT_WORK_S)

    async def finished(self, clip_id: str) -> None:
        """It is done or has failed: its result is kept for its time from now on."""
        with suppress(KineposeError):  # It lives long enough as it is.
            await self._set(clip_id, self._result_ttl_s + MARGIN_S)

    async def gone(self, clip_id: str) -> None:
        """It is kept no longer."""
        with suppress(KineposeError), self._translate_errors():  # It ends by itself; until then this frontend says so.
            await self._client.delete(self._keyspace.clip(clip_id))

    async def find(self, clip_id: str) -> str | None:
        """The base URL of its frontend; None where no job of that id is known. Raises StoreUnavailable."""
        if not CLIP_ID.fullmatch(clip_id):
            return None
        with self._translate_errors():
            url = await self._client.get(self._keyspace.clip(clip_id))
        return url.decode() if isinstance(url, bytes) else url

    async def _set(self, clip_id: str, ttl_s: float) -> None:
        with self._translate_errors():
            await self._client.set(self._keyspace.clip(clip_id), self.url, px=math.ceil(1000 * ttl_s))


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
