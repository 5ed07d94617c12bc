"""Sessions whose joints are made smooth."""

import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from service.contract.messages import FrameResult, SessionOptions, Smoothing
from service.errors import BadImage
from service.kinematics.filters import OneEuro
from service.pipeline.pipeline import Pipeline
from tests.support.pipelines import frame, running, value_of
from tests.support.trackers import EMPTY, FakeTracker

ONE_EURO = SessionOptions(smoothing=Smoothing.ONE_EURO)
RATE_US = 40_000


async def answered(pipeline: Pipeline, seq: int, shade: int | None = None) -> FrameResult:
    """The answer to a frame of the session "smooth"."""
    return await pipeline.frames.estimate(frame(seq, shade, "smooth", pts_us=RATE_US * seq))


def smooth_x(result: FrameResult) -> np.float32:
    """Where the first person's head is told to be once smooth."""
    return np.float32(result.kinematics[0].values["head_x_filtered"])


def filtered(values: list[int]) -> list[np.float32]:
    """These values, a frame each, through the filter itself."""
    one = OneEuro()
    return [np.float32(one(0.04 * at, np.array([float(value)]))[0]) for at, value in enumerate(values)]


async def test_smooth_joints_are_told_beside_the_raw_ones() -> None:
    """By the filter of the command line; all joints, and the raw ones as without it."""
    async with running(FakeTracker()) as pipeline:
        await pipeline.sessions.create(ONE_EURO, "smooth")
        plain = [await pipeline.frames.estimate(frame(seq, pts_us=RATE_US * seq)) for seq in range(5)]
        results = [await answered(pipeline, seq) for seq in range(5)]

    assert [value_of(result) for result in results] == [value_of(result) for result in plain]
    assert [smooth_x(result) for result in results] == filtered([value_of(one) for one in plain])
    names = {f"{joint}_{axis}_filtered" for joint in KINEPOSE_13.joints for axis in "xy"}
    assert all(result.kinematics[0].values.keys() == names for result in results)
    assert not any(result.kinematics for result in plain)


async def test_whoever_is_not_seen_has_no_smooth_joints_and_begins_anew() -> None:
    """Absent joints are not made up, neither while somebody is away nor from where they were before."""
    async with running(FakeTracker()) as pipeline:
        await pipeline.sessions.create(ONE_EURO, "smooth")
        results = [await answered(pipeline, seq, shade) for seq, shade in enumerate([1, 2, EMPTY, 4])]

    assert results[2].kinematics == ()
    assert smooth_x(results[3]) == value_of(results[3])


async def test_a_frame_that_fails_and_one_sent_again_change_nothing() -> None:
    """The filter goes on from the last frame that was read, and a replay is the stored answer."""
    async with running(FakeTracker()) as pipeline:
        await pipeline.sessions.create(ONE_EURO, "smooth")
        first = await answered(pipeline, 0)
        with pytest.raises(BadImage):
            await pipeline.frames.estimate(frame(1, session="smooth", image=b"none", pts_us=RATE_US))
        third = await answered(pipeline, 2)
        again = await answered(pipeline, 2)

    one = OneEuro()
    one(0.0, np.array([float(value_of(first))]))
    assert smooth_x(third) == np.float32(one(0.08, np.array([float(value_of(third))]))[0])
    assert again.kinematics == third.kinematics


async def test_frames_without_times_follow_each_other_at_25_a_second() -> None:
    """As in a clip without times."""
    async with running(FakeTracker()) as pipeline:
        await pipeline.sessions.create(ONE_EURO, "smooth")
        results = [await pipeline.frames.estimate(frame(seq, session="smooth")) for seq in range(3)]

    assert [smooth_x(one) for one in results] == filtered([value_of(one) for one in results])
