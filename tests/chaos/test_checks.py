"""The checks find what they are there to find: a check that cannot fail proves nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from model.values import LostTrack, Pose, Region, RegionSource
from service.contract.messages import FrameResult, ModelInfo, Outcome, TrackKinematics
from tests.chaos.checks import (
    Answer,
    Expected,
    Leftovers,
    Record,
    faults_between,
    faults_of_rest,
    faults_of_stream,
)
from tests.support.people import person

FRAMES = 4
MODEL = ModelInfo("kimnet-lite", "1", "0" * 64)


def unbroken(number: int) -> list[Expected]:
    """What an unbroken run of a stream gives."""
    dice = np.random.default_rng(number)
    joints = len(KINEPOSE_13.joints)
    return [
        Expected(
            tuple(
                person(
                    Pose(
                        dice.uniform(0, 200, (joints, 2)).astype(np.float32),
                        dice.uniform(0, 1, joints).astype(np.float32),
                    ),
                    track_id,
                    Region(10.0 + seq, 20.0, 60.0, 90.0 + number),
                    RegionSource.GIVEN if seq == 0 else RegionSource.TRACKED,
                )
                for track_id in (1, 2)
            ),
            (LostTrack(3, Region(1.0 + seq, 2.0, 30.0, 40.0 + number)),),
            seq * 40_000 + number,
            (TrackKinematics(1, {"head_x_filtered": seq + number + 0.5}),),
        )
        for seq in range(FRAMES)
    ]


def with_second(answer: FrameResult, **changes: Any) -> FrameResult:
    """The answer with something else told of its second person."""
    first, second = answer.people
    return replace(answer, people=(first, replace(second, **changes)))


def result(number: int, seq: int) -> FrameResult:
    """The right answer to a frame."""
    expected = unbroken(number)[seq]
    return FrameResult(
        session_id=f"session-{number}",
        seq=seq,
        pts_us=expected.pts_us,
        outcome=Outcome.OK,
        model=MODEL,
        skeleton=KINEPOSE_13.name,
        joint_names=KINEPOSE_13.joints,
        image_size=(264, 264),
        people=expected.people,
        lost=expected.lost,
        kinematics=expected.kinematics,
    )


def moved(right: FrameResult, by_px: float) -> FrameResult:
    """The answer with one joint elsewhere."""
    pose = right.people[1].pose
    xy_px = pose.xy_px.copy()
    xy_px[3, 0] += by_px
    return with_second(right, pose=Pose(xy_px, pose.score))


@pytest.fixture
def record() -> Record:
    """What stream 0 saw where all went well; frame 2 was sent twice."""
    answers = [Answer(seq, result(0, seq)) for seq in (0, 1, 2, 2, 3)]
    return Record(0, "session-0", FRAMES, answers, survived=True)


def faults(record: Record, tolerance_px: float = 0.0) -> list[str]:
    """The faults of stream 0."""
    return faults_of_stream(record, unbroken(0), tolerance_px)


def test_a_stream_like_the_unbroken_run_has_no_fault(record: Record) -> None:
    """A replay with the same answer is none."""
    assert faults(record) == []


def test_a_smooth_joint_elsewhere_is_found(record: Record) -> None:
    """A filter that did not go on from where another worker left it."""
    right = result(0, 1)
    record.answers[1] = Answer(1, replace(right, kinematics=(TrackKinematics(1, {"head_x_filtered": 0.0}),)))
    assert faults(record) == ["stream 0: frame 1: smooth joints differ from the unbroken run's"]


def test_a_lost_answer_is_found(record: Record) -> None:
    """A frame that was sent and never answered."""
    del record.answers[1]

    assert faults(record) == ["stream 0: frame 1: no answer"]


def test_the_last_answer_lost_is_found(record: Record) -> None:
    """Also where no later answer shows the gap."""
    del record.answers[-1]

    assert faults(record) == ["stream 0: frame 3: no answer"]


def test_a_duplicated_answer_is_found(record: Record) -> None:
    """An answer more than was asked for, even if it is the right one."""
    record.answers.append(Answer(None, result(0, 3)))

    assert faults(record) == ["stream 0: frame 3: an answer more than was asked for"]


def test_an_answer_that_comes_twice_shifts_the_next_and_is_found(record: Record) -> None:
    """On a stream the second one stands where the next frame's answer is awaited."""
    record.answers[4] = Answer(3, result(0, 2))

    assert "stream 0: frame 3: answered as frame 2" in faults(record)


def test_a_swapped_answer_is_found_by_its_session(record: Record) -> None:
    """Another stream's answer, as it is."""
    record.answers[1] = Answer(1, result(1, 1))

    assert "stream 0: frame 1: answered for session session-1" in faults(record)


def test_a_swapped_answer_is_found_by_its_joints(record: Record) -> None:
    """Another stream's joints under this stream's name and time."""
    other = result(1, 1)
    record.answers[1] = Answer(1, replace(result(0, 1), people=other.people, lost=other.lost))

    *of_joints, of_lost = faults(record)
    assert len(of_joints) == 2
    assert all(fault.startswith("stream 0: frame 1: joints differ by ") for fault in of_joints)
    assert of_lost == "stream 0: frame 1: regions of those who are lost differ from the unbroken run's"


def test_the_joints_of_another_frame_are_found(record: Record) -> None:
    """State that was a frame too old or too new would look so."""
    record.answers[1] = Answer(1, with_second(result(0, 1), pose=result(0, 2).people[1].pose))

    [fault] = faults(record)
    assert fault.startswith("stream 0: frame 1: joints differ by ")


def test_a_joint_off_by_the_least_bit_is_found(record: Record) -> None:
    """With the tolerance of nought, as on the CPU."""
    right = result(0, 3)
    pose = right.people[1].pose
    nudged = pose.xy_px.copy()
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.float32(1e9))
    record.answers[-1] = Answer(3, with_second(right, pose=Pose(nudged, pose.score)))

    assert len(faults(record)) == 1


def test_a_tolerance_is_kept(record: Record) -> None:
    """Below it nothing is said, above it something."""
    record.answers[-1] = Answer(3, moved(result(0, 3), 0.4))

    assert faults(record, tolerance_px=0.5) == []
    assert len(faults(record, tolerance_px=0.3)) == 1


def test_another_score_or_region_is_found(record: Record) -> None:
    """The joints alone could agree by chance."""
    right = result(0, 3)
    pose = right.people[1].pose
    other = Pose(pose.xy_px, pose.score * np.float32(0.5))
    for changes in ({"pose": other}, {"region": Region(1, 2, 3, 4)}, {"person_score": 0.5}):
        record.answers[-1] = Answer(3, with_second(right, **changes))
        assert faults(record) == ["stream 0: frame 3: scores or region differ from the unbroken run's"]


def test_another_number_of_a_person_is_found(record: Record) -> None:
    """Under it their joints would be taken for somebody else's; one who is missing or lost shows, too."""
    right = result(0, 3)
    record.answers[-1] = Answer(3, with_second(right, track_id=4))
    assert faults(record) == ["stream 0: frame 3: people and lost ([1, 4], [3]), unbroken ([1, 2], [3])"]

    for changes in ({"people": right.people[:1]}, {"people": ()}, {"lost": ()}):
        record.answers[-1] = Answer(3, replace(right, **changes))
        assert len(faults(record)) == 1


def test_a_session_that_began_anew_is_found(record: Record) -> None:
    """A frame that was searched where the unbroken run tracked."""
    record.answers[-1] = Answer(3, with_second(result(0, 3), region_source=RegionSource.SEARCHED))

    assert faults(record) == ["stream 0: frame 3: its region was searched, unbroken tracked"]


def test_a_replay_with_another_answer_is_found(record: Record) -> None:
    """The stored answer is the first one."""
    record.answers[3] = Answer(2, moved(result(0, 2), 1.0))

    assert faults(record) == ["stream 0: frame 2: sent again, it got another answer"]


def test_a_frame_that_ended_in_an_error_is_found(record: Record) -> None:
    """No frame of these streams is at fault."""
    failed = replace(result(0, 3), outcome=Outcome.ERROR, people=(), lost=(), error_code="worker_failed")
    record.answers[-1] = Answer(3, failed)

    assert faults(record) == ["stream 0: frame 3: ended in error (worker_failed)"]


def test_a_poisonous_frame_ends_as_such(record: Record) -> None:
    """Any other end of it is a fault, and that end of any other frame."""
    expected = unbroken(0)
    expected[3] = replace(expected[3], people=(), lost=(), poison=True)
    assert faults_of_stream(record, expected) == ["stream 0: frame 3: it ends its workers, and ended in ok (None)"]

    ended = replace(result(0, 3), outcome=Outcome.ERROR, people=(), lost=(), error_code="poison")
    record.answers[-1] = Answer(3, ended)
    assert faults_of_stream(record, expected) == []
    assert faults(record) == ["stream 0: frame 3: ended in error (poison)"]


def test_a_stream_that_broke_off_is_found(record: Record) -> None:
    """Even if all its answers are right."""
    record.survived = False

    assert faults(record) == ["stream 0: did not run to the end"]


def test_what_redis_should_hold_is_no_fault(record: Record) -> None:
    """The session, free, at the next frame."""
    assert faults_of_rest([record], Leftovers({"session-0": FRAMES}, [], {"live": 0}, {"live": 0})) == []


@pytest.mark.parametrize(
    "left",
    [
        Leftovers({}),
        Leftovers({"session-0": FRAMES - 1}),
        Leftovers({"session-0": FRAMES + 1}),
        Leftovers({"session-0": FRAMES, "session-9": 1}),
        Leftovers({"session-0": FRAMES}, held=["session-0"]),
        Leftovers({"session-0": FRAMES}, waiting={"live": 1}),
        Leftovers({"session-0": FRAMES}, pending={"live": 1}),
    ],
    ids=["gone", "a frame lost", "a frame twice", "a stranger", "held", "waiting", "pending"],
)
def test_what_redis_should_not_hold_is_found(record: Record, left: Leftovers) -> None:
    """Frames counted too few or too many, and everything that was not cleared away."""
    assert len(faults_of_rest([record], left)) == 1


def test_streams_that_look_alike_are_found() -> None:
    """Between them a swapped answer would not show."""
    assert faults_between({0: unbroken(0), 1: unbroken(1)}) == []
    assert len(faults_between({0: unbroken(0), 1: unbroken(0)})) == 1
