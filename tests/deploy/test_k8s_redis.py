"""The Redis of deploy/k8s, started as its container starts it."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from tests.deploy.manifests import of_kind, pod_of, workloads

PATIENCE_S = 30.0


@pytest.fixture
def password(tmp_path: Path) -> str:
    """A password as a Secret's file would hold it."""
    (tmp_path / "password").write_text("correct-horse")
    return "correct-horse"


@pytest.fixture
def started(tmp_path: Path, password: str) -> Iterator[subprocess.Popen[bytes]]:
    """The container's own script, on a Unix socket, with its folders elsewhere."""
    [config] = [one for one in of_kind("base", "ConfigMap") if one["metadata"]["name"] == "redis-config"]
    text = config["data"]["redis.conf"].replace("port 6379", f"port 0\nunixsocket {tmp_path}/redis.sock")
    (tmp_path / "redis.conf.in").write_text(text.replace("dir /data", f"dir {tmp_path}"))
    shell, option, script = pod_of(workloads("base")["redis"])["containers"][0]["command"]
    for path, here in (
        ("/etc/redis/redis.conf", tmp_path / "redis.conf.in"),
        ("/run/secrets/redis/password", tmp_path / "password"),
        ("/run/redis/redis.conf", tmp_path / "redis.conf"),
    ):
        script = script.replace(path, str(here))
    process = subprocess.Popen([shell, option, script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until_it_answers(client: Redis) -> None:
    """Wait for the server."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            client.ping()
        except RedisError:
            assert time.monotonic() < until, "redis-server did not start"
            time.sleep(0.02)
        else:
            return


def test_it_asks_for_the_password_and_never_evicts(
    started: subprocess.Popen[bytes], tmp_path: Path, password: str
) -> None:
    """The file of settings is one that Redis takes; the password works and is in no argument and for no other user."""
    socket = str(tmp_path / "redis.sock")
    with Redis(unix_socket_path=socket, password=password) as client:
        until_it_answers(client)
        found = {name: client.config_get(name)[name] for name in ("maxmemory-policy", "appendonly", "appendfsync")}
    assert found == {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}
    with Redis(unix_socket_path=socket) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    assert password.encode() not in Path(f"/proc/{started.pid}/cmdline").read_bytes()
    assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
