"""A run from its beginning to its faults."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.redis.queue.consumer_group import MOST_DELIVERIES
from tests.chaos import figures, leftovers
from tests.chaos.checks import Expected, faults_between, faults_of_rest, faults_of_stream
from tests.chaos.connections import WAYS
from tests.chaos.counters import ASKED_AGAIN, Counters
from tests.chaos.figures import Figures
from tests.chaos.films import Film, load_clip
from tests.chaos.fleet import Fleet, running_fleet
from tests.chaos.plan import Disturbance, Kind, Shape
from tests.chaos.processes import LOOK_EVERY_S
from tests.chaos.reference import unbroken_runs
from tests.chaos.strangers import Strangers, make_costly
from tests.chaos.streams import LiveStream
from tests.support.keys import Keys, make_keys

CALM_TIMEOUT_S = 180.0
"""Until every stream has sent its last frames after all disturbances; none takes as long."""


@dataclass(frozen=True, slots=True)
class Chaos:
    """What a run is made of.

    Attributes:
        plan: made by `make_plan` with this seed, time and shape.
        frames_per_s: of each stream.
        tolerance_px: joints may differ by so much from the unbroken run's; 0: not by a bit.
        settings: of frontends and workers, by name.
        appendfsync: of Redis.
        cluster: Redis is one, of three masters and a replica each; masters are struck until a replica takes over.
        people: how many the streams follow, in turn.
        strangers: whether others send what costs much all the while, with a key of their own.
    """

    seed: int
    seconds: float
    shape: Shape
    plan: Sequence[Disturbance]
    frames_per_s: float
    weights_dir: Path | None = None
    tolerance_px: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)
    appendfsync: str = "always"
    strangers: bool = False
    cluster: bool = False
    people: Sequence[int] = (1,)

    def people_of(self, stream: int) -> int:
        """How many a stream follows: streams over one way follow different numbers."""
        return self.people[(stream + stream // len(WAYS)) % len(self.people)]


async def unleash(chaos: Chaos, folder: Path) -> Figures:
    """Run it and judge it; logs of all processes stay in the folder."""
    clip = await asyncio.to_thread(load_clip)
    films = [Film(clip, number, chaos.seed, chaos.people_of(number)) for number in range(chaos.shape.streams)]
    settings = {"max_batch": "4", "device": "cpu", **chaos.settings}
    if chaos.weights_dir is not None:
        settings["weights_dir"] = str(chaos.weights_dir)
    keys = make_keys(folder / "keys.json", operator={}, stranger={})
    settings["api_keys_file"] = str(keys.file)
    api_key = keys.by_name["operator"]
    clock_jumps = any(disturbance.kind is Kind.JUMP_CLOCK for disturbance in chaos.plan)
    async with running_fleet(
        chaos.shape,
        folder,
        settings,
        appendfsync=chaos.appendfsync,
        cluster=chaos.cluster,
        api_key=api_key,
        clock_jumps=clock_jumps,
    ) as fleet:
        interval_s = 1 / chaos.frames_per_s
        streams = [
            LiveStream(film, WAYS[film.number % len(WAYS)], fleet.addresses, interval_s, chaos.seed) for film in films
        ]
        async with _strangers(chaos, fleet, keys) as theirs:
            counters = await _live(chaos, fleet, streams)
        left = await leftovers.settled(fleet.redis, theirs)
    records = [stream.record for stream in streams]
    expected = await asyncio.to_thread(unbroken_runs, films, records, chaos.weights_dir)
    faults = [fault for stream in streams for fault in _faults_of(stream, expected[stream.record.number], chaos)]
    faults += faults_between(expected)
    faults += _too_many_crashes(fleet, streams, counters)
    return _figures(chaos, fleet, streams, counters, [*faults, *faults_of_rest(records, left)])


def _too_many_crashes(fleet: Fleet, streams: Sequence[LiveStream], counters: Counters) -> list[str]:
    """A frame is given to so many workers each time that it is put into Redis, and to no more."""
    sent = sum(stream.tally.poison_sent for stream in streams)
    most = MOST_DELIVERIES * (sent + counters.totals()[ASKED_AGAIN]) if sent else 0
    if fleet.crashes <= most:
        return []
    return [f"{fleet.crashes} workers ended by frames that were sent {sent} times: at most {most} are right"]


@asynccontextmanager
async def _strangers(chaos: Chaos, fleet: Fleet, keys: Keys) -> AsyncIterator[set[str]]:
    """Strangers, where the run has some; gives the ids of their sessions."""
    strangers = Strangers(fleet.addresses, keys.by_name["stranger"])
    sending = None
    if chaos.strangers:
        costly = await asyncio.to_thread(make_costly)
        sending = asyncio.create_task(strangers.run(costly), name="strangers")
    try:
        yield strangers.sessions
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def _faults_of(stream: LiveStream, expected: Sequence[Expected], chaos: Chaos) -> list[str]:
    """What is wrong with a stream, and how to find it in the logs."""
    faults = faults_of_stream(stream.record, expected, chaos.tolerance_px)
    where = f"stream {stream.record.number}: over {stream.way}, session {stream.record.session_id}"
    return [*faults, where] if faults else []


async def _live(chaos: Chaos, fleet: Fleet, streams: Sequence[LiveStream]) -> Counters:
    """Streams run while the plan is carried out, and on until all is calm."""
    counters = Counters(fleet.counting, fleet.addresses()[0].headers)
    watching = asyncio.create_task(counters.watch())
    for stream in streams:
        await stream.open()
    running = [asyncio.create_task(stream.run(), name=f"stream {stream.record.number}") for stream in streams]
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(asyncio.sleep(chaos.seconds))
            drop, poison = (lambda number: streams[number].drop()), (lambda number: _poison(streams, number))
            both.create_task(fleet.disturb(chaos.plan, drop, poison))
        await fleet.all_up()
        for stream in streams:
            stream.calm()
        await asyncio.wait(running, timeout=CALM_TIMEOUT_S)
    finally:
        for task in (*running, watching):
            task.cancel()
        ends = await asyncio.gather(*running, watching, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return counters


async def _poison(streams: Sequence[LiveStream], number: int) -> None:
    """Let a stream's next frame end its workers; returns when it, and all that was beside it, has been answered."""
    streams[number].poison()
    await _answered(streams[number : number + 1], 2)
    await _answered(streams, 1)


async def _answered(streams: Sequence[LiveStream], more: int) -> None:
    """Wait until each stream has so many more answers, or has ended."""
    waited_for = [(stream, len(stream.tally.latencies_s) + more) for stream in streams]
    while any(len(one.tally.latencies_s) < count and not one.ended for one, count in waited_for):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY_S)


def _figures(
    chaos: Chaos, fleet: Fleet, streams: Sequence[LiveStream], counters: Counters, faults: Sequence[str]
) -> Figures:
    kinds = [kind for kind in Kind if any(kind is disturbance.kind for disturbance in chaos.plan)]
    return Figures(
        seed=chaos.seed,
        seconds=chaos.seconds,
        shape=chaos.shape,
        disturbances={kind: fleet.done[kind] for kind in kinds},
        starts=sum(place.starts for place in fleet.places),
        crashes=fleet.crashes,
        counted=counters.totals(),
        longest_stop_s=round(max(fleet.stop_s, default=0.0), 2),
        faults=[*faults, *fleet.faults],
        **figures.of_streams(streams),
    )
