"""Places for frames in flight."""

import asyncio

import pytest

from service.auth.access import InFlight
from service.auth.api_keys import ANYONE, Caller
from service.errors import QueueFull


async def test_full_server_refuses_those_who_cannot_wait() -> None:
    """With a time to try again that follows how long frames take."""
    places = InFlight(1, 1)
    places.take(ANYONE)
    with pytest.raises(QueueFull) as first:
        places.take(ANYONE)
    for _ in range(100):
        places.release(ANYONE, seconds=2.0)
        places.take(ANYONE)
    with pytest.raises(QueueFull) as later:
        places.take(ANYONE)
    assert first.value.retry_after_ms is not None
    assert later.value.retry_after_ms is not None
    assert first.value.retry_after_ms < 100
    assert 1900 < later.value.retry_after_ms <= 2000


async def test_those_who_wait_come_in_their_order_and_nobody_overtakes() -> None:
    """A place that becomes free goes to the head of the line."""
    places = InFlight(1, 1)
    places.take(ANYONE)
    order: list[int] = []

    async def wait(number: int) -> None:
        await places.wait(ANYONE)
        order.append(number)

    line = [asyncio.ensure_future(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    places.release(ANYONE)
    with pytest.raises(QueueFull):
        places.take(ANYONE)
    await line[0]
    places.release(ANYONE)
    places.release(ANYONE)
    await asyncio.gather(*line)
    assert order == [0, 1, 2]
    assert places.count == 1


@pytest.mark.parametrize("release_first", [False, True])
async def test_caller_that_leaves_the_line_takes_no_place(release_first: bool) -> None:
    """Also where it left in the very moment in which its turn came."""
    places = InFlight(1, 1)
    places.take(ANYONE)
    leaver = asyncio.ensure_future(places.wait(ANYONE))
    await asyncio.sleep(0)
    if release_first:
        places.release(ANYONE)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    if not release_first:
        places.release(ANYONE)
    assert places.count == 0
    places.take(ANYONE)


async def test_a_key_has_no_more_than_its_share() -> None:
    """Single frames are refused, others wait, and the rest of the places is for other keys."""
    places, robot, drone = InFlight(3, 2), Caller("robot"), Caller("drone")
    places.take(robot)
    places.take(robot)
    with pytest.raises(QueueFull, match="robot"):
        places.take(robot)
    waiting = asyncio.ensure_future(places.wait(robot))
    await asyncio.sleep(0)
    places.take(drone)
    assert not waiting.done()
    with pytest.raises(QueueFull, match="the server"):
        places.take(drone)
    places.release(robot)
    await waiting
    assert places.count == 3
