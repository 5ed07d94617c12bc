"""A client of a Redis Cluster: redis-py's own, with what many frames a second need.

A node that is gone costs the sessions of its slots a wait until its replica has taken its place, and no others
anything. So nothing here breaks connections to nodes that are well, which redis-py's own retries do.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis._parsers.commands import AsyncCommandsParser
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, RedisClusterException

CONNECTIONS_A_NODE = 1024
"""Of one process; a read that waits has one a shard, and nothing waits for a free one."""

ONCE = Retry(NoBackoff(), 0)


class ClusterClient(RedisCluster):
    """Belongs to one event loop. Nothing is sent until the first command: the cluster need not be there yet.

    A command whose connection turns out to be dead is sent once more, to the node that has its slot by then.

    Args:
        nodes: (host, port) of some nodes; the others are asked of these.
        options: redis-py's, for the connections to all of them.
    """

    def __init__(self, nodes: Iterable[tuple[str, int]], options: Mapping[str, Any]) -> None:
        self.node_options = options
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in nodes],
            # Slots that nobody has are the failure of their sessions only.
            require_full_coverage=False,
            dynamic_startup_nodes=False,
            # A slot that has moved is noted; redis-py's way to ask for all of them anew closes all connections, too.
            reinitialize_steps=0,
            max_connections=CONNECTIONS_A_NODE,
            # Its retries of pipelines close all connections to all nodes first.
            retry=ONCE,
            **options,
        )
        self.commands_parser = KeyPositions()

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """See RedisCluster."""
        try:
            return await super().execute_command(*args, **kwargs)
        except MaxConnectionsError:
            raise
        except RedisConnectionError:
            return await super().execute_command(*args, **kwargs)

    async def on_one_connection(self, key: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Replies, or errors, of commands that are sent together to the node of a key; once more, as one alone is."""
        await self.initialize()
        try:
            replies = await self._pipelined(key, commands)
        except RedisConnectionError as error:
            replies = [error]
        if any(isinstance(reply, RedisConnectionError) for reply in replies):
            await self.nodes_manager.initialize()
            replies = await self._pipelined(key, commands)
        return replies

    async def _pipelined(self, key: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        node = self.get_node_from_key(key)
        async with self.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command, target_nodes=node)
            return await pipeline.execute(raise_on_error=False)

    def keys_by_node(self, keys: Sequence[str]) -> dict[tuple[str, int], list[str]]:
        """Keys, or sharded channels, by the host and port of the master that has them; who has none is left out."""
        found: dict[tuple[str, int], list[str]] = {}
        for key in keys:
            try:
                node = self.get_node_from_key(key)
            except RedisClusterException:
                continue
            if node is not None:
                found.setdefault((node.host, int(node.port)), []).append(key)
        return found

    def of_node(self, node: tuple[str, int]) -> Redis:
        """A client of this node alone, for a connection that is not shared. Who asks for it closes it."""
        host, port = node
        return Redis(host=host, port=port, retry=ONCE, **self.node_options)


class KeyPositions(AsyncCommandsParser):
    """Where the keys of a command are, for those that Kinepose sends: redis-py would ask the server, some each time."""

    async def initialize(self, node: ClusterNode | None = None) -> None:
        """Nothing is asked."""

    async def get_keys(self, *args: Any) -> tuple[Any, ...] | None:
        """Those of a command and its arguments; scripts' keys are found by redis-py itself."""
        command, *named = args
        if command == "XREADGROUP":
            streams = named[named.index(b"STREAMS") + 1 :]
            return tuple(streams[: len(streams) // 2])
        return tuple(named if command == "DEL" else named[:1])
