"""A redis-server with the users of deploy/k8s/base/users.acl that speaks TLS only."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.support.keys import make_certificate
from tests.support.redis_server import OwnRedis, free_port, own_redis

USERS = Path(__file__).parents[2] / "deploy" / "k8s" / "base" / "users.acl"
PASSWORDS = {"KINEPOSE": "of-kinepose", "OPERATOR": "of-the-operator"}


@dataclass(frozen=True)
class GuardedRedis:
    """A running one.

    Attributes:
        redis: to kill and start it.
        settings: how a process of Kinepose reaches it, as its user.
        folder: `cert.pem`, which vouches for itself, and `password`.
        port: of TLS.
    """

    redis: OwnRedis
    settings: dict[str, Any]
    folder: Path
    port: int

    def client(self, user: str) -> Redis:
        """As this user of its file, or as nobody (""), over the Unix socket."""
        named: dict[str, Any] = {"username": user, "password": PASSWORDS[user.upper()]} if user else {}
        return Redis(unix_socket_path=str(self.redis.socket), **named)

    def observer(self) -> AsyncRedis:
        """As the operator."""
        return AsyncRedis(unix_socket_path=str(self.redis.socket), username="operator", password=PASSWORDS["OPERATOR"])


def users(prefix: str) -> str:
    """The file as a deployment with this prefix writes it."""
    text = USERS.read_text().replace("~kinepose:*", f"~{prefix}:*").replace("&kinepose:*", f"&{prefix}:*")
    for user, password in PASSWORDS.items():
        text = text.replace(f"#{user}", f"#{hashlib.sha256(password.encode()).hexdigest()}")
    return text


@contextmanager
def guarded_redis(prefix: str = "kinepose", **more: str) -> Iterator[GuardedRedis]:
    """Keys and channels of its user begin with `prefix`; `more` are options of its configuration."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate = make_certificate(folder)
        (folder / "users.acl").write_text(users(prefix))
        (folder / "password").write_text(PASSWORDS["KINEPOSE"] + "\n")
        port = free_port()
        options = {
            "bind": "127.0.0.1",
            "tls-port": str(port),
            "tls-cert-file": str(certificate.cert_file),
            "tls-key-file": str(certificate.key_file),
            "tls-ca-cert-file": str(certificate.cert_file),
            "tls-auth-clients": "no",
            "aclfile": str(folder / "users.acl"),
        }
        settings = {
            "redis_url": SecretStr(f"rediss://kinepose@127.0.0.1:{port}/0"),
            "redis_password_file": folder / "password",
            "redis_ca_file": certificate.cert_file,
            "redis_prefix": prefix,
        }
        with own_redis(options={**options, **{key.replace("_", "-"): value for key, value in more.items()}}) as redis:
            yield GuardedRedis(redis, settings, folder, port)
