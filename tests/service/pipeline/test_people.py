"""How many people a session follows, and what is counted of them."""

import asyncio

import pytest

from model.values import LostTrack, Region
from service.auth.api_keys import Caller, KeyLimits
from service.contract.messages import Outcome, SessionOptions
from service.errors import (
    BadRegion,
    RateLimited,
)
from tests.support.pipelines import counted, frame, running
from tests.support.trackers import EMPTY, GONE, FakeTracker


async def test_a_session_follows_as_many_people_as_it_asks_for(tracker: FakeTracker) -> None:
    """Several regions start several, in their order; the next frame has the same numbers."""
    async with running(tracker, max_people=3) as pipeline:
        await pipeline.sessions.create(SessionOptions(max_people=3), "three")
        boxes = tuple(Region(x, 2, 9, 20) for x in (1, 12, 25))
        first = await pipeline.frames.estimate(frame(0, session="three", regions=boxes))
        second = await pipeline.frames.estimate(frame(1, session="three"))
    assert [(person.track_id, person.region) for person in first.people] == list(enumerate(boxes, 1))
    assert [person.track_id for person in second.people] == [1, 2, 3]


async def test_nobody_there_is_ok_and_who_may_come_back_is_told(tracker: FakeTracker) -> None:
    """No people, outcome ok, the lost track with its box."""
    async with running(tracker) as pipeline:
        await pipeline.frames.estimate(frame(0, regions=(Region(1, 2, 30, 20),)))
        result = await pipeline.frames.estimate(frame(1, shade=EMPTY))
    assert (result.outcome, result.people) == (Outcome.OK, ())
    assert result.lost == (LostTrack(1, Region(1, 2, 30, 20)),)


async def test_people_and_their_tracks_are_counted(tracker: FakeTracker) -> None:
    """How many are in a frame, who got a number, and whose ended; a frame that is sent again counts once."""
    async with running(tracker) as pipeline:
        await pipeline.sessions.create(SessionOptions(max_people=2), "two")
        boxes = (Region(1, 2, 9, 20), Region(12, 2, 9, 20))
        for seq, shade in ((0, 0), (1, 1), (1, 1), (2, GONE)):
            regions = () if seq else boxes
            await pipeline.frames.estimate(frame(seq, shade, session="two", regions=regions))
        assert counted(pipeline, "people_count") == 3
        assert counted(pipeline, "people_sum") == 4
        assert counted(pipeline, "tracks_started_total") == 2
        assert counted(pipeline, "tracks_ended_total", reason="lost") == 2


async def test_a_frame_counts_once_for_each_of_its_people(tracker: FakeTracker) -> None:
    """In the rate of the key; a frame of three that has begun is answered, and the next one is refused."""
    robot = Caller("robot", KeyLimits(frames_per_s=3))
    boxes = tuple(Region(x, 2, 9, 20) for x in (1, 12, 25))
    async with running(tracker, max_people=3) as pipeline:
        await pipeline.sessions.create(SessionOptions(max_people=3), "three", caller=robot)
        first = frame(0, session="three", regions=boxes)
        assert len((await pipeline.frames.estimate(first, caller=robot)).people) == 3
        more = [pipeline.frames.estimate(frame(seq, session="three"), caller=robot) for seq in range(1, 9)]
        answers = await asyncio.gather(*more, return_exceptions=True)
    assert any(isinstance(answer, RateLimited) for answer in answers)


async def test_more_regions_than_people_are_refused(tracker: FakeTracker) -> None:
    """The frame is at fault: its seq is spent."""
    async with running(tracker) as pipeline:
        with pytest.raises(BadRegion, match="2 regions"):
            await pipeline.frames.estimate(frame(0, regions=(Region(1, 2, 9, 9), Region(12, 2, 9, 9))))
        assert (await pipeline.sessions.info("s")).next_seq == 1
