"""POST /v1/images: single pictures, which belong to no video."""

import asyncio

import httpx
import pytest

from service.processes.frontend import RunningServer
from tests.support.keys import Keys
from tests.support.pictures import png_bomb
from tests.support.server import jpegs, opened, sent, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

REPLY = ["image_size", "rotation_applied", "skeleton", "score_kind", "people", "lost", "model"]
REGION = "10,10,40,50"
TRIES = 4


async def posted(http: httpx.AsyncClient, image: bytes, **params: str) -> httpx.Response:
    """The answer to one picture."""
    return await http.post("/v1/images", content=image, params=params, headers={"Content-Type": "image/jpeg"})


async def active(http: httpx.AsyncClient) -> str:
    """How many sessions are alive, as metrics tell it."""
    lines = (await http.get("/metrics")).text.splitlines()
    return next(line for line in lines if line.startswith("kinepose_sessions_active "))


async def test_a_picture_is_answered_as_the_first_frame_of_a_session_would_be(http: httpx.AsyncClient) -> None:
    """The same people, to the last bit; what places a frame in a session is left out."""
    image = jpegs(1)[0]
    reply = (await posted(http, image, region=REGION)).json()
    frame = (await sent(http, await opened(http), image, region=REGION)).json()

    assert list(reply) == REPLY
    assert len(reply["people"]) == 1
    assert reply == {name: frame[name] for name in REPLY}


async def test_nothing_is_kept_of_a_picture(http: httpx.AsyncClient) -> None:
    """Neither of a good one nor of a broken one: no session stays."""
    before = await active(http)
    assert (await posted(http, jpegs(1)[0])).status_code == 200
    assert (await posted(http, b"no picture")).status_code == 422

    assert await active(http) == before


async def test_several_people_are_read_where_several_are_asked_for(http: httpx.AsyncClient) -> None:
    """Their regions give their numbers; more than the server follows are refused."""
    image, boxes = jpegs(1)[0], "10,10,30,40;50,20,30,40"
    people = (await posted(http, image, regions=boxes, max_people="2")).json()["people"]

    assert [person["track_id"] for person in people] == [1, 2]
    assert status_and_code(await posted(http, image, regions=boxes)) == (422, "bad_region")
    assert status_and_code(await posted(http, image, max_people="7")) == (422, "too_many_people")


async def test_a_picture_may_come_as_a_form(http: httpx.AsyncClient) -> None:
    """Its fields say what the query says."""
    image = jpegs(1)[0]
    form = await http.post("/v1/images", data={"region": REGION}, files={"file": ("p.jpg", image, "image/jpeg")})

    assert form.json() == (await posted(http, image, region=REGION)).json()


@pytest.mark.parametrize(
    ("image", "params", "expected"),
    [
        (b"no picture", {}, (422, "bad_image")),
        (b"", {}, (422, "bad_image")),
        (png_bomb(), {}, (413, "image_too_large")),
        (jpegs(1)[0], {"region": "1,2,3"}, (422, "bad_region")),
        (jpegs(1)[0], {"region": "500,500,10,10"}, (422, "bad_region")),
        (jpegs(1)[0], {"max_people": "some"}, (422, "bad_request")),
        (jpegs(1)[0], {"deadline_ms": "-1"}, (422, "bad_request")),
        (jpegs(1)[0], {"deadline_ms": "0"}, (504, "deadline_passed")),
        (jpegs(1)[0], {"model": "gpt"}, (422, "model_unknown")),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_picture_that_cannot_be_read_is_a_problem(
    image: bytes, params: dict[str, str], expected: tuple[int, str], http: httpx.AsyncClient
) -> None:
    """It has its code, and tells of no session."""
    answer = await posted(http, image, **params)

    assert status_and_code(answer) == expected
    assert not {"session_id", "seq"} & set(answer.json())


async def test_a_picture_above_the_limit_is_cut_short(http: httpx.AsyncClient, server: RunningServer) -> None:
    """The limit is that of frames."""
    above = bytes(server.settings.max_image_bytes + 1)

    assert status_and_code(await posted(http, above)) == (413, "too_large")


async def test_pictures_count_as_frames_and_not_as_sessions(robot: httpx.AsyncClient, keys: Keys) -> None:
    """A key of one session a minute may send many; one of few frames a second may not."""
    image = jpegs(1)[0]
    rare = [await robot.post("/v1/images", content=image, headers=keys.header("rare")) for _ in range(TRIES)]
    slow = await asyncio.gather(
        *(robot.post("/v1/images", content=image, headers=keys.header("slow")) for _ in range(TRIES))
    )

    assert [answer.status_code for answer in rare] == [200] * TRIES
    refused = next(answer for answer in slow if answer.status_code != 200)
    assert status_and_code(refused) == (429, "rate_limited")
