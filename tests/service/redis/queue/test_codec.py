"""Frames and answers on their way through Redis."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.values import Frame, Region
from service import errors
from service.errors import KineposeError
from service.pipeline.request import FrameRequest
from service.redis.codec import Origin, RecordError, decode_answer, decode_request, encode_answer, encode_request
from tests.support.stores import result, same

REQUEST = bytes(range(16))
seqs = st.integers(0, 2**63 - 1)
times = st.none() | st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(-1e6, 1e6)
sizes = st.floats(1e-3, 1e6)
regions = st.none() | st.builds(Region, numbers, numbers, sizes, sizes)
pixels = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
frames = st.builds(lambda rgb, turn: Frame(rgb, rotation_applied=turn), pixels, st.sampled_from([0, 90, 180, 270]))


@given(
    st.text(min_size=1),
    seqs,
    times,
    st.binary() | frames,
    regions,
    st.sampled_from(["http", "websocket", "grpc", "clip"]),
    st.booleans(),
    st.none() | st.integers(0, 10**9),
    st.builds(Origin, st.text(), st.text(), st.none() | st.text()),
)
def test_a_frame_comes_out_as_it_went_in(
    session: str,
    seq: int,
    pts_us: int | None,
    picture: bytes | Frame,
    region: Region | None,
    transport: Any,
    streamed: bool,
    budget_ms: int | None,
    origin: Origin,
) -> None:
    """Every number and every pixel, with where it came from."""
    request = FrameRequest(session, seq, pts_us, picture, region, transport, streamed=streamed)
    fields = {name.encode(): blob for name, blob in encode_request(request, REQUEST, origin, budget_ms).items()}
    sent = decode_request("stream", b"1-0", fields)
    assert (sent.origin, sent.budget_ms) == (origin, budget_ms)
    got = sent.request
    names = ("session_id", "seq", "pts_us", "region", "transport", "streamed")
    assert [getattr(got, name) for name in names] == [getattr(request, name) for name in names]
    assert got.delivery is not None
    assert (got.delivery.place, got.delivery.reply_id) == (("stream", b"1-0"), REQUEST)
    if isinstance(picture, Frame):
        assert isinstance(got.picture, Frame)
        assert np.array_equal(got.picture.rgb, picture.rgb)
        assert (got.picture.rotation_applied, got.picture.pts_us) == (picture.rotation_applied, pts_us)
    else:
        assert got.picture == picture


def test_a_result_is_answered_bit_for_bit() -> None:
    """With the request that it answers."""
    sent = result("s", 3, 40_000)
    request, got = decode_answer(encode_answer(REQUEST, sent))
    assert request == REQUEST
    assert same(got, sent)


@pytest.mark.parametrize("kind", [KineposeError, *KineposeError.__subclasses__()])
def test_every_kind_of_error_is_answered_as_itself(kind: type[KineposeError]) -> None:
    """With all its attributes."""
    sent = kind("why", "s", 4, 5, 600)
    _, got = decode_answer(encode_answer(REQUEST, sent))
    assert type(got) is kind
    assert (got.detail, got.session_id, got.seq, got.expected_seq, got.retry_after_ms) == ("why", "s", 4, 5, 600)


def test_a_lost_device_is_told_as_what_clients_know() -> None:
    """Its own class is for inside."""
    _, got = decode_answer(encode_answer(REQUEST, errors.DeviceLost("gone")))
    assert type(got) is errors.WorkerFailed


@pytest.mark.parametrize("change", [{"version": 99}, {"transport": "pigeon"}, {"request": "xyz"}, {"region": [1]}])
def test_a_frame_of_another_make_is_refused(change: dict[str, Any]) -> None:
    """As RecordError, whatever is wrong with it."""
    request = FrameRequest("s", 0, None, b"", None, "http")
    fields = encode_request(request, REQUEST, Origin("c", "", None), None)
    broken = json.dumps(json.loads(fields["job"]) | change).encode()
    with pytest.raises(RecordError):
        decode_request("stream", b"1-0", {b"job": broken, b"picture": fields["picture"]})


@given(st.binary(max_size=64))
@example(bytes(17) + b"0")
def test_garbage_is_no_answer(blob: bytes) -> None:
    """It is refused as RecordError and nothing else."""
    with pytest.raises(RecordError):
        decode_answer(blob)
    with pytest.raises(RecordError):
        decode_request("stream", b"1-0", {b"job": blob})
