"""Who makes a call: API keys, kept as SHA-256 hashes in a file that is read again when it changes.

    {"keys": [{"id": "robotics", "sha256": "<hex>", "limits": {"frames_per_s": 300, "max_sessions": 8}},
              {"id": "prometheus", "sha256": "<hex>", "role": "operator"}]}

A key reads `kp_<id>_<43 url-safe characters>`: 256 random bits, so that one plain hash of it is as hard to turn
round as a slow one. Transports ask `KeyRing.caller` for each call; a stream that has begun is not ended by the
removal of its key. Keys themselves are in no log, error or metric.
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import Unauthenticated
from service.observability.metrics import Metrics

ID_PATTERN: Final = r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$"
SECRET_BYTES: Final = 32
# No key is longer; what is gets no hash computed.
MAX_KEY_CHARS: Final = 128

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key may ask for, over all frontends; None is no limit.

    Attributes:
        frames_per_s: frames of sessions, a second; one with several people in its answer counts once for each.
        sessions_per_minute: sessions begun, a minute.
        clips_per_minute: clips begun, a minute.
        max_sessions: sessions alive at once.
    """

    frames_per_s: int | None = None
    sessions_per_minute: int | None = None
    clips_per_minute: int | None = None
    max_sessions: int | None = None


NO_LIMITS: Final = KeyLimits()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        key_id: names the key and is no secret; None where no keys are configured.
        limits: what it may ask for.
        operator: may see how the server does, all keys' work together.
    """

    key_id: str | None = None
    limits: KeyLimits = NO_LIMITS
    operator: bool = False


ANYONE: Final = Caller(operator=True)


# -- keys file --------------------------------------------------------------------------------------------


class Limits(BaseModel):
    """`KeyLimits` as the file holds them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    frames_per_s: int | None = Field(default=None, ge=1)
    sessions_per_minute: int | None = Field(default=None, ge=1)
    clips_per_minute: int | None = Field(default=None, ge=1)
    max_sessions: int | None = Field(default=None, ge=1)


class KeyRecord(BaseModel):
    """One key of the file: its name, the hash of the whole key (hex), what it may ask for and see."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=ID_PATTERN)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    limits: Limits = Limits()
    role: Literal["client", "operator"] = "client"

    def caller(self, max_sessions: int | None) -> Caller:
        """Whoever holds this key; `max_sessions` holds where the key has none of its own."""
        limits = KeyLimits(**self.limits.model_dump())
        if limits.max_sessions is None:
            limits = replace(limits, max_sessions=max_sessions)
        return Caller(self.id, limits, operator=self.role == "operator")


class KeyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    keys: list[KeyRecord] = []

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError, or ValueError with the faults in one line and without the values."""
        try:
            file = cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValueError("; ".join(faults)) from None
        if len({record.id for record in file.keys}) < len(file.keys):
            raise ValueError("two keys have one id")
        return file


def new_key(key_id: str) -> str:
    """A new key of that name. Show it once; keep its hash."""
    return f"kp_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hashed(key: str) -> str:
    """SHA-256 of a key, hex."""
    return hashlib.sha256(key.encode()).hexdigest()


# -- key ring ---------------------------------------------------------------------------------------------


class KeyRing:
    """The keys of the file, as it is now.

    A missing file or an empty list refuses everybody. A file that does not parse leaves the last good keys in
    force and is logged once: half an edit locks nobody out.

    Args:
        path: the keys file; None takes every caller for ANYONE.
        metrics: counts refusals.
        max_sessions: of a key that has no such limit of its own.
    """

    def __init__(self, path: Path | None, metrics: Metrics, max_sessions: int | None = None) -> None:
        self._path = path
        self._max_sessions = max_sessions
        self._metrics = metrics
        self._records: dict[str, tuple[str, Caller]] = {}
        self._seen: tuple[int, ...] | None = None
        if path is not None:
            self._refresh(path)

    def caller(self, authorization: str | None) -> Caller:
        """Who sends this `authorization` header or metadata (`Bearer KEY`). Raises Unauthenticated."""
        if self._path is None:
            return ANYONE
        # A stat a call: a few microseconds, and a removed key ends at once.
        self._refresh(self._path)
        caller = self._holder(_bearer(authorization))
        if caller is None:
            self._metrics.auth_failures.labels(Unauthenticated.code).inc()
            said = "an API key is needed: Authorization: Bearer KEY"
            raise Unauthenticated(said if authorization is None else "this API key is not known here")
        return caller

    def _holder(self, key: str | None) -> Caller | None:
        if key is None:
            return None
        parts = key.split("_", 2)
        digest, caller = self._records.get(parts[1] if len(parts) == 3 else "", ("", None))
        return caller if hmac.compare_digest(digest, hashed(key)) else None

    def _refresh(self, path: Path) -> None:
        seen = _fingerprint(path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._take(KeyFile.read(path).keys)
        except FileNotFoundError:
            self._records = {}
            log.warning("%s is not there: every call is refused", path)
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, %d API keys stay in force: %s", path, len(self._records), error)

    def _take(self, records: Iterable[KeyRecord]) -> None:
        self._records = {record.id: (record.sha256, record.caller(self._max_sessions)) for record in records}
        log.info("%d API keys in force", len(self._records))


def _fingerprint(path: Path) -> tuple[int, ...]:
    """Another one whenever the file is another one, or may be read again."""
    try:
        stat = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)


def _bearer(authorization: str | None) -> str | None:
    """The key of `Bearer KEY`; None where there is none, or what cannot be one."""
    match = re.fullmatch(r"(?i:bearer) +([\x21-\x7e]+)", authorization or "")
    return match[1] if match and len(match[1]) <= MAX_KEY_CHARS else None
