"""What became of every frame, and what that comes to.

A frame is due at a time that was settled before the run, handed over to the transport then or later, and answered
once. Latency from the due time counts the wait of frames that could not be handed over because the server was stuck;
latency from the handing over does not, and looks good exactly when the server stalls (coordinated omission).
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.contract.messages import Outcome

PERCENTILES = (50, 95, 99)


@dataclass(slots=True)
class FrameRecord:
    """One frame's times, seconds of `time.monotonic`, and its outcome.

    Attributes:
        due: when it was to be sent.
        sent: when the transport took it.
        answered: when its outcome came; None while it has none.
        code: the error's code where the outcome is not ok.
        people: how many were in the answer.
    """

    due: float
    sent: float
    answered: float | None = None
    outcome: Outcome | None = None
    code: str | None = None
    people: int = 0


@dataclass(slots=True, eq=False)
class SessionLedger:
    """One session's frames, in order.

    Attributes:
        planned: frames that its schedule holds.
        failure: why the session broke off, if it did.
        unexpected: answers to frames that were never sent, or that had an answer already.
        left: the client went away on purpose; frames without an outcome are no loss then.
    """

    planned: int
    frames: list[FrameRecord] = field(default_factory=list)
    failure: str | None = None
    unexpected: int = 0
    left: bool = False

    def sent(self, due: float) -> int:
        """The next frame goes out now; returns its number, from 0."""
        self.frames.append(FrameRecord(due, time.monotonic()))
        return len(self.frames) - 1

    def answered(self, number: int, outcome: Outcome, code: str | None = None, people: int = 0) -> None:
        """A frame's outcome came now."""
        if number >= len(self.frames) or self.frames[number].answered is not None:
            self.unexpected += 1
            return
        record = self.frames[number]
        record.answered, record.outcome, record.code, record.people = time.monotonic(), outcome, code, people

    def broke_off(self, why: str) -> None:
        """The session ended before its schedule did."""
        self.failure = why


def counts(ledgers: Iterable[SessionLedger]) -> dict[str, int]:
    """Frames by what became of them. `lost` were sent and have no outcome, though their client waited for one."""
    total: Counter[str] = Counter()
    for ledger in ledgers:
        outcomes = Counter(record.outcome for record in ledger.frames)
        open_frames = outcomes.pop(None, 0)
        total.update({outcome.value: count for outcome, count in outcomes.items() if outcome is not None})
        total["planned"] += ledger.planned
        total["sent"] += len(ledger.frames)
        total["answered"] += len(ledger.frames) - open_frames
        total["left_behind" if ledger.left else "lost"] += open_frames
        total["not_sent"] += 0 if ledger.left else ledger.planned - len(ledger.frames)
        total["unexpected"] += ledger.unexpected
    names = ("planned", "sent", "answered", *Outcome, "lost", "left_behind", "not_sent", "unexpected")
    return {str(name): total[name] for name in names}


def error_codes(ledgers: Iterable[SessionLedger]) -> dict[str, int]:
    """How many frames ended in each error code."""
    return dict(Counter(record.code for ledger in ledgers for record in ledger.frames if record.code is not None))


def good_frames(ledgers: Iterable[SessionLedger], since: float = 0.0) -> Iterator[FrameRecord]:
    """Frames with outcome ok that were due at `since` or later."""
    for ledger in ledgers:
        yield from (record for record in ledger.frames if record.outcome is Outcome.OK and record.due >= since)


def people_a_frame(records: Iterable[FrameRecord]) -> float | None:
    """How many people an answer had, on average; None where there is no answer."""
    people = [record.people for record in records]
    return round(sum(people) / len(people), 3) if people else None


def latencies_s(records: Sequence[FrameRecord]) -> tuple[list[float], list[float]]:
    """Seconds from the due time, and from the handing over, to the answer. All records have one."""
    answered = [(record, record.answered) for record in records if record.answered is not None]
    return [end - record.due for record, end in answered], [end - record.sent for record, end in answered]


def milliseconds(seconds: Sequence[float]) -> dict[str, Any]:
    """p50, p95, p99 (linear between neighbours) and max, milliseconds; None where there is nothing to measure."""
    names = [f"p{percentile}" for percentile in PERCENTILES]
    if not seconds:
        return dict.fromkeys((*names, "max"))
    values = np.array(seconds) * 1000
    figures = [float(value) for value in (*np.percentile(values, PERCENTILES), values.max())]
    return {name: round(figure, 3) for name, figure in zip((*names, "max"), figures, strict=True)}
