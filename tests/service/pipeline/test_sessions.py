"""A session from its beginning to its end, and what cannot be one."""

import asyncio

import pytest

from service.contract.messages import Outcome, SessionOptions
from service.errors import (
    BadRequest,
    KineposeError,
    ModelUnknown,
    SessionExpired,
    SessionUnknown,
    TooManyPeople,
    TooManySessions,
)
from tests.support.pipelines import ManualClock, frame, running, value_of
from tests.support.trackers import FakeTracker, history


async def test_closed_expired_and_unknown_sessions_are_told_apart(tracker: FakeTracker) -> None:
    """Each frame for a session that is not there says why."""
    clock = ManualClock()
    async with running(tracker, clock=clock, session_ttl_s=10) as pipeline:
        await pipeline.sessions.create(SessionOptions(ttl_s=100), "closed")
        await pipeline.sessions.close("closed")
        clock.advance(10)
        for name, error, why in [
            ("s", SessionExpired, "expired"),
            ("closed", SessionExpired, "closed"),
            ("x", SessionUnknown, "no session"),
        ]:
            with pytest.raises(error, match=why):
                await pipeline.frames.estimate(frame(0, session=name))


async def test_session_with_a_frame_in_the_queue_does_not_expire(tracker: FakeTracker) -> None:
    """However long the device takes."""
    clock = ManualClock()
    async with running(tracker, clock=clock, session_ttl_s=10) as pipeline:
        tracker.hold()
        slow = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        clock.advance(1000)
        tracker.let_go()
        assert (await slow).outcome is Outcome.OK
        assert (await pipeline.sessions.info("s")).expires_in_s == 10


async def test_closing_waits_for_frames_in_flight_and_refuses_new_ones(tracker: FakeTracker) -> None:
    """What was accepted is answered before the session ends."""
    async with running(tracker) as pipeline:
        tracker.hold()
        taken = asyncio.ensure_future(pipeline.frames.estimate(frame(0)))
        await tracker.entered()
        closing = asyncio.ensure_future(pipeline.sessions.close("s"))
        await asyncio.sleep(0)
        with pytest.raises(SessionExpired):
            await pipeline.frames.estimate(frame(1))
        tracker.let_go()
        assert (await taken).outcome is Outcome.OK
        assert (await closing).next_seq == 1


async def test_session_created_anew_under_its_old_id_starts_afresh(tracker: FakeTracker) -> None:
    """Nothing of its former life is left."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0))
        await pipeline.sessions.close("s")
        assert (await pipeline.sessions.create(SessionOptions(), "s")).next_seq == 0
        assert value_of(await pipeline.frames.estimate(frame(0, shade=9))) == history([9])


@pytest.mark.parametrize(
    ("options", "session_id", "error"),
    [
        (SessionOptions(model="another"), None, ModelUnknown),
        (SessionOptions(ttl_s=0), None, BadRequest),
        (SessionOptions(max_people=0), None, BadRequest),
        (SessionOptions(max_people=7), None, TooManyPeople),
        (SessionOptions(ttl_s=float("nan")), None, BadRequest),
        (SessionOptions(ttl_s=1e9), None, BadRequest),
        (SessionOptions(), "", BadRequest),
        (SessionOptions(), "../x", BadRequest),
        (SessionOptions(), "a" * 129, BadRequest),
        (SessionOptions(), "s", BadRequest),
        (SessionOptions(), "one-too-many", TooManySessions),
    ],
)
async def test_session_that_cannot_be_is_refused(
    tracker: FakeTracker, options: SessionOptions, session_id: str | None, error: type[KineposeError]
) -> None:
    """Options and ids are checked, and the cap is kept."""
    async with running(tracker, max_sessions=1) as pipeline:
        with pytest.raises(error):
            await pipeline.sessions.create(options, session_id)
