"""The load tool's arithmetic: when frames are due, what counts as lost, which latency a stall shows in."""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import ProcessCollector, generate_latest

from bench.footage import forth_and_back, read_footage
from bench.ledger import SessionLedger, counts, error_codes, good_frames, latencies_s, milliseconds
from bench.pacing import DueFrame, due_times
from bench.processes import machine_cpu_seconds, usage
from bench.run import run_session
from bench.server_side import ServerCounts, add_metrics, server_report
from kinepose_client import Picture, Unreachable
from service.contract.messages import Outcome
from service.errors import StoreUnavailable
from service.observability.metrics import Metrics
from tests.support.clips import make_clip

FRAMES = 6
QUICK_S = 0.002
"""Between two frames."""


def by_hand(values: list[float], percentile: float) -> float:
    """The percentile by its definition: linear between the two ranks around it."""
    ranked = sorted(values)
    place = (len(ranked) - 1) * percentile / 100
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (place - below) * (ranked[above] - ranked[below])


def soon(count: int = FRAMES) -> list[float]:
    """Due times that begin now."""
    begin = time.monotonic()
    return [begin + number * QUICK_S for number in range(count)]


async def run(carrier: object, due: list[float], patience_s: float = 30.0) -> SessionLedger:
    """A session of one-byte pictures."""
    pictures = [Picture(b"x")] * len(due)
    return await run_session(carrier, due, pictures, [], patience_s)  # type: ignore[arg-type]


# -- pacing -----------------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.floats(0.1, 100), st.floats(0.1, 20))
def test_frames_of_all_sessions_are_evenly_spread(sessions: int, rate: float, seconds: float) -> None:
    """Every session keeps its rate; all together send one frame after the other at equal distances."""
    due = [due_times(100.0, index, sessions, rate, seconds) for index in range(sessions)]

    assert {len(times) for times in due} == {max(1, round(rate * seconds))}
    everyone = sorted(at for times in due for at in times)
    assert everyone[0] == 100.0
    steps = [later - earlier for earlier, later in pairwise(everyone)]
    assert steps == pytest.approx([1 / (rate * sessions)] * len(steps), abs=1e-6)


async def test_no_frame_is_released_before_it_is_due() -> None:
    """However quickly they are taken."""

    async def carrier(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        async for frame in frames:
            ledger.answered(ledger.sent(frame.due), Outcome.OK)

    due = soon()
    ledger = await run(carrier, due)

    assert [record.due for record in ledger.frames] == due
    assert all(record.sent >= record.due for record in ledger.frames)


async def test_a_stalled_server_shows_in_the_latency_from_due() -> None:
    """Frames that fall due during the stall wait, too; from when they were sent they look quick."""

    async def stalls(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        async for frame in frames:
            number = ledger.sent(frame.due)
            if number == 0:
                await asyncio.sleep(max(0.0, due[-1] - time.monotonic()))
            ledger.answered(number, Outcome.OK)

    due = soon(50)
    from_due, from_sent = latencies_s((await run(stalls, due)).frames)

    assert all(latency >= due[-1] - at for latency, at in zip(from_due, due, strict=True))
    assert sum(from_due) >= sum(due[-1] - at for at in due)
    assert sum(from_due[1:]) - sum(from_sent[1:]) >= sum(due[-1] - at for at in due[1:])


# -- what became of frames ----------------------------------------------------------------------------------


async def test_a_frame_without_an_outcome_is_lost() -> None:
    """It was sent, its session ended in order, and no answer came for it."""

    async def forgets_one(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        async for frame in frames:
            number = ledger.sent(frame.due)
            if number != 2:
                ledger.answered(number, Outcome.OK)

    found = counts([await run(forgets_one, soon())])

    assert found["lost"] == 1
    assert (found["planned"], found["sent"], found["answered"], found["ok"]) == (FRAMES, FRAMES, FRAMES - 1, FRAMES - 1)


@pytest.mark.parametrize(
    ("error", "failure"),
    [(StoreUnavailable("away"), "store_unavailable"), (Unreachable("broken"), "Unreachable: broken")],
)
async def test_a_session_that_breaks_off_says_why_and_what_it_did_not_send(error: Exception, failure: str) -> None:
    """The frame under way is lost, those that were not due yet were not sent."""

    async def breaks(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        async for frame in frames:
            number = ledger.sent(frame.due)
            if number == 3:
                raise error
            ledger.answered(number, Outcome.OK)

    ledger = await run(breaks, soon())

    assert ledger.failure == failure
    assert {name: count for name, count in counts([ledger]).items() if count} == {
        "planned": FRAMES,
        "sent": 4,
        "answered": 3,
        "ok": 3,
        "lost": 1,
        "not_sent": FRAMES - 4,
    }


async def test_a_server_that_never_answers_is_not_waited_for_without_end() -> None:
    """After the patience all its frames are lost."""

    async def silent(frames: AsyncIterator[DueFrame], ledger: SessionLedger) -> None:
        async for frame in frames:
            ledger.sent(frame.due)
        await asyncio.Event().wait()

    ledger = await run(silent, soon(), patience_s=0.05)

    assert ledger.failure == "no answer in time"
    assert counts([ledger])["lost"] == FRAMES


def test_answers_that_nobody_waits_for_are_told() -> None:
    """A second answer to a frame, and one to a frame that was never sent."""
    ledger = SessionLedger(planned=1)
    ledger.answered(ledger.sent(0.0), Outcome.OK)
    ledger.answered(0, Outcome.OK)
    ledger.answered(7, Outcome.OK)

    assert counts([ledger])["unexpected"] == 2
    assert counts([ledger])["ok"] == 1


def test_frames_of_a_client_that_went_away_are_no_loss() -> None:
    """Nobody waits for them."""
    ledger = SessionLedger(planned=5, left=True)
    ledger.sent(0.0)

    found = counts([ledger])
    assert (found["left_behind"], found["lost"], found["not_sent"]) == (1, 0, 0)


def test_only_good_frames_after_the_warm_up_have_a_latency() -> None:
    """An error that comes back at once must not look like a quick frame."""
    ledger = SessionLedger(planned=3)
    for due, outcome, code in ((1.0, Outcome.OK, None), (2.0, Outcome.ERROR, "queue_full"), (3.0, Outcome.OK, None)):
        ledger.answered(ledger.sent(due), outcome, code)

    assert [record.due for record in good_frames([ledger], since=2.0)] == [3.0]
    assert error_codes([ledger]) == {"queue_full": 1}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_percentiles_are_linear_between_ranks(seconds: list[float]) -> None:
    """As computed by hand from the sorted values, in milliseconds, and the largest one."""
    found = milliseconds(seconds)

    for percentile in (50, 95, 99):
        assert found[f"p{percentile}"] == pytest.approx(1000 * by_hand(seconds, percentile), abs=1e-3)
    assert found["max"] == pytest.approx(1000 * max(seconds), abs=1e-3)


def test_nothing_measured_is_no_zero() -> None:
    """None stands where there is no figure."""
    assert set(milliseconds([]).values()) == {None}


# -- footage, server ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "places"), [(1, [0, 0, 0]), (2, [0, 1, 0, 1]), (4, [0, 1, 2, 3, 2, 1, 0, 1])])
def test_a_clip_is_played_forth_and_back(length: int, places: list[int]) -> None:
    """The person never jumps from the end to the beginning."""
    assert [forth_and_back(number, length) for number in range(len(places))] == places


def test_footage_carries_times_and_its_region_once(tmp_path: Path) -> None:
    """Times go on when the clip plays backwards."""
    footage = read_footage(make_clip(tmp_path / "clip.mp4", count=3))
    pictures = footage.pictures(5, frames_per_s=4)

    assert [picture.pts_us for picture in pictures] == [0, 250_000, 500_000, 750_000, 1_000_000]
    assert [footage.jpegs.index(picture.image) for picture in pictures] == [0, 1, 2, 1, 0]
    assert footage.region is None


def test_the_server_is_told_by_the_difference_of_two_looks() -> None:
    """Prometheus counts batches up to each bound; the report has those of each size."""
    before = ServerCounts(Counter({1.0: 10, 2.0: 10, math.inf: 10}), batched_frames=10, cpu_s=5.0)
    after = ServerCounts(Counter({1.0: 14, 2.0: 17, math.inf: 18}), batched_frames=25, cpu_s=6.0)

    assert server_report(before, after, frames=15) == {
        "cpu_s": 1.0,
        "cpu_ms_a_frame": pytest.approx(66.667),
        "frames_per_s_per_core": 15.0,
        "batches": {"count": 8, "mean_size": 1.875, "by_size_up_to": {"1": 4, "2": 3, "more": 1}},
    }


def test_metrics_of_several_servers_are_added_up() -> None:
    """Batches of two workers, and the processor time that they export."""
    metrics = Metrics()
    ProcessCollector(registry=metrics.registry)
    for size in (1, 1, 3):
        metrics.batch_size.observe(size)
    counted = ServerCounts()

    for _ in range(2):
        add_metrics(counted, generate_latest(metrics.registry).decode())

    assert (counted.batches[1.0], counted.batches[2.0], counted.batches[math.inf]) == (4, 4, 6)
    assert counted.batched_frames == 10
    assert counted.cpu_s is not None
    assert counted.cpu_s > 0


def test_a_frontend_alone_has_no_batches() -> None:
    """And where no processor time is known, no figure is made up."""
    assert server_report(ServerCounts(), ServerCounts(), frames=3) == {
        "cpu_s": None,
        "cpu_ms_a_frame": None,
        "frames_per_s_per_core": None,
        "batches": None,
    }


def test_a_process_is_measured_from_outside(tmp_path: Path) -> None:
    """Processor time, memory and open files of this one."""
    before = usage(os.getpid())
    with (tmp_path / "open").open("w"):
        during = usage(os.getpid())

    assert during.open_files == before.open_files + 1
    assert during.cpu_s >= before.cpu_s > 0
    assert during.resident_bytes > 10 * 2**20
    assert machine_cpu_seconds() > during.cpu_s
