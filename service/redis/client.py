"""The connection to Redis: scripts by name, and failures as the errors that clients see."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisClusterException, RedisError

from service.errors import NotReplicated, StoreUnavailable, TooManySessions
from service.redis.cluster import ClusterClient
from service.redis.sentinel import master_behind
from service.redis_url import Topology, parse_redis_url

T = TypeVar("T")

Command: TypeAlias = tuple[str | bytes | int, ...]
RedisClient: TypeAlias = Redis | ClusterClient
"""A client of one server, wherever that is just now, or of a cluster."""
AWAY = (RedisError, RedisClusterException)
"""What a client raises where Redis does not answer as it should. redis-py's errors of clusters have no common root."""

log = logging.getLogger(__name__)

RETRY_AFTER_AWAY_MS = 1000
RETRY_AFTER_FULL_MS = 5000
MOST_CONNECTIONS = 64
READ_BYTES = 256 * 1024
"""A state in one or two reads."""
NO_OPTIONS: Mapping[str, Any] = {}


@asynccontextmanager
async def connected(
    url: str,
    timeout_s: float,
    password: str | None = None,
    tls: Mapping[str, Any] = NO_OPTIONS,
    sentinel_password: str | None = None,
) -> AsyncIterator[RedisClient]:
    """A client for one event loop. Nothing is sent yet: Redis may come later, and may go and come back.

    A command whose connection turns out to be dead is sent once more on a new one; every script bears that.

    Args:
        url: see `service.redis_url`.
        timeout_s: for a connection, for a place among them, and for each answer.
        password: where the URL holds none.
        tls: redis-py's options for a URL of rediss://, such as ssl_ca_certs.
        sentinel_password: of the Sentinels, where there are any and they ask for one.
    """
    place = parse_redis_url(url)
    shared = _connection_options(timeout_s) | dict(tls)
    named = shared | ({} if password is None else {"password": password}) | dict(place.options)
    pooled: dict[str, Any] = {"max_connections": MOST_CONNECTIONS, "timeout": timeout_s, "retry": _retry()}
    encrypted = {"ssl": True} if place.encrypted else {}
    match place.topology:
        case Topology.SINGLE:
            async with Redis.from_pool(BlockingConnectionPool(**(pooled | named))) as client:
                yield client
        case Topology.SENTINEL:
            asked = shared | encrypted | ({} if sentinel_password is None else {"password": sentinel_password})
            async with master_behind(place.nodes, place.master, asked, pooled | named | encrypted) as client:
                yield client
        case Topology.CLUSTER:
            cluster = ClusterClient(place.nodes, named | encrypted)
            try:
                yield cluster
            finally:
                await cluster.aclose()


def _connection_options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "socket_read_size": READ_BYTES,
        "protocol": 2,
        # No CLIENT SETINFO: older servers do not know it, so a list of allowed commands (ACL) cannot name it.
        "driver_info": None,
    }


def _retry() -> Retry:
    # Not after a timeout: a Redis that hangs would hold each caller twice as long.
    return Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries=1, supported_errors=(RedisConnectionError,))


class _Script(NamedTuple):
    text: str
    sha: str

    def call(self, keys: tuple[str, ...], args: Command) -> Command:
        """The command that runs it where it is known."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


class Scripts:
    """The Lua scripts of one client. Redis forgets them when it restarts; they are loaded again then.

    Args:
        client: whose they are.
        texts: by name.
        replicas: what is run durably is on so many before it returns.
        wait_ms: it waits for no longer than that.
    """

    def __init__(self, client: RedisClient, texts: Mapping[str, str], *, replicas: int = 0, wait_ms: int = 500) -> None:
        self.client = client
        self.replicas = replicas
        self._wait_ms = wait_ms
        self._away = False
        self._failed_at = 0.0
        # One node of a cluster that is away is no news with each frame of the others.
        self._calm_s = 1.0 if isinstance(client, ClusterClient) else 0.0
        self._scripts = {name: _Script(text, sha1(text.encode()).hexdigest()) for name, text in texts.items()}

    async def run(
        self,
        name: str,
        keys: tuple[str, ...],
        *args: str | bytes | int,
        before: Command | None = None,
        durably: bool = False,
    ) -> list[Any]:
        """A script's reply, in which texts are bytes. Raises StoreUnavailable, TooManySessions (no memory left).

        Args:
            name: of the script.
            keys, args: of the script.
            before: a command that goes before it in the same round trip. That Redis has no memory for it is no error
                here: the script finds nothing of it, then.
            durably: where replicas are waited for, what it wrote is on them. Raises NotReplicated where it is not.
        """
        script = self._scripts[name]
        wait = [("WAIT", self.replicas, self._wait_ms)] if durably and self.replicas else []
        with self.translate_errors():
            if before is None and not wait:
                alone: list[Any] = await run_uncancelled(self._sent(script, keys, args))
                return alone
            commands = [*([before] if before else []), script.call(keys, args), *wait]
            replies = await run_uncancelled(self._on_one_connection(keys[0], commands))
            if any(isinstance(reply, NoScriptError) for reply in replies):
                await self._load(script, keys[0])
                replies = await run_uncancelled(self._on_one_connection(keys[0], commands))
            for reply in replies[1:] if isinstance(replies[0], OutOfMemoryError) and before else replies:
                if isinstance(reply, Exception):
                    raise reply
        found: list[Any] = replies[1 if before else 0]
        if wait and found[0] == b"ok" and replies[-1] < self.replicas:
            raise NotReplicated("too few replicas have what was written", retry_after_ms=RETRY_AFTER_AWAY_MS)
        return found

    async def _on_one_connection(self, key: str, commands: Sequence[Command]) -> list[Any]:
        if isinstance(self.client, ClusterClient):
            return await self.client.on_one_connection(key, commands)
        async with self.client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute(raise_on_error=False)

    async def _sent(self, script: "_Script", keys: tuple[str, ...], args: tuple[str | bytes | int, ...]) -> Any:
        client: Any = self.client
        try:
            return await client.execute_command(*script.call(keys, args))
        except NoScriptError:
            await self._load(script, keys[0])
            return await client.execute_command(*script.call(keys, args))

    async def _load(self, script: "_Script", key: str) -> None:
        """Make it known to the server, in a cluster to the one that has this key: another one may be away."""
        if isinstance(self.client, ClusterClient):
            await self.client.execute_command(
                "SCRIPT LOAD", script.text, target_nodes=self.client.get_node_from_key(key)
            )
        else:
            await self.client.script_load(script.text)

    async def publish(self, channel: str, message: bytes) -> None:
        """On a channel of one server, or on a sharded one of a cluster."""
        publish: Any = self.client.spublish if isinstance(self.client, ClusterClient) else self.client.publish
        with self.translate_errors():
            await run_uncancelled(publish(channel, message))

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Redis's failures become StoreUnavailable and TooManySessions; going away and coming back are logged."""
        try:
            yield
        except OutOfMemoryError as error:
            raise TooManySessions("the session store has no memory left", retry_after_ms=RETRY_AFTER_FULL_MS) from error
        except AWAY as error:
            if not self._away:
                log.error("Redis is away: %s: %s", type(error).__name__, error)
            self._away, self._failed_at = True, time.monotonic()
            raise StoreUnavailable("the session store cannot be reached", retry_after_ms=RETRY_AFTER_AWAY_MS) from error
        if self._away and time.monotonic() - self._failed_at >= self._calm_s:
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
