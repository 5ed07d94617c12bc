"""Session stores whose time goes on when set, in memory and in a real Redis; and what to keep in them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, cast

import numpy as np

from model.state import SessionState, TrackState, quantise
from model.values import Array, FrameTransform, LostTrack, Person, Pose, Region, RegionSource
from service.config import Settings
from service.contract.messages import FrameResult, ModelInfo, Outcome, SessionOptions
from service.observability.metrics import Metrics
from service.redis.client import RedisClient, connected
from service.redis.keys import Keyspace
from service.redis.sessions.store import RedisSessions
from service.sessions.memory import InMemorySessions
from service.sessions.store import SessionMeta, SessionStore
from tests.support.pipelines import ManualClock, eventually

MODEL = ModelInfo("fake", "1", "0" * 64)
TTL_S = 1000.0
TIMEOUT_S = 20.0


class Kept(Protocol):
    """A store, its time and its metrics."""

    @property
    def store(self) -> SessionStore:
        """The store."""
        ...

    async def elapse(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def sample(self, name: str, **labels: str) -> float:
        """The value of a metric's sample, 0 where there is none yet."""
        ...


class _Counted:
    def __init__(self) -> None:
        self.metrics = Metrics()

    def sample(self, name: str, **labels: str) -> float:
        """See Kept."""
        return self.metrics.registry.get_sample_value(f"kinepose_{name}", labels) or 0.0


class KeptInMemory(_Counted):
    """An in-memory store."""

    def __init__(self, max_sessions: int) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = InMemorySessions(max_sessions, 100, self.metrics, self.clock)

    async def elapse(self, seconds: float) -> None:
        """See Kept."""
        self.clock.advance(seconds)


class KeptInRedis(_Counted):
    """A store in Redis, under a prefix of its own unless one is given."""

    def __init__(self, client: RedisClient, max_sessions: int, prefix: str | None = None, **limits: Any) -> None:
        super().__init__()
        self.client = client
        self.prefix = prefix or f"test-{secrets.token_hex(8)}"
        self.settings = Settings(
            **{
                "max_sessions": max_sessions,
                "hold_lease_s": 10 * TTL_S,
                "remembered_s": 100 * TTL_S,
                "redis_prefix": self.prefix,
                "redis_shards": 4,
                "hot_states": 8,
                **limits,
            }
        )
        self.keyspace = Keyspace(self.prefix, self.settings.redis_shards)
        self.store = RedisSessions(client, self.settings, self.metrics)

    def another(self) -> "KeptInRedis":
        """A store of the same sessions, as of another process."""
        limits = {name: getattr(self.settings, name) for name in ("hold_lease_s", "remembered_s", "hot_states")}
        return KeptInRedis(self.client, self.settings.max_sessions, self.prefix, **limits)

    async def elapse(self, seconds: float) -> None:
        """Bring every expiry closer: to Redis, that is what time does."""
        passed_ms = round(1000 * seconds)
        for key in await self._keys():
            left_ms = await self.client.pttl(key)
            if left_ms >= 0:
                await self.client.pexpire(key, left_ms - passed_ms)
        for index in [key async for key in self.client.scan_iter(match=f"{self.keyspace.index()}*")]:
            for session_id in cast(list[bytes], await self.client.zrange(index, 0, -1)):
                await self.client.zincrby(index, -passed_ms, session_id)

    async def ended(self, session_id: str) -> None:
        """Wait until Redis has let a session go in its own time."""
        key = self.keyspace.session(session_id).session

        async def gone() -> bool:
            return not await self.client.exists(key)

        await eventually(gone)

    async def clear(self) -> None:
        """Leave nothing behind."""
        keys = await self._keys()
        if keys:
            await self.client.delete(*keys)

    async def _keys(self) -> list[bytes]:
        return [key async for key in self.client.scan_iter(f"{self.prefix}:*")]


@asynccontextmanager
async def kept_in_redis(url: str, max_sessions: int, **limits: Any) -> AsyncIterator[KeptInRedis]:
    """A store in this Redis, removed at the end."""
    async with connected(url, TIMEOUT_S) as client:
        kept = KeptInRedis(client, max_sessions, **limits)
        try:
            yield kept
        finally:
            await kept.clear()


def meta(ttl_s: float = TTL_S) -> SessionMeta:
    """A session's fixed part."""
    return SessionMeta(MODEL, SessionOptions(), ttl_s)


def result(session_id: str, seq: int, pts_us: int | None = None) -> FrameResult:
    """An answer with two people, whose joints no short decimal hits, and one who is lost."""
    joints = np.random.default_rng(seq).uniform(0, 640, (3, 3)).astype(np.float32)
    return FrameResult(
        session_id,
        seq,
        pts_us,
        Outcome.OK,
        MODEL,
        "three",
        ("head", "left_knee", "right_knee"),
        image_size=(640, 480),
        rotation_applied=90,
        people=(person(joints), person(joints + 1, track_id=2)),
        lost=(LostTrack(3, Region(2 / 3, 1, 20.5, 30)),),
    )


def person(joints: Array, track_id: int = 1) -> Person:
    """Somebody with these joints [K, 3], x, y and score, in a box that no short decimal hits."""
    return Person(
        track_id, 1 / 7, Region(1 / 3, 2, 300.25, 400), RegionSource.TRACKED, Pose(joints[:, :2], joints[:, 2])
    )


def state(seq: int, size: int = 4, people: int = 1) -> SessionState:
    """A state of people of three joints with maps of size x size, other numbers for each seq."""
    random = np.random.default_rng(seq)
    tracks = tuple(_track(track_id, random.normal(size=(2, 3, size, size))) for track_id in range(1, people + 1))
    return SessionState("0" * 16, (640, 480), tracks, next_id=people + 1)


def _track(track_id: int, maps: Array) -> TrackState:
    return TrackState(
        track_id=track_id,
        q=quantise(maps[0]),
        m=quantise(maps[1]),
        transform=FrameTransform(10 / 3, 20.5, 100 / 7, 4 * maps.shape[-1]),
        box=Region(1 / 3, 2.0, 30.0, 40.0),
        last_region=Region(2 / 3, 2.0, 30.0, 40.0),
        lost_frames=0,
    )


def same(one: Any, other: Any) -> bool:
    """True where two values are equal field by field, arrays bit by bit."""
    if isinstance(one, np.ndarray):
        alike: bool = one.dtype == other.dtype and one.shape == other.shape
        return alike and one.tobytes() == other.tobytes()
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one) and type(one) is type(other):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return bool(one == other)
