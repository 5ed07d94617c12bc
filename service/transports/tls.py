"""A server's own secrets, as the settings name their files: its certificate, its password and certificate for Redis."""

from pathlib import Path
from typing import TypedDict

import grpc

from service.config import Settings


class UvicornTls(TypedDict, total=False):
    """Arguments for uvicorn.Config; empty without TLS."""

    ssl_certfile: Path
    ssl_keyfile: Path


class RedisTls(TypedDict, total=False):
    """Arguments for redis-py's connections over TLS; empty where the settings name no file."""

    ssl_ca_certs: str
    ssl_certfile: str
    ssl_keyfile: str


def for_uvicorn(settings: Settings) -> UvicornTls:
    """Arguments for uvicorn.Config, which raises OSError (ssl.SSLError too) where it cannot load them."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return {}
    return {"ssl_certfile": settings.tls_cert_file, "ssl_keyfile": settings.tls_key_file}


def for_grpc(settings: Settings) -> grpc.ServerCredentials | None:
    """What a gRPC port is opened with; None without TLS. OSError where a file cannot be read."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    pair = (settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes())
    return grpc.ssl_server_credentials([pair])


def redis_password(settings: Settings) -> str | None:
    """The password of `redis_password_file`; None where there is no such file set. OSError where it cannot be read."""
    return _password(settings.redis_password_file)


def sentinel_password(settings: Settings) -> str | None:
    """That of `redis_sentinel_password_file`, in the same way."""
    return _password(settings.redis_sentinel_password_file)


def _password(file: Path | None) -> str | None:
    """Without the line break at its end."""
    return None if file is None else file.read_text(encoding="utf-8").rstrip("\r\n")


def for_redis(settings: Settings) -> RedisTls:
    """Whom a connection to Redis trusts, and what it shows. The files are read with each connection."""
    chosen: RedisTls = {}
    if settings.redis_ca_file is not None:
        chosen["ssl_ca_certs"] = str(settings.redis_ca_file)
    if settings.redis_cert_file is not None and settings.redis_key_file is not None:
        chosen["ssl_certfile"] = str(settings.redis_cert_file)
        chosen["ssl_keyfile"] = str(settings.redis_key_file)
    return chosen
