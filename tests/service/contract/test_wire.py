"""What goes over the wire comes back as the same value, and what makes no sense is a typed error."""

import json
import math
from dataclasses import asdict, astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.values import Pose, Region
from service.contract import bodies, wire
from service.contract.messages import (
    ClipGap,
    ClipInfo,
    DropPolicy,
    FrameResult,
    GapReason,
    Outcome,
    SessionInfo,
    SessionOptions,
)
from service.errors import BadRegion, BadRequest
from service.pb import pose_pb2 as pb
from tests.service.contract.examples import CARD, MODEL

SEQS = st.integers(0, 2**63 - 1)
TIMES = st.none() | st.integers(-(2**63), 2**63 - 1)
PIXELS = st.floats(width=32, allow_nan=False, allow_infinity=False)
LENGTHS = st.floats(min_value=1e-3, max_value=1e6)
REGIONS = st.builds(Region, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), LENGTHS, LENGTHS)
JOINTS = st.lists(st.tuples(PIXELS, PIXELS, st.floats(0, 1, width=32)), min_size=1, max_size=20)


@st.composite
def results(draw: st.DrawFn) -> FrameResult:
    """Results that are ok, and such that are not."""
    head: dict[str, Any] = {
        "session_id": draw(st.text(min_size=1, max_size=8)),
        "seq": draw(SEQS),
        "pts_us": draw(TIMES),
        "model": MODEL,
        "skeleton": "some",
    }
    outcome = draw(st.sampled_from(Outcome))
    if outcome is not Outcome.OK:
        head |= {"error_code": draw(st.text(min_size=1)), "error_detail": draw(st.text(min_size=1))}
        head["expected_seq"] = draw(st.none() | SEQS)
        return FrameResult(**head, outcome=outcome, joint_names=())
    joints = np.asarray(draw(JOINTS), np.float32)  # [K, 3]
    return FrameResult(
        **head,
        outcome=outcome,
        joint_names=tuple(f"joint{index}" for index in range(len(joints))),
        image_size=(draw(st.integers(1, 2**16)), draw(st.integers(1, 2**16))),
        region=draw(REGIONS),
        rotation_applied=draw(st.sampled_from((0, 90, 180, 270))),
        pose=Pose(joints[:, :2], joints[:, 2]),
    )


def same(one: FrameResult, other: FrameResult) -> bool:
    """Equal in every field, the pose bit for bit."""
    fields = [name for name in FrameResult.__slots__ if name != "pose"]
    if any(getattr(one, name) != getattr(other, name) for name in fields):
        return False
    if one.pose is None or other.pose is None:
        return one.pose is other.pose
    return (
        one.pose.xy_px.tobytes() == other.pose.xy_px.tobytes()
        and one.pose.score.tobytes() == other.pose.score.tobytes()
    )


@given(results())
def test_a_result_survives_json(result: FrameResult) -> None:
    """Through text, every bit of a coordinate included."""
    assert same(wire.result_from_json(json.loads(json.dumps(wire.result_to_json(result)))), result)


@given(results())
def test_a_result_survives_protobuf(result: FrameResult) -> None:
    """Through bytes, every bit of a coordinate included."""
    data = wire.result_to_pb(result).SerializeToString()
    assert same(wire.result_from_pb(pb.PoseResult.FromString(data)), result)


def test_a_result_that_is_not_ok_has_no_joints_in_json() -> None:
    """An error stands where picture and joints would: nobody takes (0, 0) for a joint."""
    result = FrameResult("s", 3, None, Outcome.DROPPED, MODEL, "some", (), error_code="frame_dropped")

    assert "joints" not in wire.result_to_json(result)
    assert wire.result_to_json(result)["error"]["code"] == "frame_dropped"


def test_coordinates_are_written_short() -> None:
    """12.3 as a float32 is 12.300000190734863; the shortest text that reads back the same is sent."""
    pose = Pose(np.asarray([[12.3, 0.1]], np.float32), np.asarray([0.9], np.float32))
    result = FrameResult("s", 0, 0, Outcome.OK, MODEL, "some", ("head",), pose=pose)

    assert wire.result_to_json(result)["joints"] == [{"name": "head", "x": 12.3, "y": 0.1, "score": 0.9}]


OPTIONS = st.builds(
    SessionOptions,
    model=st.none() | st.text(min_size=1),
    drop_policy=st.sampled_from(DropPolicy),
    ttl_s=st.none() | st.floats(min_value=1e-3, max_value=1e9),
)


@given(st.builds(SessionInfo, st.text(), SEQS, st.floats(0, 1e9), st.just(MODEL), OPTIONS))
def test_a_session_survives_both(session: SessionInfo) -> None:
    """JSON and protobuf."""
    assert bodies.SESSION.validate_json(bodies.SESSION.dump_json(session)) == session
    assert wire.session_from_pb(wire.session_to_pb(session)) == session


COUNTS = st.integers(0, 2**40)


GAPS = st.builds(ClipGap, st.none() | SEQS, COUNTS, st.sampled_from(GapReason))
CLIPS = st.builds(
    ClipInfo,
    frames_declared=st.none() | COUNTS,
    frames_decoded=COUNTS,
    frames_emitted=COUNTS,
    duration_us=st.none() | COUNTS,
    codec=st.text(),
    start_us=st.none() | COUNTS,
    pixel_aspect=st.floats(0.125, 8),
    gaps=st.lists(GAPS, max_size=3).map(tuple),
)


@given(CLIPS)
def test_clip_facts_survive_both(clip: ClipInfo) -> None:
    """What is not known stays unknown, and is not 0."""
    assert bodies.CLIP.validate_json(json.dumps(wire.clip_to_json(clip))) == clip
    assert wire.clip_from_pb(wire.clip_to_pb(clip)) == clip


def test_clip_facts_of_an_earlier_build_are_read() -> None:
    """It tells neither start nor aspect nor gaps."""
    known = ClipInfo(48, 47, 46, 1920000, "h264")

    assert (
        wire.clip_from_pb(
            pb.ClipInfo(frames_declared=48, frames_decoded=47, frames_emitted=46, duration_us=1920000, codec="h264")
        )
        == known
    )
    assert (
        bodies.CLIP.validate_python(
            {"frames_declared": 48, "frames_decoded": 47, "frames_emitted": 46, "duration_us": 1920000, "codec": "h264"}
        )
        == known
    )


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False), ("", False), (None, False)])
def test_a_flag_is_read(text: str | None, value: bool) -> None:
    """As people write it."""
    assert wire.flag("strict", text) is value


def test_what_is_no_flag_is_refused() -> None:
    """It might have meant either."""
    with pytest.raises(BadRequest, match="strict"):
        wire.flag("strict", "maybe")


def test_a_model_card_survives_both() -> None:
    """All its fields, tables of accuracy included."""
    listed = bodies.ModelsReply(models=[CARD], default="kimnet-lite")

    assert bodies.MODELS.validate_json(listed.model_dump_json()).models == [CARD]
    assert wire.card_from_pb(wire.card_to_pb(CARD)) == CARD


@given(REGIONS)
def test_a_region_survives_text_and_messages(region: Region) -> None:
    """x,y,w,h as in a query, a JSON list, a message."""
    text = ",".join(str(value) for value in asdict(region).values())

    assert wire.region_from_text(text) == region
    assert wire.region_from_values(astuple(region)) == region
    message = wire.region_to_pb(region)
    assert message is not None
    assert wire.region_from_pb(message) == region


@pytest.mark.parametrize("values", [5, "abcd", [1, 2, 3], [1, 2, 3, None], [0, 0, 0, 1], [math.nan, 0, 1, 1]])
def test_what_is_no_region_is_refused(values: Any) -> None:
    """Not four numbers, not finite, or empty."""
    with pytest.raises(BadRegion):
        wire.region_from_values(values)


def test_no_text_is_no_region() -> None:
    """A client that says nothing lets the person be tracked or found."""
    assert wire.region_from_text(None) is wire.region_from_text("") is None


@pytest.mark.parametrize("value", ["x", "1.5", 1.5, True, "-1", 2**63, [1], {}, "1e3"])
def test_what_is_no_seq_is_refused(value: Any) -> None:
    """A whole number from 0, as text or as a JSON number; nothing else is rounded or guessed."""
    with pytest.raises(BadRequest, match="seq"):
        wire.integer("seq", value, low=0)


@pytest.mark.parametrize(("value", "number"), [("7", 7), (7, 7), (None, None), ("", None), (2**63 - 1, 2**63 - 1)])
def test_a_whole_number_is_read(value: Any, number: int | None) -> None:
    """Text, numbers, and nothing."""
    assert wire.integer("seq", value, low=0) == number


@given(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.text())
)
def test_options_are_read_or_refused(data: Any) -> None:
    """Whatever JSON a client sends, it gets options or a BadRequest."""
    try:
        assert isinstance(wire.options_from_json(json.dumps(data).encode()), SessionOptions)
    except BadRequest:
        assert data != {}  # no options are all defaults


def test_options_of_a_policy_that_nobody_knows_are_refused() -> None:
    """A newer client's enum value is not taken for another one."""
    with pytest.raises(BadRequest):
        wire.options_from_pb(pb.SessionOptions(drop_policy=99))  # type: ignore[arg-type]
