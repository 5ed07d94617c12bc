"""A server's own secrets, read from the files that the settings name: its certificate, its password for Redis."""

from pathlib import Path
from typing import TypedDict

import grpc

from service.config import Settings


class UvicornTls(TypedDict, total=False):
    """Arguments for uvicorn.Config; empty without TLS."""

    ssl_certfile: Path
    ssl_keyfile: Path


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
    """The password of `redis_password_file`, without the line break at its end; None where there is no such file set.

    Raises:
        OSError: it cannot be read.
    """
    if settings.redis_password_file is None:
        return None
    return settings.redis_password_file.read_text(encoding="utf-8").rstrip("\r\n")
