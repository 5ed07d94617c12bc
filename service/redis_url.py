"""Where Redis is, as one URL says it: one server, a server behind Sentinels, or a cluster.

redis://USER:PASSWORD@HOST:PORT/DB     one server; rediss:// by TLS, unix://PATH by a socket
redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME/DB    the master called NAME that these Sentinels know
redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT             a cluster of which some nodes are here

rediss+sentinel:// and rediss+cluster:// are the same by TLS. User and password are those of the servers that keep data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote, urlsplit

PORTS: Final = {"sentinel": 26379, "cluster": 6379}


class Topology(StrEnum):
    """How many servers there are, and how a client finds the one that it wants."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL, read.

    Attributes:
        topology: what stands there.
        encrypted: by TLS.
        nodes: (host, port) of the Sentinels, or of nodes of the cluster; none for a single server.
        master: its name at the Sentinels, else "".
        options: redis-py's arguments for a connection: user, password, and what stands behind the question mark;
            of a single server all of them.
    """

    topology: Topology
    encrypted: bool
    nodes: tuple[tuple[str, int], ...]
    master: str
    options: Mapping[str, Any]


def parse_redis_url(url: str) -> RedisUrl:
    """Raises ValueError, whose words may quote the URL and the password in it."""
    # Only here: commands that need no Redis start without its client.
    from redis.asyncio.connection import SSLConnection, parse_url

    scheme, _, rest = url.partition("://")
    transport, plus, named = scheme.partition("+")
    if not plus:
        options = dict(parse_url(url))
        return RedisUrl(Topology.SINGLE, options.get("connection_class") is SSLConnection, (), "", options)
    if transport not in ("redis", "rediss") or named not in PORTS:
        raise ValueError(f"{scheme}:// is no scheme of Redis")
    parts = urlsplit(f"{transport}://{rest}")
    user, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_node(host, PORTS[named]) for host in hosts.split(","))
    master, _, db = unquote(parts.path.strip("/")).partition("/")
    topology = Topology(named)
    if (topology is Topology.SENTINEL) != bool(master) or (db and not db.isdigit()):
        raise ValueError("Sentinels want the name of a master, and a cluster has neither names nor databases")
    query = f"?{parts.query}" if parts.query else ""
    options = dict(parse_url(f"{transport}://{user}{'@' if user else ''}host/{db}{query}"))
    for unwanted in ("host", "port", "connection_class"):
        options.pop(unwanted, None)
    return RedisUrl(topology, transport == "rediss", nodes, master, options)


def _node(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("expected HOST or HOST:PORT, with commas between")
    return parts.hostname, parts.port or port
