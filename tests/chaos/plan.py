"""What goes wrong and when: made from a seed before the run, so that a run can be repeated."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MEAN_GAP_S = 2.5
FIRST, LAST = 0.04, 0.94
"""Shares of the time between which disturbances begin: streams first get under way, and go on after the last."""
AWAY_S = (0.3, 1.5)
"""How long an ended process stays away before it is started again, seconds."""


class Kind(StrEnum):
    """A disturbance, as people read it."""

    KILL_WORKER = "kill -9 a worker"
    STOP_WORKER = "SIGTERM a worker"
    FREEZE_WORKER = "freeze a worker"
    KILL_FRONTEND = "kill -9 a frontend"
    STOP_FRONTEND = "SIGTERM a frontend"
    KILL_REDIS = "kill -9 Redis"
    STOP_REDIS = "SIGTERM Redis"
    PAUSE_REDIS = "pause Redis"
    JUMP_CLOCK = "let Redis's clock jump"
    DROP_CLIENTS = "drop clients"
    POISON = "send a frame that ends its workers"


PAUSE_S = {Kind.PAUSE_REDIS: 2.0, Kind.FREEZE_WORKER: 5.0}
"""How long a process hangs, seconds; a worker longer than its lease: others go on with its frames, then it wakes."""
WORKER_KINDS = (Kind.KILL_WORKER, Kind.STOP_WORKER, Kind.FREEZE_WORKER)
CLIENT_KINDS = (Kind.DROP_CLIENTS, Kind.POISON)
FRONTEND_KINDS = (Kind.KILL_FRONTEND, Kind.STOP_FRONTEND)
OFTEN = (Kind.KILL_WORKER, Kind.DROP_CLIENTS)
JUMP_S = (-30.0, 200.0)
"""How far the clock goes back or ahead, seconds: less than the time that an idle session has."""
REDIS_KINDS = (Kind.KILL_REDIS, Kind.STOP_REDIS, Kind.PAUSE_REDIS)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of each take part. Without workers the frontends compute themselves."""

    streams: int
    frontends: int
    workers: int


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One thing that goes wrong.

    Attributes:
        at_s: seconds from the begin of the run.
        target: which worker or frontend, from 0; 0 for Redis and for clients.
        away_s: how long it is gone or paused, seconds; 0 for clients.
        streams: whose connections are cut, or whose next frame is poison, in ascending order.
        jump_s: by how much the clock goes ahead; below 0, back.
    """

    at_s: float
    kind: Kind
    target: int = 0
    away_s: float = 0.0
    streams: tuple[int, ...] = ()
    jump_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s  {self.kind}{self._whom()}"

    def _whom(self) -> str:
        if self.kind in CLIENT_KINDS:
            return f" {', '.join(map(str, self.streams))}"
        if self.kind is Kind.JUMP_CLOCK:
            return f", by {self.jump_s:+.0f} s"
        place = "" if self.kind in REDIS_KINDS else f" {self.target}"
        return f"{place}, for {self.away_s:.2f} s"


def make_plan(seed: int, seconds: float, shape: Shape, *, clock_jumps: bool = False) -> tuple[Disturbance, ...]:
    """Every kind at least once, in random order at random times, soonest first; the same for the same arguments."""
    dice = random.Random(seed)
    left_out = (*(() if shape.workers else (*WORKER_KINDS, Kind.POISON)), *(() if clock_jumps else (Kind.JUMP_CLOCK,)))
    kinds = [kind for kind in Kind if kind not in left_out]
    count = max(len(kinds), round(seconds / MEAN_GAP_S))
    deck = _deck(dice, kinds)
    return tuple(_disturbance(dice, next(deck), _time(dice, seconds, index, count), shape) for index in range(count))


def _deck(dice: random.Random, kinds: list[Kind]) -> Iterator[Kind]:
    """Kinds without end: each once, then over and over, those that come often twice each time."""
    yield from dice.sample(kinds, len(kinds))
    again = kinds + [kind for kind in kinds if kind in OFTEN]
    while True:
        yield from dice.sample(again, len(again))


def _time(dice: random.Random, seconds: float, index: int, count: int) -> float:
    """A moment in the part of the time that belongs to this one."""
    share = (index + dice.random()) / count
    return round(seconds * (FIRST + (LAST - FIRST) * share), 3)


def _disturbance(dice: random.Random, kind: Kind, at_s: float, shape: Shape) -> Disturbance:
    away_s = round(dice.uniform(*AWAY_S), 3)
    if kind is Kind.DROP_CLIENTS:
        few = dice.randint(1, max(1, shape.streams // 4))
        return Disturbance(at_s, kind, streams=tuple(sorted(dice.sample(range(shape.streams), few))))
    if kind is Kind.POISON:
        return Disturbance(at_s, kind, streams=(dice.randrange(shape.streams),))
    if kind is Kind.JUMP_CLOCK:
        return Disturbance(at_s, kind, jump_s=dice.choice(JUMP_S))
    away_s = PAUSE_S.get(kind, away_s)
    if kind in REDIS_KINDS:
        return Disturbance(at_s, kind, away_s=away_s)
    most = shape.workers if kind in WORKER_KINDS else shape.frontends
    return Disturbance(at_s, kind, dice.randrange(most), away_s)
