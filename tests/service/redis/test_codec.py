"""What goes through Redis as bytes: metadata, stored answers, frames and answers on their way."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.values import Frame, Region
from service import errors
from service.contract.messages import FrameResult, Outcome, TrackKinematics
from service.errors import KineposeError
from service.pipeline.request import ClipFile, FrameRequest
from service.redis.codec import (
    VERSION,
    ClipPart,
    Origin,
    RecordError,
    Wanted,
    decode_answer,
    decode_meta,
    decode_request,
    decode_result,
    encode_answer,
    encode_record,
    encode_request,
)
from tests.support.stores import MODEL, meta, person, result, same

REQUEST = bytes(range(16))
ANSWER_SHA256 = "cd4ab3842eb461ecf6c986e3cf17d15caa561081cefb714cc4fc3596bb77e00c"
META_SHA256 = "9c96851c6b5d0fd9adc6344be20b64a0e0808a57ac81904d048dcb74334e67bd"
JOB_SHA256 = "8d87bd847481bfb371377cd985f453e8dcdbec4cd31fcc22965e15fb0e964b96"
NOT_READ: dict[str, Any] = {"people": (), "lost": ()}
seqs = st.integers(0, 2**63 - 1)
times = st.none() | st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(-1e6, 1e6)
sizes = st.floats(1e-3, 1e6)
regions = st.lists(st.builds(Region, numbers, numbers, sizes, sizes), max_size=3).map(tuple)
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
    boxes: tuple[Region, ...],
    transport: Any,
    streamed: bool,
    budget_ms: int | None,
    origin: Origin,
) -> None:
    """Every number and every pixel, with where it came from."""
    request = FrameRequest(session, seq, pts_us, picture, boxes, transport, streamed=streamed)
    fields = {name.encode(): blob for name, blob in encode_request(request, REQUEST, origin, budget_ms).items()}
    sent = decode_request("stream", b"1-0", fields)
    assert (sent.origin, sent.budget_ms) == (origin, budget_ms)
    got = sent.request
    names = ("session_id", "seq", "pts_us", "regions", "transport", "streamed")
    assert [getattr(got, name) for name in names] == [getattr(request, name) for name in names]
    assert got.delivery is not None
    assert (got.delivery.place, got.delivery.reply_id) == (("stream", b"1-0"), REQUEST)
    if isinstance(picture, Frame):
        assert isinstance(got.picture, Frame)
        assert np.array_equal(got.picture.rgb, picture.rgb)
        assert (got.picture.rotation_applied, got.picture.pts_us) == (picture.rotation_applied, pts_us)
    else:
        assert got.picture == picture


@given(st.integers(0, 2**40), st.binary(), st.integers(0, 2**40))
def test_a_part_of_a_clip_comes_out_as_it_went_in(offset: int, data: bytes, more: int) -> None:
    """In the place of the frame's pixels, which do not travel."""
    part = ClipPart(offset + len(data) + more, offset, data)
    frame = Frame(np.zeros((9, 9, 3), np.uint8), pts_us=7)
    request = FrameRequest("s", 3, 7, frame, (), "clip", clip=ClipFile(Path("clip.mp4"), part.size))
    fields = encode_request(request, REQUEST, Origin("c", "", None), None, part)
    sent = decode_request("stream", b"1-0", {name.encode(): blob for name, blob in fields.items()})
    assert sent.part == part
    assert (sent.request.seq, sent.request.pts_us, sent.request.picture, sent.request.clip) == (3, 7, b"", None)


@pytest.mark.parametrize("place", [(2, 0), (3, 1), (-1, 0), (3, -1)])
def test_a_part_that_lies_outside_its_file_is_refused(place: tuple[int, int]) -> None:
    """Three bytes of a file of two, or behind its end, or before its beginning."""
    request = FrameRequest("s", 0, None, b"", (), "clip")
    fields = encode_request(request, REQUEST, Origin("c", "", None), None, ClipPart(*place, b"abc"))
    with pytest.raises(RecordError):
        decode_request("stream", b"1-0", {name.encode(): blob for name, blob in fields.items()})


@pytest.mark.parametrize("wanted", [Wanted(None), Wanted(0), Wanted(2**40)])
def test_what_a_worker_wants_of_a_clip_is_answered_as_it_is(wanted: Wanted) -> None:
    """A place in its file, or pixels."""
    assert decode_answer(encode_answer(REQUEST, wanted)) == (REQUEST, wanted)


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


@pytest.mark.parametrize(
    "change",
    [{"transport": "pigeon"}, {"request": "xyz"}, {"regions": [{"x": 1}]}, {"seq": None}, {"more": 1}, {"frame": 1}],
)
def test_a_frame_of_another_make_is_refused(change: dict[str, Any]) -> None:
    """As RecordError, whatever is wrong with it."""
    fields = sent_fields()
    job = msgspec.msgpack.decode(fields[b"job"][1:])
    assert decode_request("stream", b"1-0", fields | {b"job": fields[b"job"][:1] + msgspec.msgpack.encode(job)})
    broken = fields[b"job"][:1] + msgspec.msgpack.encode(job | change)
    with pytest.raises(RecordError):
        decode_request("stream", b"1-0", fields | {b"job": broken})


@pytest.mark.parametrize("shape", [(-1, 6, 3), (0, 6, 3), (4, 0, 3)])
def test_a_picture_without_pixels_is_refused(shape: tuple[int, int, int]) -> None:
    """numpy takes a negative number of rows for as many as there are: none."""
    fields = sent_fields()
    job = msgspec.msgpack.decode(fields[b"job"][1:]) | {"frame": {"shape": shape, "rotation": 0}}
    with pytest.raises(RecordError):
        decode_request("stream", b"1-0", fields | {b"job": fields[b"job"][:1] + msgspec.msgpack.encode(job)})


def sent_fields() -> dict[bytes, bytes]:
    """A stream's entry."""
    request = FrameRequest("s", 0, None, b"", (), "http")
    fields = encode_request(request, REQUEST, Origin("c", "", None), None)
    return {name.encode(): blob for name, blob in fields.items()}


@pytest.mark.parametrize("version", [0, 1, VERSION + 1, 255])
def test_records_of_other_versions_are_refused_by_their_version(version: int) -> None:
    """Whatever follows it."""
    fields = sent_fields()
    other = {b"job": bytes([version]) + fields[b"job"][1:], b"picture": b""}
    with pytest.raises(RecordError, match=f"version {VERSION}"):
        decode_request("stream", b"1-0", other)
    with pytest.raises(RecordError, match=f"version {VERSION}"):
        decode_result(bytes([version]) + encode_record(result("s", 0))[1:])
    with pytest.raises(RecordError, match=f"version {VERSION}"):
        decode_answer(REQUEST + b"R" + bytes([version]) + encode_record(result("s", 0))[1:])


def test_pixels_that_do_not_fill_their_frame_are_refused() -> None:
    """One too few, and a shape that no picture has."""
    frame = Frame(np.zeros((2, 3, 3), np.uint8))
    fields = encode_request(FrameRequest("s", 0, None, frame, (), "clip"), REQUEST, Origin("c", "", None), None)
    with pytest.raises(RecordError):
        decode_request("stream", b"1-0", {b"job": fields["job"], b"picture": fields["picture"][1:]})


@given(st.binary(max_size=64))
@example(bytes(17) + b"0")
@example(bytes([VERSION]) + b"\xc1")
def test_garbage_is_no_answer_and_no_record(blob: bytes) -> None:
    """It is refused as RecordError and nothing else."""
    for refused in (blob, bytes([VERSION]) + blob):
        with pytest.raises(RecordError):
            decode_answer(REQUEST + refused)
        with pytest.raises(RecordError):
            decode_answer(REQUEST + b"E" + refused)
        with pytest.raises(RecordError):
            decode_request("stream", b"1-0", {b"job": refused, b"picture": b""})
        for decode in (decode_meta, decode_result):
            with pytest.raises(RecordError):
                decode(refused)


def test_a_record_stays_what_it_is() -> None:
    """Byte for byte: another form of any field needs another version."""
    joints = np.array([[0.5, 1, 2]], np.float32)
    answer = replace(result("s", 1, 40_000), joint_names=("head",), people=(person(joints),))
    assert sha256(encode_record(answer)).hexdigest() == ANSWER_SHA256
    assert sha256(encode_record(meta())).hexdigest() == META_SHA256
    assert sha256(sent_fields()[b"job"]).hexdigest() == JOB_SHA256


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pts_us": -(2**63)},
        {"kinematics": (TrackKinematics(1, {"head_x_filtered": 1 / 3}), TrackKinematics(2, {}))},
        {"image_size": None, "people": ()},
        {
            "outcome": Outcome.ERROR,
            "people": (),
            "lost": (),
            "error_code": "bad_image",
            "error_detail": "line 1\nline 2 é",
        },
        NOT_READ | {"outcome": Outcome.DROPPED, "expected_seq": 2**62},
    ],
)
def test_stored_answer_comes_back_whole(changes: dict[str, Any]) -> None:
    """Every field, and the joints bit for bit."""
    answer = replace(result("a", 3), **changes)
    assert same(decode_result(encode_record(answer)), answer)


def test_joints_that_are_no_numbers_come_back_too() -> None:
    """Infinities and NaN keep their bits."""
    answer = result("a", 0)
    answer.people[1].pose.xy_px[:, 0] = [np.nan, np.inf, -0.0]
    assert same(decode_result(encode_record(answer)), answer)


@pytest.mark.parametrize("blob", [b"", b"{}", b"[1]", b'{"version":2}', b'{"version":1}', b"\xff", b"null"])
def test_bytes_that_are_no_record_are_refused(blob: bytes) -> None:
    """With one kind of error."""
    for decode in (decode_meta, decode_result):
        with pytest.raises(RecordError):
            decode(blob)


def test_record_cut_short_is_refused() -> None:
    """The joints have to be all there."""
    blob = encode_record(result("a", 0))
    with pytest.raises(RecordError):
        decode_result(blob[:-1])
    with pytest.raises(RecordError):
        decode_result(blob[:-4])
    assert same(decode_meta(encode_record(meta())), meta())
    assert isinstance(decode_result(blob), FrameResult)
    assert decode_result(blob).model == MODEL
