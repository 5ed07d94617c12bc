"""Channels of Redis, heard over every loss of connection.

A channel forgets what nobody hears: whoever depends on a message looks for itself from time to time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from service.redis.client import AWAY, RedisClient, raise_if_cancelled
from service.redis.cluster import ClusterClient

log = logging.getLogger(__name__)

AGAIN_S = 0.2
LISTEN_S = 1.0

_Node = tuple[str, int]


class Subscriber:
    """Hears channels while `run` does.

    Args:
        client: of the deployment's Redis.
        channels: their names.
        take: gets each message.
        missed: a channel is open, perhaps anew: what came before may have been missed.
        sharded: they are sharded channels of a cluster, each of which is heard at the node that has its slot. A plain
            channel is heard at any node.
    """

    def __init__(
        self,
        client: RedisClient,
        channels: Sequence[str],
        take: Callable[[bytes], None],
        missed: Callable[[], None] = lambda: None,
        *,
        sharded: bool = False,
    ) -> None:
        self._client = client
        self._channels = list(channels)
        self._take = take
        self._missed = missed
        self._sharded = sharded
        self._open: set[_Node] = set()

    @property
    def heard(self) -> bool:
        """Something is heard now: in a cluster, at one node at least."""
        return bool(self._open)

    async def run(self) -> None:
        """Hear until cancelled."""
        if isinstance(self._client, ClusterClient):
            await self._hear_nodes(self._client)
            return
        while True:
            await self._hear(self._client, ("", 0), self._channels)
            await asyncio.sleep(AGAIN_S)

    async def _hear_nodes(self, client: ClusterClient) -> None:
        """A connection to each node that has channels; one that fails, or whose slots move, is made anew."""
        hearing: dict[_Node, tuple[list[str], asyncio.Task[None]]] = {}
        try:
            while True:
                wanted = await self._wanted(client)
                for node, (channels, task) in [*hearing.items()]:
                    if task.done() or wanted.get(node) != channels:
                        task.cancel()
                        del hearing[node]
                for node in wanted.keys() - hearing.keys():
                    task = asyncio.create_task(self._hear_node(client, node, wanted[node]))
                    hearing[node] = (wanted[node], task)
                await asyncio.sleep(AGAIN_S)
        finally:
            tasks = [task for _, task in hearing.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wanted(self, client: ClusterClient) -> dict[_Node, list[str]]:
        try:
            await client.initialize()
        except AWAY as error:
            log.debug("the cluster is away: %s", error)
            return {}
        return client.keys_by_node(self._channels)

    async def _hear_node(self, client: ClusterClient, node: _Node, channels: Sequence[str]) -> None:
        async with client.of_node(node) as server:
            await self._hear(server, node, channels)

    async def _hear(self, server: Redis, node: _Node, channels: Sequence[str]) -> None:
        """Over one connection, until it fails."""
        try:
            async with server.pubsub() as pubsub:
                subscribe = pubsub.ssubscribe if self._sharded else pubsub.subscribe
                for channel in channels:  # In one command they would have to be of one slot.
                    await subscribe(channel)
                while True:
                    message = await pubsub.get_message(timeout=LISTEN_S)
                    if message is not None:
                        self._heard(message, node)
                    raise_if_cancelled()
        except (*AWAY, OSError) as error:
            log.debug("channels are not heard: %s", error)
        finally:
            self._open.discard(node)

    def _heard(self, message: dict[str, Any], node: _Node) -> None:
        data = message["data"]
        if message["type"] in ("message", "smessage") and isinstance(data, bytes):
            self._take(data)
        elif message["type"] == "sunsubscribe":
            raise RedisConnectionError("the channel's slot has moved to another node")
        else:
            self._open.add(node)
            self._missed()
