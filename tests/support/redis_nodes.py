"""Servers of one test's own that replicate each other: a cluster of three masters, and a master behind Sentinels.

They keep nothing on disk: what outlives a kill is what a replica has.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.support.redis_server import PATIENCE_S, REDIS_SERVER, free_port

NODE_TIMEOUT_MS = 1000
SLOTS = 16384
MASTERS = 3


def ask(port: int, *command: Any) -> Any:
    """What the server at this port on loopback replies to a command, texts as texts. Raises RedisError."""
    with Redis(port=port, decode_responses=True, socket_timeout=PATIENCE_S, protocol=2) as client:
        return client.execute_command(*command)


def form_cluster(ports: Sequence[int], bus_ports: Sequence[int]) -> None:
    """Make empty servers a cluster: three masters and then a replica of each, which copies already."""
    masters, replicas = ports[:MASTERS], ports[MASTERS:]
    for number, master in enumerate(masters):
        first, end = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS
        ask(master, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        ask(master, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for port in ports[1:]:
        ask(port, "CLUSTER", "MEET", "127.0.0.1", ports[0], bus_ports[0])
    eventually_true(lambda: all(_known(port) == len(ports) for port in ports), "they do not all meet")
    for replica, master in zip(replicas, masters, strict=True):
        ask(replica, "CLUSTER", "REPLICATE", ask(master, "CLUSTER", "MYID"))
    eventually_true(lambda: is_whole(ports), "the cluster is not whole")


def is_whole(ports: Sequence[int]) -> bool:
    """All slots have masters that run, and each of these has a replica that copies."""
    try:
        well = all(ask(port, "CLUSTER INFO")["cluster_state"] == "ok" for port in ports)
        return well and sum(map(_copies, ports)) == len(masters_of(ports)) == MASTERS
    except RedisError:
        return False


def masters_of(ports: Sequence[int]) -> list[int]:
    """Which of them are masters now."""
    return [port for port in ports if ask(port, "INFO", "replication")["role"] == "master"]


def _known(port: int) -> int:
    return int(ask(port, "CLUSTER INFO")["cluster_known_nodes"])


class RedisNode:
    """One server on loopback, which may be killed and started again, empty then.

    Attributes:
        port: stays the same.
        bus_port: where nodes of a cluster speak to each other.
    """

    def __init__(self, folder: Path, arguments: "Arguments") -> None:
        self.port = free_port()
        self.bus_port = free_port()
        self._folder = folder
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [REDIS_SERVER, *self._arguments(self._folder, self)]
        with (self._folder / f"{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually_true(self._answers, f"{REDIS_SERVER} did not start")

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *command: Any) -> Any:
        """See `ask`."""
        return ask(self.port, *command)

    @property
    def runs(self) -> bool:
        """It was started and not killed."""
        return self._process is not None

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False


Arguments = Callable[[Path, RedisNode], list[str]]


class OwnCluster:
    """A running cluster: three masters, and a replica of each.

    Attributes:
        nodes: all six; `master_of` tells which is which just now.
        url: as Kinepose takes it.
    """

    def __init__(self, nodes: list[RedisNode]) -> None:
        self.nodes = nodes
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes[:MASTERS])

    def master_of(self, key: str) -> RedisNode:
        """The node that has this key's slot now, as the others see it."""
        slot = key_slot(key.encode())
        for first, last, master in self._slots():
            if int(first) <= slot <= int(last):
                return next(node for node in self.nodes if node.port == int(master))
        raise AssertionError(f"slot {slot} is nobody's")

    def wait_for_another_master(self, key: str, old: RedisNode) -> None:
        """Wait until a replica has taken the place of a killed master, in the eyes of all who run."""
        eventually_true(lambda: self.master_of(key) is not old and self._whole(), "no replica took over")

    def _slots(self) -> list[tuple[str, str, str]]:
        asked = next(node for node in self.nodes if node.runs)
        return [(first, last, master[1]) for first, last, master, *_ in asked.ask("CLUSTER", "SLOTS")]

    def _whole(self) -> bool:
        running = [node for node in self.nodes if node.runs]
        return all(node.ask("CLUSTER INFO")["cluster_state"] == "ok" for node in running)


class SentinelTrio:
    """A master and its replica, watched by three Sentinels.

    Attributes:
        servers: the two of them.
        sentinels: the three.
        url: as Kinepose takes it.
    """

    def __init__(self, servers: list[RedisNode], sentinels: list[RedisNode]) -> None:
        self.servers = servers
        self.sentinels = sentinels
        self.url = f"redis+sentinel://{','.join(f'127.0.0.1:{node.port}' for node in sentinels)}/kinepose"

    def master(self) -> RedisNode:
        """Who is master now, as the Sentinels say."""
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "kinepose")
        return next(server for server in self.servers if server.port == int(port))

    def wait_for_another_master(self, old: RedisNode) -> None:
        """Wait until the replica is master."""
        eventually_true(lambda: self.master() is not old, "no replica took over")

    def start_as_replica(self, old: RedisNode) -> None:
        """Start one that was killed, of the new master; Sentinels would tell it some seconds later."""
        old.start()
        old.ask("REPLICAOF", "127.0.0.1", self.master().port)


@contextmanager
def own_cluster() -> Iterator[OwnCluster]:
    """A whole one."""
    with _running(_cluster_arguments, 2 * MASTERS) as nodes:
        cluster = OwnCluster(nodes)
        form_cluster([node.port for node in nodes], [node.bus_port for node in nodes])
        yield cluster


def follow(replica: RedisNode, master: RedisNode) -> None:
    """Make it a replica that has all its master has."""
    replica.ask("REPLICAOF", "127.0.0.1", master.port)
    eventually_true(lambda: _copies(replica.port), "the replica does not copy")


@contextmanager
def own_pair() -> Iterator[tuple[RedisNode, RedisNode]]:
    """A master, and a replica that has all it has."""
    with _running(_plain_arguments, 2) as servers:
        master, replica = servers
        follow(replica, master)
        yield master, replica


@contextmanager
def own_sentinels() -> Iterator[SentinelTrio]:
    """A pair, and three Sentinels that know of both and of each other."""
    with own_pair() as (master, replica):
        servers = [master, replica]
        with _running(lambda folder, node: _sentinel_arguments(folder, node, master.port), 3) as sentinels:
            for sentinel in sentinels:
                eventually_true(lambda sentinel=sentinel: _knows_all(sentinel), "Sentinels do not meet")  # type: ignore[misc]
            yield SentinelTrio(servers, sentinels)


@contextmanager
def _running(arguments: Arguments, count: int) -> Iterator[list[RedisNode]]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = []
        for _ in range(count):
            node = RedisNode(Path(folder), arguments)
            stack.callback(node.kill)
            node.start()
            nodes.append(node)
        yield nodes


def _plain_arguments(folder: Path, node: RedisNode) -> list[str]:
    options = {
        "port": str(node.port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        # A replica begins to copy at once; by default a master waits for 5 s for further replicas.
        "repl-diskless-sync-delay": "0",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _cluster_arguments(folder: Path, node: RedisNode) -> list[str]:
    options = {
        "cluster-enabled": "yes",
        "cluster-config-file": f"{node.port}.nodes",
        "cluster-node-timeout": str(NODE_TIMEOUT_MS),
        "cluster-require-full-coverage": "no",
        "cluster-port": str(node.bus_port),
    }
    return [*_plain_arguments(folder, node), *(part for item in options.items() for part in (f"--{item[0]}", item[1]))]


def _sentinel_arguments(folder: Path, node: RedisNode, master: int) -> list[str]:
    file = folder / f"{node.port}.conf"
    lines = (
        f"port {node.port}",
        "bind 127.0.0.1",
        f"sentinel monitor kinepose 127.0.0.1 {master} 2",
        f"sentinel down-after-milliseconds kinepose {NODE_TIMEOUT_MS}",
        "sentinel failover-timeout kinepose 5000",
    )
    file.write_text("\n".join(lines) + "\n")
    return [str(file), "--sentinel"]


def _copies(port: int) -> bool:
    return bool(ask(port, "INFO", "replication").get("master_link_status") == "up")


def _knows_all(sentinel: RedisNode) -> bool:
    [found] = sentinel.ask("SENTINEL", "MASTERS")
    known = dict(zip(found[::2], found[1::2], strict=True)) if isinstance(found, list) else found
    return int(known["num-other-sentinels"]) == 2 and int(known["num-slaves"]) == 1


def eventually_true(is_true: Callable[[], bool], otherwise: str) -> None:
    """Look until it is."""
    until = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < until, otherwise
        time.sleep(0.02)
