"""Sessions never touch each other: side by side they give what each gives alone."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from model.values import Frame
from service.contract.messages import DropPolicy, EncodedFrame, SessionOptions
from service.errors import KineposeError
from tests.support.pipelines import Source, frame, running, value_of
from tests.support.trackers import BROKEN, FakeTracker, grey, history

SHADES = st.lists(st.one_of(st.integers(0, 200), st.just(BROKEN)), min_size=1, max_size=6)


def alone(shades: list[int]) -> list[int | str]:
    """What the session gives by itself: its joints, or how its frame failed; a broken frame leaves no trace."""
    values: list[int | str] = []
    seen: list[int] = []
    for shade in shades:
        if shade == BROKEN:
            values.append("internal")
        else:
            seen.append(shade)
            values.append(history(seen))
    return values


async def all_at_once(sessions: list[list[int]], max_batch: int) -> list[list[int | str]]:
    """Every third session is sent frame by frame, as a stream, as a clip."""
    async with running(FakeTracker(), max_batch=max_batch, batch_wait_ms=1.0) as pipeline:

        async def one(number: int, shades: list[int]) -> list[int | str]:
            name = f"session{number}"
            await pipeline.sessions.create(SessionOptions(), name)
            frames = [frame(seq, shade, name) for seq, shade in enumerate(shades)]
            if number % 3 == 1:
                return await streamed(name, frames)
            values: list[int | str] = []
            for seq, shade in enumerate(shades):
                try:
                    if number % 3 == 0:
                        result = await pipeline.frames.estimate(frames[seq])
                    else:
                        result = await pipeline.frames.estimate_decoded(name, seq, Frame(grey(shade)))
                    values.append(value_of(result))
                except KineposeError as error:
                    values.append(error.code)
            return values

        async def streamed(name: str, frames: list[EncodedFrame]) -> list[int | str]:
            source = Source(*frames)
            source.end()
            results = pipeline.frames.stream(name, aiter(source), DropPolicy.WAIT)
            return [result.error_code or value_of(result) async for result in results]

        return await asyncio.gather(*(one(number, shades) for number, shades in enumerate(sessions)))


@settings(max_examples=25, deadline=None)
@given(sessions=st.lists(SHADES, min_size=1, max_size=6), max_batch=st.integers(1, 4))
def test_interleaved_sessions_give_what_each_gives_alone(sessions: list[list[int]], max_batch: int) -> None:
    """Whatever shares a batch, whoever fails beside, and however the frames come in."""
    assert asyncio.run(all_at_once(sessions, max_batch)) == [alone(shades) for shades in sessions]
