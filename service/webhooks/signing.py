"""Signatures of the Standard Webhooks scheme (standardwebhooks.com), and the file that holds their secrets.

secret        `whsec_` and base64 of 24 to 64 random bytes
signature     `v1,` and base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`; one for each secret, with spaces between them
file          a secret a line, for all hosts, or behind the host that it is for; lines that begin with # are passed over
"""

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

PREFIX: Final = "whsec_"
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64


class BadSecrets(ValueError):
    """The file of secrets cannot be used; its words hold no secret."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """All secrets of a server.

    Attributes:
        by_host: pairs of a host, None where it is for all of them, and a secret.
    """

    by_host: tuple[tuple[str | None, bytes], ...] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Those of the file. Raises BadSecrets where it cannot be read, or a line makes no sense."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSecrets(f"{path}: {error.strerror if isinstance(error, OSError) else 'not a text'}") from None
        return cls(tuple(_pairs(path, lines)))

    def of(self, host: str) -> list[bytes]:
        """Those that sign messages to this host, in the file's order: its own, or else those for all."""
        own = [secret for name, secret in self.by_host if name == host]
        return own or [secret for name, secret in self.by_host if name is None]


def _pairs(path: Path, lines: Iterable[str]) -> Iterable[tuple[str | None, bytes]]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        secret = _decoded(words[-1])
        if secret is None or len(words) > 2:
            raise BadSecrets(f"{path}, line {number}: expected [HOST] {PREFIX}BASE64 of {LEAST_BYTES} bytes or more")
        yield words[0].lower() if len(words) == 2 else None, secret


def _decoded(text: str) -> bytes | None:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:  # not of its alphabet, or not of its length
        return None
    return secret if text.startswith(PREFIX) and LEAST_BYTES <= len(secret) <= MOST_BYTES else None


def signatures(secrets: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. `timestamp`: Unix seconds."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(secret, content, 'sha256')).decode()}" for secret in secrets)
