"""The connection to Redis: scripts by name, and failures as the errors that clients see."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError

from service.errors import StoreUnavailable, TooManySessions

T = TypeVar("T")

log = logging.getLogger(__name__)

RETRY_AFTER_AWAY_MS = 1000
RETRY_AFTER_FULL_MS = 5000
MOST_CONNECTIONS = 64
READ_BYTES = 256 * 1024
"""A state in one or two reads."""
NO_OPTIONS: Mapping[str, Any] = {}


@asynccontextmanager
async def connected(
    url: str, timeout_s: float, password: str | None = None, tls: Mapping[str, Any] = NO_OPTIONS
) -> AsyncIterator[Redis]:
    """A client for one event loop. Nothing is sent yet: Redis may come later, and may go and come back.

    A command whose connection turns out to be dead is sent once more on a new one; every script bears that.

    Args:
        url: redis://, rediss:// (TLS) or unix://, with user, password and options as redis-py reads them.
        timeout_s: for a connection, for a place among them, and for each answer.
        password: where the URL holds none.
        tls: redis-py's options for a rediss:// URL, such as ssl_ca_certs.
    """
    backoff = ExponentialWithJitterBackoff(base=0.02, cap=0.5)
    pool = BlockingConnectionPool.from_url(
        url,
        **({} if password is None else {"password": password}),
        **tls,
        max_connections=MOST_CONNECTIONS,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_read_size=READ_BYTES,
        protocol=2,
        # No CLIENT SETINFO: older servers do not know it, so a list of allowed commands (ACL) cannot name it.
        driver_info=None,
        # Not after a timeout: a Redis that hangs would hold each caller twice as long.
        retry=Retry(backoff, retries=1, supported_errors=(RedisConnectionError,)),
    )
    async with Redis.from_pool(pool) as client:
        yield client


class Scripts:
    """The Lua scripts of one client, text by name. Redis forgets them when it restarts; they are loaded again then."""

    def __init__(self, client: Redis, texts: Mapping[str, str]) -> None:
        self.client = client
        self._away = False
        self._scripts = {name: client.register_script(text) for name, text in texts.items()}

    async def run(self, name: str, keys: tuple[str, ...], *args: str | bytes | int) -> list[Any]:
        """A script's reply, in which texts are bytes. Raises StoreUnavailable, TooManySessions (no memory left)."""
        with self.translate_errors():
            reply: list[Any] = await run_uncancelled(self._scripts[name](keys=keys, args=args))
        return reply

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Redis's failures become StoreUnavailable and TooManySessions; going away and coming back are logged."""
        try:
            yield
        except OutOfMemoryError as error:
            raise TooManySessions("the session store has no memory left", retry_after_ms=RETRY_AFTER_FULL_MS) from error
        except RedisError as error:
            if not self._away:
                log.error("Redis is away: %s: %s", type(error).__name__, error)
            self._away = True
            raise StoreUnavailable("the session store cannot be reached", retry_after_ms=RETRY_AFTER_AWAY_MS) from error
        if self._away:
            log.info("Redis is back")
        self._away = False


async def run_uncancelled(command: Coroutine[Any, Any, T]) -> T:
    """A command's reply. Cancelling this lets the command come to its end, which nobody hears.

    Before Python 3.12 asyncio.wait_for may swallow a cancellation, and redis-py sends inside of it: a caller that is
    cancelled there would go on as if nothing had been.
    """
    task = asyncio.create_task(command)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        raise


def raise_if_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled while redis-py swallowed it, see `run_uncancelled`."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def lua(package: str, *parts: str) -> str:
    """The text of a script that consists of these files in the package's folder `lua`."""
    folder = files(package) / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in parts)
