"""Whatever a client sends, it gets a typed error and the server goes on. HTTP and gRPC say the same."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio

from kinepose_client.pb import pose_pb2 as pb
from service.inference.executor import LocalExecutor
from service.processes.frontend import RunningServer
from tests.support.clips import make_cut_off, make_sound
from tests.support.pictures import png_bomb
from tests.support.server import (
    AsyncStub,
    chunks,
    each,
    grpc_status_and_error,
    into,
    jpegs,
    nothing_pending,
    opened,
    sent,
    status_and_code,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def alive(http: httpx.AsyncClient) -> AsyncIterator[None]:
    """After each of these tests the server still computes."""
    yield
    answer = await http.get("/readyz")
    assert answer.status_code == 200, answer.text


async def estimate(stub: AsyncStub, **fields: object) -> tuple[grpc.StatusCode, str]:
    """The error of one frame over gRPC."""
    with pytest.raises(grpc.RpcError) as caught:
        await stub.EstimateFrame(pb.Frame(**fields))  # type: ignore[arg-type]
    status, error = grpc_status_and_error(caught.value)
    return status, error.code


PICTURES = {
    "an empty body": (b"", 422, "bad_image", INVALID),
    "text as a JPEG": (b"I am no picture", 422, "bad_image", INVALID),
    "a truncated JPEG": (jpegs(1)[0][:400], 422, "bad_image", INVALID),
    "a 20,000 x 20,000 PNG": (png_bomb(), 413, "image_too_large", EXHAUSTED),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_that_is_none_fails_alone(name: str, http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """A bad picture is refused with its reason over HTTP and gRPC, and the session takes the next frame."""
    image, status, code, grpc_status = PICTURES[name]
    session_id = await opened(http)

    assert status_and_code(await sent(http, session_id, image, seq=0)) == (status, code)
    assert await estimate(stub, session_id=session_id, seq=1, image=image) == (grpc_status, code)
    assert (await sent(http, session_id, jpegs(1)[0], seq=2)).status_code == 200


async def posted(http: httpx.AsyncClient, clip: bytes, **params: str) -> httpx.Response:
    """The answer to a clip."""
    return await http.post("/v1/clips", content=clip, headers={"Content-Type": "video/mp4"}, params=params)


async def streamed(
    stub: AsyncStub, clip: bytes, options: pb.ClipOptions | None = None
) -> tuple[int, grpc.StatusCode, str]:
    """Frames that came before the error of a clip over gRPC, and the error."""
    frames: list[pb.PoseResult] = []
    with pytest.raises(grpc.RpcError) as caught:
        await into(frames, stub.EstimateClip(each(chunks(clip, options=options))))
    status, error = grpc_status_and_error(caught.value)
    return len(frames), status, error.code


async def test_a_strict_truncated_mp4_gives_what_it_had_and_then_its_error(
    tmp_path: Path, http: httpx.AsyncClient, stub: AsyncStub
) -> None:
    """Frames before the break are answered where the answer is a stream; the error says that the clip is broken."""
    clip = make_cut_off(tmp_path, count=12).read_bytes()

    assert status_and_code(await posted(http, clip, strict="true")) == (422, "bad_clip")
    frames, status, code = await streamed(stub, clip, pb.ClipOptions(strict=True))
    assert (status, code) == (INVALID, "bad_clip")
    assert 0 < frames < 12


async def test_a_truncated_mp4_is_answered_as_far_as_it_goes(
    tmp_path: Path, http: httpx.AsyncClient, stub: AsyncStub
) -> None:
    """The same frames over HTTP and gRPC, and the gap in the last message."""
    clip = make_cut_off(tmp_path, count=12).read_bytes()
    document = (await posted(http, clip)).json()
    *frames, last = [message async for message in stub.EstimateClip(each(chunks(clip)))]

    [gap] = last.clip.gaps
    assert 0 < len(frames) == len(document["frames"]) < 12
    assert (gap.after_seq, gap.reason) == (len(frames) - 1, "cut_off")
    assert document["clip"]["gaps"] == [{"after_seq": gap.after_seq, "pts_us": gap.pts_us, "reason": "cut_off"}]


async def test_an_mp4_cut_before_its_index_is_a_bad_clip(clip: bytes, http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """A file that cannot be opened at all gets the same error."""
    half = clip[: len(clip) // 2]

    assert status_and_code(await posted(http, half)) == (422, "bad_clip")
    assert await streamed(stub, half) == (0, INVALID, "bad_clip")


async def test_sound_without_pictures_is_unsupported(tmp_path: Path, http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """An MP4 that only sounds has nothing to look at."""
    sound = make_sound(tmp_path / "sound.mp4").read_bytes()

    assert status_and_code(await posted(http, sound)) == (415, "unsupported_media")
    assert await streamed(stub, sound) == (0, INVALID, "unsupported_media")


async def test_an_empty_clip_is_refused(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """No bytes are no clip."""
    status, code = status_and_code(await posted(http, b""))

    assert status in (415, 422)
    assert await streamed(stub, b"") == (0, INVALID, code)


async def test_a_gap_in_seq_says_what_was_expected(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """Far ahead of its turn a frame is refused, the error says which one is next, and the session lives on."""
    session_id = await opened(http)
    image = jpegs(1)[0]

    answer = await sent(http, session_id, image, seq=99)
    assert status_and_code(answer) == (409, "seq_out_of_order")
    assert answer.json()["expected_seq"] == 0
    with pytest.raises(grpc.RpcError) as caught:
        await stub.EstimateFrame(pb.Frame(session_id=session_id, seq=99, image=image))
    status, error = grpc_status_and_error(caught.value)
    assert (status, error.code, error.expected_seq) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "seq_out_of_order",
        0,
    )
    assert (await sent(http, session_id, image, seq=0)).status_code == 200


async def test_a_replayed_frame_gets_the_stored_answer(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """A frame sent again, over whichever transport, is not computed again; an older one is out of order."""
    session_id = await opened(http)
    first, second = jpegs(2)
    await sent(http, session_id, first, seq=0, region="5,5,40,50")

    answers = [await sent(http, session_id, second, seq=1) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    again = await stub.EstimateFrame(pb.Frame(session_id=session_id, seq=1, image=second))
    [person], [told] = again.people, answers[0].json()["people"]
    assert person.track_id == told["track_id"]
    assert [joint.score for joint in person.joints] == pytest.approx([joint["score"] for joint in told["joints"]])
    assert status_and_code(await sent(http, session_id, first, seq=0)) == (409, "seq_out_of_order")


async def test_an_unknown_session_is_not_found(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """An id that was never given out gets another error than one that is over."""
    image = jpegs(1)[0]

    assert status_and_code(await sent(http, "never-seen", image)) == (404, "session_unknown")
    assert await estimate(stub, session_id="never-seen", seq=0, image=image) == (
        grpc.StatusCode.NOT_FOUND,
        "session_unknown",
    )


async def test_an_expired_session_is_gone(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """A session that was idle for its time to live is over, not unknown."""
    session_id = await opened(http, ttl_s=0.001)
    async with asyncio.timeout(30):
        while (await http.get(f"/v1/sessions/{session_id}")).status_code == 200:
            pass

    assert status_and_code(await sent(http, session_id, jpegs(1)[0])) == (410, "session_expired")
    assert await estimate(stub, session_id=session_id, seq=0, image=jpegs(1)[0]) == (
        grpc.StatusCode.NOT_FOUND,
        "session_expired",
    )


async def test_a_frame_of_another_size_fails_alone(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """Mid-stream, a picture of another size is that frame's error; the stream and the session go on."""
    right, wrong = jpegs(1)[0], jpegs(1, size=(64, 64))[0]
    images = [right, wrong, right]

    results = [r async for r in stub.StreamPose(each(pb.Frame(image=image) for image in images))]
    assert [r.outcome for r in results] == [pb.OUTCOME_OK, pb.OUTCOME_ERROR, pb.OUTCOME_OK]
    assert results[1].error.code == "frame_size_changed"
    session_id = await opened(http)
    assert (await sent(http, session_id, right)).status_code == 200
    assert status_and_code(await sent(http, session_id, wrong)) == (422, "frame_size_changed")
    assert (await sent(http, session_id, right)).status_code == 200


async def test_a_region_outside_the_frame_is_refused(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """A box that touches no pixel is a bad region."""
    session_id = await opened(http)
    image = jpegs(1)[0]
    outside = pb.Region(x=5000, y=5000, w=10, h=10)

    assert status_and_code(await sent(http, session_id, image, seq=0, region="5000,5000,10,10")) == (422, "bad_region")
    assert await estimate(stub, session_id=session_id, seq=1, image=image, region=outside) == (
        INVALID,
        "bad_region",
    )


@pytest.mark.parametrize("region", ["1,2,3", "1,2,0,4", "a,b,c,d", "nan,0,1,1"])
async def test_a_region_that_is_no_box_is_refused(region: str, http: httpx.AsyncClient) -> None:
    """Too few numbers, no width, no numbers."""
    session_id = await opened(http)

    assert status_and_code(await sent(http, session_id, jpegs(1)[0], region=region)) == (422, "bad_region")


async def test_a_malformed_region_in_a_stream_fails_alone(stub: AsyncStub) -> None:
    """A frame that does not parse is answered in its place among the results and uses up its number."""
    image = jpegs(1)[0]
    frames = [
        pb.Frame(image=image),
        pb.Frame(image=image, region=pb.Region(x=1, y=1, w=0, h=5)),
        pb.Frame(image=image),
    ]

    results = [r async for r in stub.StreamPose(each(frames))]
    assert [(r.outcome, r.seq) for r in results] == [
        (pb.OUTCOME_OK, 0),
        (pb.OUTCOME_ERROR, 1),
        (pb.OUTCOME_OK, 2),
    ]
    assert results[1].error.code == "bad_region"


async def test_a_passed_deadline_is_told(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """A frame that nobody waits for any more is not computed; its seq stays free."""
    session_id = await opened(http)
    image = jpegs(1)[0]

    assert status_and_code(await sent(http, session_id, image, seq=0, deadline_ms=0)) == (504, "deadline_passed")
    assert await estimate(stub, session_id=session_id, seq=0, image=image, deadline_ms=0) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "deadline_passed",
    )
    assert (await sent(http, session_id, image, seq=0)).status_code == 200


async def test_a_passed_deadline_in_a_stream_expires_that_frame(stub: AsyncStub) -> None:
    """Of a live stream only the late frame is lost."""
    first, late, last = jpegs(3)
    frames = [pb.Frame(image=first), pb.Frame(image=late, deadline_ms=0), pb.Frame(image=last)]

    results = [r async for r in stub.StreamPose(each(frames))]
    assert [r.outcome for r in results] == [pb.OUTCOME_OK, pb.OUTCOME_EXPIRED, pb.OUTCOME_OK]


async def test_a_client_gone_mid_stream_leaves_a_session_to_continue(http: httpx.AsyncClient, stub: AsyncStub) -> None:
    """After a cancelled stream nothing is left in flight, and another connection takes the session up."""
    call = stub.StreamPose(each(pb.Frame(image=image) for image in jpegs(200)))
    first = await anext(aiter(call))
    call.cancel()
    await nothing_pending(http)

    answer = (await sent(http, first.session_id, jpegs(1)[0])).json()
    assert answer["outcome"] == "ok"
    assert 1 <= answer["seq"] < 200


async def test_a_client_gone_mid_clip_stops_the_work(clip: bytes, http: httpx.AsyncClient) -> None:
    """When the reader of an NDJSON answer goes away, the clip's session ends."""
    headers = {"Accept": "application/x-ndjson"}
    async with http.stream("POST", "/v1/clips", content=clip, headers=headers) as answer:
        line = await anext(answer.aiter_lines())

    async with asyncio.timeout(60):
        while (await http.get(f"/v1/sessions/{json.loads(line)['session_id']}")).status_code == 200:
            pass
    await nothing_pending(http)


@pytest.fixture
def decoding_waits(server: RunningServer) -> Iterator[None]:
    """While this holds, no picture is decoded: all threads that could do it are taken."""
    go_on = threading.Event()
    for _ in range(server.settings.decode_threads):
        executor = server.services.pipeline.executor
        assert isinstance(executor, LocalExecutor)
        executor.decoder.threads.submit(go_on.wait)
    yield
    go_on.set()


async def test_a_client_gone_while_its_frame_waits_takes_it_back(http: httpx.AsyncClient, decoding_waits: None) -> None:
    """A frame whose turn has not come leaves with its client, and its seq stays free."""
    session_id = await opened(http)
    frame = asyncio.create_task(sent(http, session_id, jpegs(1)[0]))
    async with asyncio.timeout(60):
        while "\nkinepose_pending_frames 1.0" not in (await http.get("/metrics")).text:
            pass
    frame.cancel()
    await nothing_pending(http)

    assert (await http.get(f"/v1/sessions/{session_id}")).json()["next_seq"] == 0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"content": b""}, "empty (0 bytes)"),
        ({"files": {"file": ("a.mp4", b"", "video/mp4")}}, "empty (0 bytes)"),
        ({"files": {"video": ("a.mp4", b"abc", "video/mp4")}}, "expected one part `file`, got 0, beside 'video'"),
        ({"json": {"file": "a.mp4"}}, "application/json: send the file itself"),
    ],
)
async def test_a_clip_that_was_sent_the_wrong_way_is_told_the_right_one(
    http: httpx.AsyncClient, body: dict[str, Any], told: str
) -> None:
    """And not that it is damaged."""
    answer = await http.post("/v1/clips", **body)

    assert answer.status_code in (415, 422)
    assert told in answer.json()["detail"]
