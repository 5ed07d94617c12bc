"""The Redis of deploy/k8s, started as its container starts it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from tests.deploy.kustomize import render
from tests.deploy.manifests import EVERYTHING, K8S, environment, of_kind, pod_of, workloads
from tests.support.keys import make_certificate
from tests.support.redis_server import free_port

PATIENCE_S = 30.0
KINEPOSE: dict[str, Any] = {"username": "kinepose", "password": "correct-horse"}
OPERATOR: dict[str, Any] = {"username": "operator", "password": "battery-staple"}


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The container's own script, with its folders in this one, and its port another."""
    [config] = [one for one in of_kind("base", "ConfigMap") if one["metadata"]["name"] == "redis-config"]
    places = {
        "/etc/redis": folder / "etc",
        "/run/redis": folder / "run",
        "/run/secrets": folder / "secrets",
        "/data": folder / "data",
        "6379": port,
    }

    def here(text: str) -> str:
        for place, instead in places.items():
            text = text.replace(place, str(instead))
        return text

    for name in ("etc", "run", "data", "secrets/redis", "secrets/redis-operator"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, text in config["data"].items():
        (folder / "etc" / name).write_text(here(text))
    (folder / "secrets/redis/password").write_text(KINEPOSE["password"])
    (folder / "secrets/redis-operator/password").write_text(OPERATOR["password"] + "\n")
    shell, option, script = pod_of(workloads("base")["redis"])["containers"][0]["command"]
    command = [shell, option, here(script)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


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


@pytest.fixture
def folder() -> Iterator[Path]:
    """Its files; a socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Without TLS."""
    process = start(folder, free_port())
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def test_it_asks_for_a_user_and_never_evicts(started: subprocess.Popen[bytes], folder: Path) -> None:
    """The settings are such that Redis takes; each user has its password and its rights, and there is no other."""
    socket = str(folder / "run/redis.sock")
    with Redis(unix_socket_path=socket, **OPERATOR) as client:
        until_it_answers(client)
        found = {name: client.config_get(name)[name] for name in ("maxmemory-policy", "appendonly", "appendfsync")}
    assert found == {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}
    with Redis(unix_socket_path=socket, **KINEPOSE) as client:
        client.set("kinepose:clip:x", "y")
        with pytest.raises(NoPermissionError):
            client.config_get("dir")
    for stranger in ({}, {"password": KINEPOSE["password"]}, {**OPERATOR, "password": KINEPOSE["password"]}):
        with Redis(unix_socket_path=socket, **stranger) as client, pytest.raises(AuthenticationError):
            client.ping()
    arguments = Path(f"/proc/{started.pid}/cmdline").read_bytes()
    assert not any(user["password"].encode() in arguments for user in (KINEPOSE, OPERATOR))
    assert (folder / "run/users.acl").stat().st_mode & 0o077 == 0


def test_with_a_certificate_it_speaks_tls_only(folder: Path) -> None:
    """That of components/redis-tls; probes go on through the Unix socket."""
    (folder / "secrets/redis-tls").mkdir(parents=True)
    certificate = make_certificate(folder)
    for name, file in (
        ("tls.crt", certificate.cert_file),
        ("tls.key", certificate.key_file),
        ("ca.crt", certificate.cert_file),
    ):
        shutil.copy(file, folder / "secrets/redis-tls" / name)
    port = free_port()
    process = start(folder, port)
    try:
        with Redis(unix_socket_path=str(folder / "run/redis.sock"), **KINEPOSE) as client:
            until_it_answers(client)
        with Redis(
            port=port, ssl=True, ssl_ca_certs=str(certificate.cert_file), host="127.0.0.1", **KINEPOSE
        ) as client:
            assert client.ping()
        with Redis(port=port, host="127.0.0.1", **KINEPOSE) as client, pytest.raises(RedisError):
            client.ping()
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("name", ["frontend", "worker"])
def test_its_clients_come_as_its_user(name: str) -> None:
    """With TLS they trust the CA of the Secret, and its key is not in their pods."""
    assert environment("base", name)["KINEPOSE_REDIS_URL"] == "redis://kinepose@redis:6379/0"
    found = environment(EVERYTHING, name)
    assert found["KINEPOSE_REDIS_URL"] == "rediss://kinepose@redis:6379/0"
    [volume] = [one for one in pod_of(workloads(EVERYTHING)[name])["volumes"] if one["name"] == "redis-ca"]
    assert [item["key"] for item in volume["secret"]["items"]] == ["ca.crt"]
    names = {one["secret"]["secretName"] for one in pod_of(workloads(EVERYTHING)[name])["volumes"] if "secret" in one}
    assert "kinepose-redis-operator" not in names


def test_a_gpu_worker_keeps_what_components_gave_it(tmp_path: Path) -> None:
    """The overlay changes its own variables alone."""
    plan = yaml.safe_load((K8S / "overlays/gpu/kustomization.yaml").read_text())
    overlay = os.path.relpath(K8S / "overlays/gpu", tmp_path.resolve())
    plan["resources"] = [f"{overlay}/{name}" for name in plan["resources"]]
    plan["components"] = [f"{overlay}/../../components/{name}" for name in ("keda", "redis-tls")]
    plan["patches"] = [{**one, "path": f"{overlay}/{one['path']}"} for one in plan["patches"]]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(plan))
    [worker] = [one for one in render(tmp_path) if (one["kind"], one["metadata"]["name"]) == ("Deployment", "worker")]
    found = {entry["name"]: entry["value"] for entry in pod_of(worker)["containers"][0]["env"]}
    assert found["KINEPOSE_DEVICE"] == "cuda"
    assert found["KINEPOSE_REDIS_URL"].startswith("rediss://")
    assert "KINEPOSE_API_KEYS_FILE" in found
