"""Dockerfile, docker-compose.yml and the proxy's configuration: what can be checked without Docker."""

import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from kinepose_client.pb import pose_pb2
from service.config import MIB, Settings

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("Dockerfile", "deploy/proxy/Dockerfile")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS = {f"KINEPOSE_{name.upper()}" for name in Settings.model_fields}

each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_a_service_runs_hardened(name: str) -> None:
    """As nobody in particular, over a read-only file system, without capabilities or a way to gain them."""
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert not {"privileged", "cap_add", "network_mode"} & service.keys() or service.get("network_mode") == "none"


@each_service
def test_a_service_has_limits(name: str) -> None:
    """Of memory and of processes, so that one of them at fault does not take the machine along."""
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert limits["memory"]
    assert limits["pids"] > 0


@each_service
def test_a_service_tells_its_health(name: str) -> None:
    """`up --wait` waits for something; what runs once is judged by its exit code."""
    service = SERVICES[name]
    runs_once = service["restart"] == "no"
    assert service["healthcheck"].get("disable", False) == runs_once
    assert runs_once or service["healthcheck"]["test"]


@each_service
def test_an_image_has_a_version(name: str) -> None:
    """What is pulled is pinned by a tag; what is built here has a tag of its own."""
    image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SERVICES[name]["image"])
    _, _, tag = image.partition(":")
    assert tag not in ("", "latest")


@each_service
def test_no_secret_is_in_the_environment(name: str) -> None:
    """A variable that has to do with a secret names a file."""
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|_KEYS?(_|$)", variable):
            assert variable.endswith("_FILE")
            assert value.startswith("/")
        assert not re.search(r"://[^/]*:[^/]*@", str(value))


@each_service
def test_variables_are_settings(name: str) -> None:
    """A misspelt KINEPOSE_ variable would be ignored in silence."""
    variables = {variable for variable in SERVICES[name].get("environment", {}) if variable.startswith("KINEPOSE_")}
    assert variables <= SETTINGS


def test_variables_of_the_image_are_settings() -> None:
    """As in the compose file."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"\b(KINEPOSE_\w+)=", text)) <= SETTINGS


def test_the_label_of_the_image_tells_the_version() -> None:
    """The project's own."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"ARG VERSION={version}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_ports_are_those_of_the_settings() -> None:
    """In the image, behind the proxy, and on this machine alone unless PUBLISH_ADDRESS says otherwise."""
    fields = Settings.model_fields
    http, grpc = fields["http_port"].default, fields["grpc_port"].default
    for file in DOCKERFILES:
        assert f"EXPOSE {http} {grpc}" in (ROOT / file).read_text(encoding="utf-8")
    proxy = (ROOT / "deploy/proxy/Dockerfile").read_text(encoding="utf-8")
    assert f"FRONTEND_HTTP_PORT={http} FRONTEND_GRPC_PORT={grpc}" in proxy
    assert SERVICES["proxy"]["ports"] == [
        f"${{PUBLISH_ADDRESS:-127.0.0.1}}:${{HTTP_PORT:-{http}}}:{http}",
        f"${{PUBLISH_ADDRESS:-127.0.0.1}}:${{GRPC_PORT:-{grpc}}}:{grpc}",
    ]


def test_only_the_proxy_and_the_dashboards_are_published() -> None:
    """Redis, frontends and workers are reached inside only, and all that is published is on this machine's address."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"proxy", "prometheus", "grafana"}
    assert all(port.startswith("${PUBLISH_ADDRESS:-127.0.0.1}:") for ports in published.values() for port in ports)
    assert COMPOSE["networks"]["backend"]["internal"] is True
    assert SERVICES["redis"]["networks"] == SERVICES["worker"]["networks"] == ["backend"]


@pytest.mark.parametrize("name", ["frontend", "worker", "worker-gpu"])
def test_a_drain_fits_into_the_time_that_docker_gives(name: str) -> None:
    """SIGKILL comes after frames that were accepted have been finished."""
    drain_s = float(SERVICES[name]["environment"]["KINEPOSE_DRAIN_GRACE_S"])
    assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain_s


@pytest.mark.parametrize("name", ["frontend", "worker", "worker-gpu"])
def test_a_process_starts_after_redis_and_the_secrets(name: str) -> None:
    """Nothing has to be prepared before `docker compose up`."""
    conditions = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
    assert conditions == {"redis": "service_healthy", "secrets": "service_completed_successfully"}


def test_calls_need_a_key() -> None:
    """API keys are on, and only `keys` and `secrets` can change them."""
    assert "KINEPOSE_API_KEYS_FILE" in SERVICES["frontend"]["environment"]
    writers = {
        name for name, service in SERVICES.items() if "keys:/var/lib/kinepose/keys" in service.get("volumes", [])
    }
    assert writers == {"keys", "secrets"}


def test_redis_keeps_sessions() -> None:
    """Written to disk each second, and never thrown out in silence."""
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"
    assert "--maxmemory" in options


def test_the_operators_password_is_redis_own() -> None:
    """What frontends and workers mount holds the password of their own user, and the certificate that they trust."""
    mounts = {
        name for name, one in SERVICES.items() if any("redis-server" in mount for mount in one.get("volumes", []))
    }
    assert mounts == {"secrets", "redis"}
    assert "redis-server-secret:/etc/kinepose:ro" in SERVICES["redis"]["volumes"]


def test_the_service_comes_to_redis_as_its_user() -> None:
    """With TLS where it is asked for."""
    url = SERVICES["frontend"]["environment"]["KINEPOSE_REDIS_URL"]
    assert re.sub(r"\$\{REDIS_TLS:\+[^}]*\}", "", url) == "redis://kinepose@redis:6379/0"
    encrypted = re.sub(r"\$\{REDIS_TLS:\+([^}]*)\}", r"\1", url)
    assert encrypted == "rediss://kinepose@redis:6379/0?ssl_ca_certs=/var/lib/kinepose/redis/ca.crt"
    Settings(redis_url=SecretStr(encrypted))


def test_files_that_are_mounted_are_there() -> None:
    """Docker would make an empty folder instead."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount.startswith("./")]
    assert mounts
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (ROOT / source).exists()
        assert mode == "ro"


def test_the_image_gets_what_it_copies() -> None:
    """Every source of a COPY is there, and .dockerignore lets it in."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.M)
    for source in " ".join(copies).split():
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def _hadolint() -> str | None:
    return shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.mark.skipif(_hadolint() is None, reason="hadolint is not installed")
@pytest.mark.parametrize("file", DOCKERFILES)
def test_hadolint_has_nothing_to_say(file: str) -> None:
    """Neither errors nor warnings."""
    found = subprocess.run([str(_hadolint()), file], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize(
    "file", ["deploy/compose-test.sh", "deploy/proxy/entrypoint.sh", "deploy/proxy/healthcheck.sh"]
)
def test_scripts_parse_and_may_be_run(file: str) -> None:
    """By the shell that their first line names."""
    shell = (ROOT / file).read_text(encoding="utf-8").partition("\n")[0].split("/")[-1].split()[-1]
    subprocess.run([shell, "-n", file], cwd=ROOT, check=True)
    assert os.access(ROOT / file, os.X_OK)


# -- the proxy --------------------------------------------------------------------------------------------


def test_the_proxy_lets_pictures_through() -> None:
    """What is too large is refused by the frontends, with their own limit, and not by nginx before."""
    text = (ROOT / "deploy/proxy/http.conf").read_text(encoding="utf-8")
    sizes = [int(size) for size in re.findall(r"client_max_body_size (\d+)m?;", text)]
    assert sorted(sizes)[0] == 0
    assert sorted(sizes)[1] * MIB > Settings.model_fields["max_image_bytes"].default + MIB


def test_the_proxy_names_methods_that_exist() -> None:
    """Its rules for streams are rules for something, and cover every method that takes a stream."""
    text = (ROOT / "deploy/proxy/grpc.conf").read_text(encoding="utf-8")
    service = pose_pb2.DESCRIPTOR.services_by_name["PoseService"]
    streams = {f"/{service.full_name}/{method.name}" for method in service.methods if method.client_streaming}
    assert set(re.findall(r"location = (\S+)", text)) == streams


def test_the_proxy_waits_long_for_streams_alone() -> None:
    """Other bodies get a little longer than the frontends give them, which say why they end a call."""
    main, http, grpc = (
        (ROOT / f"deploy/proxy/{name}.conf").read_text(encoding="utf-8") for name in ("nginx", "http", "grpc")
    )
    [seconds] = re.findall(r"client_body_timeout (\d+)s;", main)
    assert Settings().body_timeout_s < int(seconds) <= 60
    assert "client_body_timeout" not in http
    [(where, _)] = re.findall(r"location = (\S+) \{\s+client_body_timeout (1h);", grpc)
    assert where.endswith("/StreamPose")
    assert grpc.count("client_body_timeout") == 1
    assert "proxy_request_buffering off;" in http  # the key is asked for before a body is received


# -- the health check -------------------------------------------------------------------------------------


class _Probed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def probed_port() -> Iterator[int]:
    """Of a server that is alive and not ready."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Probed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "code"), [("/healthz", 0), ("/readyz", 1)])
def test_the_health_check_tells_what_the_process_answers(probed_port: int, path: str, code: int) -> None:
    """0 for 200, 1 for anything else."""
    environment = {"KINEPOSE_HTTP_PORT": str(probed_port)}
    command = [sys.executable, str(ROOT / "deploy/healthcheck.py"), path]
    reported = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert reported.returncode == code
    assert ("503" in reported.stderr) == (code == 1)
