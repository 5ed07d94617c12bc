"""What goes over the wire comes back as the same value, and what makes no sense is a typed error."""

import json
import math
from dataclasses import asdict, astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinepose_client import wire_json, wire_pb
from kinepose_client.pb import pose_pb2 as pb
from model.values import LostTrack, Person, Pose, Region, RegionSource
from service.contract import bodies, regions, wire
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
from tests.service.contract.examples import CARD, MODEL
from tests.support.people import person
from tests.support.stores import same

SEQS = st.integers(0, 2**63 - 1)
TIMES = st.none() | st.integers(-(2**63), 2**63 - 1)
PIXELS = st.floats(width=32, allow_nan=False, allow_infinity=False)
LENGTHS = st.floats(min_value=1e-3, max_value=1e6)
REGIONS = st.builds(Region, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), LENGTHS, LENGTHS)
SHARES = st.floats(0, 1, width=32)
TRACK_IDS = st.integers(1, 2**32 - 1)


@st.composite
def people_of(draw: st.DrawFn, joints: int) -> Person:
    """Somebody with so many joints."""
    rows = draw(st.lists(st.tuples(PIXELS, PIXELS, SHARES), min_size=joints, max_size=joints))
    table = np.asarray(rows, np.float32)  # [K, 3]
    pose = Pose(table[:, :2], table[:, 2])
    return Person(draw(TRACK_IDS), draw(SHARES), draw(REGIONS), draw(st.sampled_from(RegionSource)), pose)


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
    count = draw(st.integers(1, 20))
    people = tuple(draw(people_of(count)) for _ in range(draw(st.integers(0, 3))))
    return FrameResult(
        **head,
        outcome=outcome,
        joint_names=tuple(f"joint{index}" for index in range(count)) if people else (),
        image_size=(draw(st.integers(1, 2**16)), draw(st.integers(1, 2**16))),
        rotation_applied=draw(st.sampled_from((0, 90, 180, 270))),
        people=people,
        lost=tuple(draw(st.lists(st.builds(LostTrack, TRACK_IDS, REGIONS), max_size=3))),
    )


@given(results())
def test_a_result_survives_json(result: FrameResult) -> None:
    """Through text, every bit of a coordinate included."""
    assert same(wire_json.result_from_json(json.loads(json.dumps(wire.result_to_json(result)))), result)


@given(results())
def test_a_result_survives_protobuf(result: FrameResult) -> None:
    """Through bytes, every bit of a coordinate included."""
    data = wire.result_to_pb(result).SerializeToString()
    assert same(wire_pb.result_from_pb(pb.PoseResult.FromString(data)), result)


def test_a_result_that_is_not_ok_has_no_joints_in_json() -> None:
    """An error stands where picture and people would: nobody takes it for an empty picture."""
    result = FrameResult("s", 3, None, Outcome.DROPPED, MODEL, "some", (), error_code="frame_dropped")

    assert not {"people", "lost", "joints"} & set(wire.result_to_json(result))
    assert wire.result_to_json(result)["error"]["code"] == "frame_dropped"


def test_coordinates_are_written_short() -> None:
    """12.3 as a float32 is 12.300000190734863; the shortest text that reads back the same is sent."""
    pose = Pose(np.asarray([[12.3, 0.1]], np.float32), np.asarray([0.9], np.float32))
    result = FrameResult("s", 0, 0, Outcome.OK, MODEL, "some", ("head",), people=(person(pose),))

    [told] = wire.result_to_json(result)["people"]
    assert told["joints"] == [{"name": "head", "x": 12.3, "y": 0.1, "score": 0.9}]


def test_nobody_there_is_an_answer_like_any_other() -> None:
    """With the outcome ok and no people; who is lost is told beside it."""
    lost = LostTrack(2, Region(1, 2, 3, 4))
    result = FrameResult("s", 0, 0, Outcome.OK, MODEL, "some", ("head",), image_size=(64, 48), lost=(lost,))

    told = wire.result_to_json(result)
    assert (told["outcome"], told["people"]) == ("ok", [])
    assert told["lost"] == [{"track_id": 2, "region": [1, 2, 3, 4]}]
    message = wire.result_to_pb(result)
    assert (message.outcome, len(message.people), message.HasField("error")) == (pb.OUTCOME_OK, 0, False)
    assert [track.track_id for track in message.lost] == [2]


OPTIONS = st.builds(
    SessionOptions,
    model=st.none() | st.text(min_size=1),
    drop_policy=st.sampled_from(DropPolicy),
    ttl_s=st.none() | st.floats(min_value=1e-3, max_value=1e9),
    max_people=st.integers(1, 2**32 - 1),
)


@given(st.builds(SessionInfo, st.text(), SEQS, st.floats(0, 1e9), st.just(MODEL), OPTIONS))
def test_a_session_survives_both(session: SessionInfo) -> None:
    """JSON and protobuf."""
    assert wire_json.session_from_json(json.loads(bodies.SESSION.dump_json(session))) == session
    assert wire_pb.session_from_pb(wire.session_to_pb(session)) == session


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
    assert wire_json.clip_from_json(json.loads(json.dumps(wire.clip_to_json(clip)))) == clip
    assert wire_pb.clip_from_pb(wire.clip_to_pb(clip)) == clip


def test_clip_facts_of_an_earlier_build_are_read() -> None:
    """It tells neither start nor aspect nor gaps."""
    known = ClipInfo(48, 47, 46, 1920000, "h264")

    assert (
        wire_pb.clip_from_pb(
            pb.ClipInfo(frames_declared=48, frames_decoded=47, frames_emitted=46, duration_us=1920000, codec="h264")
        )
        == known
    )
    assert (
        wire_json.clip_from_json(
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

    assert [wire_json.card_from_json(card) for card in json.loads(listed.model_dump_json())["models"]] == [CARD]
    assert wire_pb.card_from_pb(wire.card_to_pb(CARD)) == CARD


@given(REGIONS)
def test_a_region_survives_text_and_messages(region: Region) -> None:
    """x,y,w,h as in a query, a JSON list, a message."""
    text = ",".join(str(value) for value in asdict(region).values())

    assert regions.region_from_text(text) == region
    assert regions.region_from_values(astuple(region)) == region
    assert wire_pb.region_from_pb(wire_pb.region_to_pb(region)) == region


@pytest.mark.parametrize("values", [5, "abcd", [1, 2, 3], [1, 2, 3, None], [0, 0, 0, 1], [math.nan, 0, 1, 1]])
def test_what_is_no_region_is_refused(values: Any) -> None:
    """Not four numbers, not finite, or empty."""
    with pytest.raises(BadRegion):
        regions.region_from_values(values)


def test_no_text_is_no_region() -> None:
    """A client that says nothing lets the person be tracked or found."""
    assert regions.region_from_text(None) is regions.region_from_text("") is None


@given(st.lists(REGIONS, max_size=16))
def test_several_regions_survive_text_lists_and_messages(sent: list[Region]) -> None:
    """In their order, which is that of the numbers."""
    assert regions.from_params(None, wire_json.regions_to_text(sent)) == tuple(sent)
    assert regions.from_params(None, [list(astuple(region)) for region in sent]) == tuple(sent)
    assert regions.from_pb(pb.Frame(regions=map(wire_pb.region_to_pb, sent))) == tuple(sent)


def test_one_region_may_be_said_alone() -> None:
    """As `region`, or as the only one of `regions`."""
    one = (Region(1, 2, 3, 4),)

    assert regions.from_params("1,2,3,4", None) == regions.from_params([1, 2, 3, 4], None) == one
    assert regions.from_params(None, "1,2,3,4") == one
    assert regions.from_pb(pb.ClipOptions(region=wire_pb.region_to_pb(one[0]))) == one


@pytest.mark.parametrize(
    "said",
    [
        5,
        {},
        "x",
        "1,2,3,4;",
        "1,2,3,4;;1,2,3,4",
        [1, 2, 3, 4],
        [[1, 2, 3]],
        [None],
        [[1, 2, 3, 0]],
        [[1, 2, 3, 4]] * 17,
    ],
)
def test_what_are_no_regions_is_refused(said: Any) -> None:
    """No boxes, one of them none, or more than anybody follows."""
    with pytest.raises(BadRegion):
        regions.from_params(None, said)


def test_region_and_regions_are_not_said_together() -> None:
    """Which of them were the first person's?"""
    with pytest.raises(BadRegion):
        regions.from_params("1,2,3,4", "1,2,3,4")
    with pytest.raises(BadRegion):
        regions.from_pb(pb.Frame(region=pb.Region(w=1, h=1), regions=[pb.Region(w=1, h=1)]))


@pytest.mark.parametrize("value", [0, -1, "x", 1.5, True, 2**32])
def test_what_is_no_number_of_people_is_refused(value: Any) -> None:
    """One, or more."""
    with pytest.raises(BadRequest, match="max_people"):
        wire.max_people(value)
    with pytest.raises(BadRequest, match="max_people"):
        wire.options_from_pb(pb.SessionOptions(max_people=0))


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
