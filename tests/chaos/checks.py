"""Whether a run kept the promises: one answer a frame, each the right one, and nothing left behind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from model.values import Array, LostTrack, Person
from service.contract.messages import FrameResult, Outcome, TrackKinematics
from service.errors import PoisonFrame


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer that reached a client.

    Attributes:
        asked: the seq that was sent; None for an answer that came without a question.
    """

    asked: int | None
    result: FrameResult


@dataclass(slots=True, eq=False)
class Record:
    """What one stream saw.

    Attributes:
        number: of the stream.
        sent: frames 0 .. sent - 1 were sent, and the client wanted an answer to each.
        answers: in the order in which they came, those to frames sent again among them.
        faults: what broke the rules while it ran.
        poison: frames that end their workers; each spends its seq and leaves the state as it was.
        survived: it ran to the end.
    """

    number: int
    session_id: str = ""
    sent: int = 0
    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    poison: set[int] = field(default_factory=set)
    survived: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What an unbroken run answers to a frame: who is there, who is lost, and where joints are once smooth."""

    people: tuple[Person, ...]
    lost: tuple[LostTrack, ...]
    pts_us: int | None
    kinematics: tuple[TrackKinematics, ...] = ()
    poison: bool = False


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What Redis holds after the run.

    Attributes:
        next_seqs: by session id.
        held: ids of sessions that are taken for in use.
        waiting, pending: frames in streams, and those given to a worker and not acknowledged, by stream.
    """

    next_seqs: Mapping[str, int]
    held: Sequence[str] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    pending: Mapping[str, int] = field(default_factory=dict)


def faults_of_stream(record: Record, expected: Sequence[Expected], tolerance_px: float = 0.0) -> list[str]:
    """Everything that is wrong with what a stream saw; empty where it is that of an unbroken run."""
    faults = [*record.faults]
    if not record.survived:
        faults.append("did not run to the end")
    faults += _misplaced(record)
    answers = _by_seq(record)
    faults += [f"frame {seq}: no answer" for seq in range(record.sent) if seq not in answers]
    for seq, results in sorted(answers.items()):
        faults += [f"frame {seq}: {fault}" for fault in _frame_faults(results, expected[seq], tolerance_px)]
    return [f"stream {record.number}: {fault}" for fault in faults]


def _by_seq(record: Record) -> dict[int, list[FrameResult]]:
    answers: dict[int, list[FrameResult]] = {}
    for answer in record.answers:
        if answer.asked is not None:
            answers.setdefault(answer.asked, []).append(answer.result)
    return answers


def _misplaced(record: Record) -> Iterator[str]:
    """Answers that nobody asked for, or that belong to another frame or stream."""
    for answer in record.answers:
        result = answer.result
        if answer.asked is None:
            yield f"frame {result.seq}: an answer more than was asked for"
        elif result.seq != answer.asked:
            yield f"frame {answer.asked}: answered as frame {result.seq}"
        if result.session_id != record.session_id:
            yield f"frame {answer.asked}: answered for session {result.session_id}"


def _frame_faults(results: Sequence[FrameResult], expected: Expected, tolerance_px: float) -> Iterator[str]:
    first = results[0]
    for again in results[1:]:
        if not same(first, again):
            yield "sent again, it got another answer"
    if expected.poison:
        if (first.outcome, first.error_code) != (Outcome.ERROR, PoisonFrame.code):
            yield f"it ends its workers, and ended in {first.outcome} ({first.error_code})"
        return
    if first.outcome is not Outcome.OK:
        yield f"ended in {first.outcome} ({first.error_code})"
        return
    yield from _reading_faults(first, expected, tolerance_px)


def _reading_faults(first: FrameResult, expected: Expected, tolerance_px: float) -> Iterator[str]:
    if first.pts_us != expected.pts_us:
        yield f"pts {first.pts_us}, sent was {expected.pts_us}"
    if _ids(first) != _ids(expected):
        yield f"people and lost {_ids(first)}, unbroken {_ids(expected)}"
        return
    for person, unbroken in zip(first.people, expected.people, strict=True):
        yield from _person_faults(person, unbroken, tolerance_px)
    if tolerance_px == 0 and first.lost != expected.lost:
        yield "regions of those who are lost differ from the unbroken run's"
    if tolerance_px == 0 and first.kinematics != expected.kinematics:
        yield "smooth joints differ from the unbroken run's"


def _ids(answer: FrameResult | Expected) -> tuple[list[int], list[int]]:
    return [person.track_id for person in answer.people], [track.track_id for track in answer.lost]


def _person_faults(person: Person, expected: Person, tolerance_px: float) -> Iterator[str]:
    if person.region_source != expected.region_source:
        yield f"its region was {person.region_source}, unbroken {expected.region_source}"
    off_px = difference_px(person, expected)
    if not off_px <= tolerance_px:
        yield f"joints differ by {off_px:.6g} px from the unbroken run's"
    elif tolerance_px == 0 and not _read_alike(person, expected):
        yield "scores or region differ from the unbroken run's"


def _read_alike(person: Person, expected: Person) -> bool:
    told = (person.person_score, person.region) == (expected.person_score, expected.region)
    return told and np.array_equal(person.pose.score, expected.pose.score)


def difference_px(person: Person, expected: Person) -> float:
    """Largest distance of a joint from the unbroken run's, pixels; infinite where the numbers of joints differ."""
    joints, unbroken = person.pose.xy_px, expected.pose.xy_px
    if joints.shape != unbroken.shape:
        return float("inf")
    if np.array_equal(joints, unbroken):
        return 0.0
    return float(np.linalg.norm(joints - unbroken, axis=-1).max())


def same(one: FrameResult, other: FrameResult) -> bool:
    """True for one and the same answer, bit for bit."""
    return _plain(one) == _plain(other) and all(
        np.array_equal(a, b) for a, b in zip(_arrays(one), _arrays(other), strict=True)
    )


def _plain(result: FrameResult) -> tuple[object, ...]:
    identity = (result.session_id, result.seq, result.pts_us, result.outcome, result.model, result.joint_names)
    people = [(p.track_id, p.person_score, p.region, p.region_source, p.pose.xy_px.shape) for p in result.people]
    return (
        *identity,
        people,
        result.lost,
        result.kinematics,
        result.error_code,
        result.expected_seq,
        result.image_size,
    )


def _arrays(result: FrameResult) -> list[Array]:
    return [array for person in result.people for array in (person.pose.xy_px, person.pose.score)]


def faults_of_rest(records: Sequence[Record], left: Leftovers) -> list[str]:
    """What Redis holds that it should not, or does not hold that it should."""
    faults = [_seq_fault(record, left.next_seqs.get(record.session_id)) for record in records]
    faults += [f"session {session_id} is held by nobody" for session_id in left.held]
    faults += [f"{name}: {count} frames wait" for name, count in left.waiting.items() if count]
    faults += [f"{name}: {count} frames pend" for name, count in left.pending.items() if count]
    strangers = set(left.next_seqs) - {record.session_id for record in records}
    faults += [f"session {session_id} belongs to no stream" for session_id in sorted(strangers)]
    return [fault for fault in faults if fault]


def _seq_fault(record: Record, next_seq: int | None) -> str:
    if next_seq == record.sent:
        return ""
    return f"stream {record.number}: {record.sent} frames sent, and Redis expects frame {next_seq} next"


def faults_between(expected: Mapping[int, Sequence[Expected]]) -> list[str]:
    """Streams whose unbroken runs are alike: answers swapped between them would not show."""
    seen: dict[bytes, int] = {}
    faults = []
    for number, frames in expected.items():
        if not any(frame.people for frame in frames):
            faults.append(f"stream {number} has nobody in any frame")
        for person in (person for frame in frames for person in frame.people):
            other = seen.setdefault(person.pose.xy_px.tobytes(), number)
            if other != number:
                faults.append(f"streams {other} and {number} have a frame with the same joints")
                break
    return faults
