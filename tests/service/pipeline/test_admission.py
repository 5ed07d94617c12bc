"""Places for frames in flight."""

import asyncio

import pytest

from service.errors import QueueFull
from service.pipeline.sequencer import InFlight


async def test_full_server_refuses_those_who_cannot_wait() -> None:
    """With a time to try again that follows how long frames take."""
    places = InFlight(1)
    places.take()
    with pytest.raises(QueueFull) as first:
        places.take()
    for _ in range(100):
        places.release(seconds=2.0)
        places.take()
    with pytest.raises(QueueFull) as later:
        places.take()
    assert first.value.retry_after_ms is not None
    assert later.value.retry_after_ms is not None
    assert first.value.retry_after_ms < 100
    assert 1900 < later.value.retry_after_ms <= 2000


async def test_those_who_wait_come_in_their_order_and_nobody_overtakes() -> None:
    """A place that becomes free goes to the head of the line."""
    places = InFlight(1)
    places.take()
    order: list[int] = []

    async def wait(number: int) -> None:
        await places.wait()
        order.append(number)

    line = [asyncio.ensure_future(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    places.release()
    with pytest.raises(QueueFull):
        places.take()
    await line[0]
    places.release()
    places.release()
    await asyncio.gather(*line)
    assert order == [0, 1, 2]
    assert places.count == 1


@pytest.mark.parametrize("release_first", [False, True])
async def test_caller_that_leaves_the_line_takes_no_place(release_first: bool) -> None:
    """Also where it left in the very moment in which its turn came."""
    places = InFlight(1)
    places.take()
    leaver = asyncio.ensure_future(places.wait())
    await asyncio.sleep(0)
    if release_first:
        places.release()
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    if not release_first:
        places.release()
    assert places.count == 0
    places.take()
