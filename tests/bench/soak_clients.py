"""Clients of a soak: sessions that begin and end all the time, over gRPC and HTTP, some of them walking away."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bench.footage import Footage
from bench.ledger import SessionLedger
from bench.run import Connections, Target, fill_ledger
from service.contract.messages import SessionOptions

SHORTEST_S, LONGEST_S = 4.0, 30.0
WALK_AWAY = 0.2
"""So many of the sessions are left by their client in the middle, without a word."""
TTL_S = 20.0
"""Sessions that were left are gone after this, so that their number is steady soon."""
PAUSE_AFTER_FAILURE_S = 1.0
PATIENCE_S = 30.0


@dataclass(slots=True)
class Diary:
    """What happened to all sessions.

    Attributes:
        ledgers: one a session, those under way included.
        lags: of the load generator, seconds.
    """

    ledgers: list[SessionLedger] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


async def run_place(
    number: int, targets: Sequence[Target], footage: Footage, rate: float, until: float, diary: Diary, seed: int
) -> None:
    """One session after the other until `until`, seconds of `time.monotonic`.

    Args:
        number: of this place; it says which of `targets` it uses, and with the seed what it does.
        rate: frames/s.
    """
    dice = random.Random(f"{seed}/{number}")
    target = targets[number % len(targets)]
    await asyncio.sleep(dice.random() / rate)
    async with Connections(target) as kept:
        while until - time.monotonic() > SHORTEST_S:
            if target.transport == "http":  # its client takes long to make, and renews broken connections itself
                ledger = await _session(kept, footage, rate, until, diary, dice)
            else:
                async with Connections(target) as own:
                    ledger = await _session(own, footage, rate, until, diary, dice)
            if ledger.failure is not None:
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)


async def _session(
    connections: Connections, footage: Footage, rate: float, until: float, diary: Diary, dice: random.Random
) -> SessionLedger:
    seconds = min(dice.uniform(SHORTEST_S, LONGEST_S), until - time.monotonic())
    leave_after_s = dice.uniform(0.2, 0.9) * seconds if dice.random() < WALK_AWAY else None
    count = max(1, round(seconds * rate))
    begin = time.monotonic()
    due = [begin + frame / rate for frame in range(count)]
    ledger = SessionLedger(planned=count)
    diary.ledgers.append(ledger)
    carrier = connections.carrier(0, SessionOptions(ttl_s=TTL_S))
    work = asyncio.create_task(fill_ledger(ledger, carrier, due, footage.pictures(count, rate), diary.lags, PATIENCE_S))
    await asyncio.wait({work}, timeout=leave_after_s)
    if not work.done():
        ledger.left = True
        work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    return ledger
