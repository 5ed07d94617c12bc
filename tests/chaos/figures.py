"""A run's figures: as a table for people, as JSON for comparison."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.chaos.plan import Kind, Shape
from tests.chaos.streams import LiveStream


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run comes to.

    Attributes:
        sent, answered: frames; each frame once.
        people: frames by how many people were in their answer.
        replays: frames sent again on purpose. repeated: sent again since their answer was lost on the way.
        cuts, reconnects: connections that clients cut; those made anew.
        refused: tries that ended without an outcome, by code.
        p50_ms, p99_ms, longest_s: from the first sending of a frame to its answer.
        longest_poison_s: the same of those that end their workers, which the others' longest_s leaves out.
        silence_s: longest time in which no stream got an answer.
        longest_stop_s: of a frontend or worker, from SIGTERM to its end.
        starts: processes started. counted: what they counted of themselves, at least.
        crashes: workers that ended by a frame that is made for that.
        faults: all that went against the promises; none in a run that passed.
    """

    seed: int
    seconds: float
    shape: Shape
    sent: int
    answered: int
    people: dict[int, int]
    replays: int
    repeated: int
    cuts: int
    reconnects: int
    refused: dict[str, int]
    disturbances: dict[Kind, int]
    starts: int
    crashes: int
    counted: dict[str, int]
    p50_ms: float
    p99_ms: float
    longest_s: float
    longest_poison_s: float
    silence_s: float
    longest_stop_s: float
    faults: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """True where every promise was kept."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {"passed": self.passed, **asdict(self)}


MOST_WAIT_S, MOST_SILENCE_S = 12.0, 8.0
"""Of a frame for its answer; of all streams together. Also on two slow cores, which all processes of a run share."""
MOST_POISON_WAIT_S = 2 * MOST_WAIT_S
"""It ends two workers, one after the other, and each has to be missed."""


def judged_by_time(figures: Figures) -> Figures:
    """With a fault for each wait that was too long."""
    waits = (
        (figures.longest_s, MOST_WAIT_S, "a frame waited"),
        (figures.longest_poison_s, MOST_POISON_WAIT_S, "a frame that ends its workers waited"),
        (figures.silence_s, MOST_SILENCE_S, "nobody got an answer"),
    )
    late = [
        f"{what} for {seconds:.1f} s, at most {most:.0f} are right" for seconds, most, what in waits if seconds > most
    ]
    return replace(figures, faults=[*figures.faults, *late])


def _longest(streams: Sequence[LiveStream], *, poison: bool) -> float:
    """Of the frames that end their workers, or of all others; 0 where there are none."""
    waits = (
        wait
        for stream in streams
        for seq, wait in enumerate(stream.tally.latencies_s)
        if (seq in stream.record.poison) is poison
    )
    return round(max(waits, default=0.0), 2)


def of_streams(streams: Sequence[LiveStream]) -> dict[str, Any]:
    """The fields of Figures that streams know."""
    latencies = np.array([latency for stream in streams for latency in stream.tally.latencies_s] or [np.nan])
    times = sorted(time for stream in streams for time in stream.tally.answered_at)
    people = Counter(len(answer.result.people) for stream in streams for answer in stream.record.answers)
    refused = sum((stream.tally.refused for stream in streams), Counter[str]())
    return {
        "sent": sum(stream.record.sent for stream in streams),
        "answered": sum(len(stream.tally.latencies_s) for stream in streams),
        "people": dict(sorted(people.items())),
        "replays": sum(stream.tally.replays for stream in streams),
        "repeated": sum(stream.tally.repeated for stream in streams),
        "cuts": sum(stream.tally.cuts for stream in streams),
        "reconnects": sum(stream.tally.reconnects for stream in streams),
        "refused": dict(refused.most_common()),
        "p50_ms": round(1000 * float(np.percentile(latencies, 50)), 1),
        "p99_ms": round(1000 * float(np.percentile(latencies, 99)), 1),
        "longest_s": _longest(streams, poison=False),
        "longest_poison_s": _longest(streams, poison=True),
        "silence_s": round(max(np.diff(times), default=float("nan")), 2),
    }


def show(figures: Figures, console: Console) -> None:
    """Print the table, and the faults."""
    shape = figures.shape
    table = Table("figure", "value", title=f"chaos, seed {figures.seed}, {figures.seconds:.0f} s")
    table.columns[1].justify = "right"
    rows: dict[str, object] = {
        "streams / frontends / workers": f"{shape.streams} / {shape.frontends} / {shape.workers}",
        "frames sent / answered": f"{figures.sent} / {figures.answered}",
        "answers of so many people": ", ".join(f"{count} of {number}" for number, count in figures.people.items()),
        "sent again on purpose / since the answer was lost": f"{figures.replays} / {figures.repeated}",
        **{str(kind): count for kind, count in figures.disturbances.items()},
        "processes started": figures.starts,
        "workers ended by frames that do that": figures.crashes,
        **figures.counted,
        "connections cut by clients / made anew": f"{figures.cuts} / {figures.reconnects}",
        **{f"tries refused: {code}": count for code, count in figures.refused.items()},
        "latency p50 / p99, ms": f"{figures.p50_ms:.0f} / {figures.p99_ms:.0f}",
        "longest wait of a frame / without any answer, s": f"{figures.longest_s:.1f} / {figures.silence_s:.1f}",
        "longest wait of a frame that ends its workers, s": f"{figures.longest_poison_s:.1f}",
        "longest end after SIGTERM, s": f"{figures.longest_stop_s:.1f}",
        "faults": len(figures.faults),
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    console.print(table)
    for fault in figures.faults:
        console.print(f"fault: {fault}", markup=False, highlight=False)
    console.print("passed" if figures.passed else "FAILED")


def write(figures: Figures, path: Path) -> None:
    """The figures as JSON."""
    path.write_text(json.dumps(figures.as_json(), indent=2) + "\n", encoding="utf-8")
