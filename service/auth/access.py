"""What a caller may: use what is its own, ask for so much in a time, hold so much at one time.

    check_owner(caller, owner, "session x", metrics)
    rate_limits = RateLimits.of(settings, metrics, client)    over all frontends; client is None without Redis
    await rate_limits.frame(caller)                           where a live frame is admitted, not one of a clip
    await rate_limits.more_people(caller, 5)                  where it has been answered, and had six people
    await rate_limits.session(caller)                         where a session is created
    await rate_limits.clip(caller)                            where a clip begins, before its file is taken in
    uploads = Quota("uploads", 64, 8)                         of this process
    with uploads.holding(caller) as held:                     what the block holds is given back at its end
        held.add()                                            QueueFull where there is no more

A key without a rate costs nothing: no Redis is asked. Where no keys are configured all callers are one, and only whole
amounts bound them. How many sessions a key holds at once is the session store's business (`KeyLimits.max_sessions`).
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import anyio
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import OutOfMemoryError, RedisClusterException, RedisError

from service.auth.api_keys import Caller
from service.config import Settings
from service.errors import Forbidden, KineposeError, QueueFull, RateLimited, StoreUnavailable
from service.observability.metrics import Metrics

RETRY_AFTER_AWAY_MS = 1000
RETRY_AFTER_MS = 1000
SHORTEST_RETRY_MS = 20
LONGEST_RETRY_MS = 5000
SMOOTHING = 0.1


def check_owner(caller: Caller, owner: str | None, what: str, metrics: Metrics) -> None:
    """Raises Forbidden, and counts it, where `what` (such as "session x") was made by another key."""
    if caller.key_id != owner:
        metrics.auth_failures.labels(Forbidden.code).inc()
        raise Forbidden(f"{what} belongs to another API key")


def check_operator(caller: Caller, metrics: Metrics) -> None:
    """Raises Forbidden, and counts it, where the caller is no operator."""
    if not caller.operator:
        metrics.auth_failures.labels(Forbidden.code).inc()
        raise Forbidden("this is for operators' API keys (kinepose keys new --operator)")


class RateLimits:
    """Rates of API keys, counted in a sliding window: at its edge, one more may come through. Of one event loop.

    Args:
        storage: where the counts are.
        metrics: counts refusals.
    """

    def __init__(self, storage: Storage, metrics: Metrics) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._metrics = metrics

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics | None = None, client: Redis | RedisCluster | None = None) -> Self:
        """Counts in Redis, over all processes with the settings' prefix; in this process where there is no client."""
        return cls(
            MemoryStorage() if client is None else _SharedStorage(client, f"{settings.redis_prefix}:rates"),
            metrics or Metrics(),
        )

    async def frame(self, caller: Caller) -> None:
        """One more frame. Raises RateLimited, StoreUnavailable."""
        if caller.limits.frames_per_s is not None:
            await self._take(caller, "frames", RateLimitItemPerSecond(caller.limits.frames_per_s))

    async def more_people(self, caller: Caller, count: int) -> None:
        """So many more frames, for the people of one that was answered, besides the first of them.

        How many there are is known only then: nothing is refused, and the next frames are, where it was too much. Of a
        count that goes beyond the rate itself the rest is let off.
        """
        if caller.limits.frames_per_s is None or count < 1:
            return
        assert caller.key_id is not None
        rate, counted = RateLimitItemPerSecond(caller.limits.frames_per_s), (caller.key_id, "frames")
        with suppress(RedisError):  # the frame has its answer; the next one's own count says that Redis is away
            if not await self._limiter.hit(rate, *counted, cost=count):
                left = (await self._limiter.get_window_stats(rate, *counted)).remaining
                await self._limiter.hit(rate, *counted, cost=max(1, left))

    async def session(self, caller: Caller) -> None:
        """One more session. Raises RateLimited, StoreUnavailable."""
        if caller.limits.sessions_per_minute is not None:
            await self._take(caller, "sessions", RateLimitItemPerMinute(caller.limits.sessions_per_minute))

    async def clip(self, caller: Caller) -> None:
        """One more clip. Raises RateLimited, StoreUnavailable."""
        if caller.limits.clips_per_minute is not None:
            await self._take(caller, "clips", RateLimitItemPerMinute(caller.limits.clips_per_minute))

    async def _take(self, caller: Caller, what: str, rate: RateLimitItem) -> None:
        assert caller.key_id is not None
        try:
            if await self._limiter.hit(rate, caller.key_id, what):
                return
            free_at = (await self._limiter.get_window_stats(rate, caller.key_id, what)).reset_time
        except OutOfMemoryError:
            # A full Redis counts no more. It refuses new sessions by itself; those that run go on.
            return
        except (RedisError, RedisClusterException) as error:
            raise StoreUnavailable("the rates cannot be counted now", retry_after_ms=RETRY_AFTER_AWAY_MS) from error
        self._metrics.auth_failures.labels(RateLimited.code).inc()
        wait_ms = math.ceil(1000 * (free_at - time.time()))
        raise RateLimited(
            f"API key {caller.key_id} may ask for {rate.amount} {what} in {rate.get_expiry()} s",
            retry_after_ms=min(max(wait_ms, 1), 1000 * rate.get_expiry()),
        )


class _SharedStorage(RedisStorage):
    """Counts with a client that is there already, of one server or of a cluster: a rate's keys are of one slot."""

    def __init__(self, client: Redis | RedisCluster, prefix: str) -> None:
        self._client = client
        super().__init__("async+redis://", implementation="redispy", key_prefix=prefix)

    def configure_bridge(self) -> None:
        """Called by the base class in place of making a client."""
        bridge: Any = self.bridge  # Its types know one server only.
        bridge.storage = self._client
        bridge.connection_getter = lambda readonly: self._client


class Quota:
    """An amount of something that is held for a time. Of one event loop.

    Args:
        what: of which there is so much, for the words of a refusal.
        most, most_per_key: how much may be held in all, and by one key.
        full: raised where all of it is held; QueueFull where a key holds its share.
    """

    def __init__(self, what: str, most: int, most_per_key: int, full: type[KineposeError] = QueueFull) -> None:
        self._what = what
        self._most = most
        self._most_per_key = most_per_key
        self._full = full
        self._held: Counter[str | None] = Counter()
        self._released = asyncio.Event()

    @property
    def total(self) -> int:
        """How much is held."""
        return self._held.total()

    def held_by(self, key_id: str | None) -> int:
        """How much a key holds."""
        return self._held[key_id]

    def check(self, caller: Caller, amount: int = 1) -> None:
        """Raise where there is no room for so much more."""
        if caller.key_id is not None and self._held[caller.key_id] + amount > self._most_per_key:
            words = f"API key {caller.key_id} may hold {self._most_per_key} {self._what} at once"
            raise QueueFull(words, retry_after_ms=RETRY_AFTER_MS)
        if self.total + amount > self._most:
            raise self._full(f"the server holds {self._most} {self._what} at once", retry_after_ms=RETRY_AFTER_MS)

    def take(self, caller: Caller, amount: int = 1) -> None:
        """Hold so much more. Raises as `check`."""
        self.check(caller, amount)
        self._held[caller.key_id] += amount

    async def wait(self, caller: Caller, amount: int = 1) -> None:
        """Hold so much more once there is room; who holds nothing always gets it where nobody else does."""
        while not self._fits(caller, amount):
            self._released.clear()
            await self._released.wait()
        self._held[caller.key_id] += amount

    def release(self, caller: Caller, amount: int = 1) -> None:
        """Give back."""
        self._held[caller.key_id] -= amount
        if self._held[caller.key_id] <= 0:
            del self._held[caller.key_id]
        self._released.set()

    @contextmanager
    def holding(self, caller: Caller) -> "Iterator[Holding]":
        """Gives back at the end of the block what was added to it."""
        held = Holding(self, caller)
        try:
            yield held
        finally:
            held.clear()

    def _fits(self, caller: Caller, amount: int) -> bool:
        own = self._held[caller.key_id]
        share = self._most if caller.key_id is None else self._most_per_key
        return (own == 0 or own + amount <= share) and (self.total == 0 or self.total + amount <= self._most)


class Holding:
    """What one call holds of a quota."""

    def __init__(self, quota: Quota, caller: Caller) -> None:
        self._quota = quota
        self._caller = caller
        self.amount = 0

    def add(self, amount: int = 1) -> None:
        """Hold so much more. Raises as `Quota.check`."""
        self._quota.take(self._caller, amount)
        self.amount += amount

    async def wait(self, amount: int = 1) -> None:
        """Hold so much more once there is room."""
        await self._quota.wait(self._caller, amount)
        self.amount += amount

    def remove(self, amount: int = 1) -> None:
        """Give some of it back."""
        self._quota.release(self._caller, amount)
        self.amount -= amount

    def clear(self) -> None:
        """Give all of it back."""
        if self.amount:
            self.remove(self.amount)


class InFlight:
    """Counts the server's frames in flight: when it is full, `take` refuses and `wait` waits in line.

    Args:
        most: of all.
        most_per_key: of one API key, where there are keys.
    """

    def __init__(self, most: int, most_per_key: int) -> None:
        self._most = most
        self._most_per_key = most_per_key
        self._places = anyio.Semaphore(most, fast_acquire=True)
        self._shares: dict[str, anyio.Semaphore] = {}
        self._mean_s = SHORTEST_RETRY_MS / 1000

    @property
    def count(self) -> int:
        """How many there are."""
        return self._most - self._places.value

    def take(self, caller: Caller) -> None:
        """Take a place, or raise QueueFull."""
        share = self._share(caller)
        try:
            if share:
                share.acquire_nowait()
        except anyio.WouldBlock:
            detail = f"API key {caller.key_id} has {self._most_per_key} frames in flight, its limit"
            raise QueueFull(detail, retry_after_ms=self.retry_after_ms()) from None
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            if share:
                share.release()
            detail = f"the server has {self.count} frames in flight, its limit"
            raise QueueFull(detail, retry_after_ms=self.retry_after_ms()) from None

    async def wait(self, caller: Caller) -> None:
        """Take a place, waiting for one, first come first served."""
        share = self._share(caller)
        if share:
            await share.acquire()
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            if share:
                share.release()
            raise

    def release(self, caller: Caller, seconds: float | None = None) -> None:
        """Give a place back; `seconds` is how long a frame held it, None where it was not used."""
        if seconds is not None:
            self._mean_s += SMOOTHING * (seconds - self._mean_s)
        self._places.release()
        if share := self._share(caller):
            share.release()

    def retry_after_ms(self) -> int:
        """When trying again makes sense: after about as long as a frame lately took."""
        return int(min(max(1000 * self._mean_s, SHORTEST_RETRY_MS), LONGEST_RETRY_MS))

    def _share(self, caller: Caller) -> anyio.Semaphore | None:
        if caller.key_id is None:
            return None
        return self._shares.setdefault(caller.key_id, anyio.Semaphore(self._most_per_key, fast_acquire=True))
