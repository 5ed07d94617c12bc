"""A server's translation between wire forms (JSON, protobuf) and values; a client's is in `kinepose_client`.

`X_to_json`/`X_to_pb` make the wire form of an answer, `X_from_json`/`X_from_pb` read what is asked. What does not parse
raises a `KineposeError`. JSON is that of the models in `bodies`.
"""

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError
from pydantic import ValidationError

from kinepose_client import wire_pb
from kinepose_client.pb import pose_pb2 as pb
from model.cards import ModelCard
from model.values import Person
from service.contract import bodies, regions
from service.contract.messages import (
    ClipInfo,
    EncodedFrame,
    FrameResult,
    ModelInfo,
    Outcome,
    SessionInfo,
    SessionOptions,
)
from service.errors import BadRequest

MAX_DEADLINE_MS = 24 * 3600 * 1000
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

T = TypeVar("T")
Json = dict[str, Any]

# -- frames -----------------------------------------------------------------------------------------------


def result_to_json(result: FrameResult) -> Json:
    """The native reply of a frame."""
    return bodies.frame_reply(result).model_dump(mode="json")


def result_to_pb(result: FrameResult) -> pb.PoseResult:
    """The PoseResult of a frame."""
    message = pb.PoseResult(
        session_id=result.session_id,
        seq=result.seq,
        pts_us=result.pts_us,
        outcome=wire_pb.OUTCOMES[result.outcome],
        skeleton=result.skeleton,
        model=model_to_pb(result.model),
        rotation_applied=result.rotation_applied,
    )
    if result.image_size:
        message.image_size.width, message.image_size.height = result.image_size
    if result.outcome is not Outcome.OK:
        error = pb.FrameError(code=result.error_code or "", detail=result.error_detail or "")
        if result.expected_seq is not None:
            error.expected_seq = result.expected_seq
        message.error.CopyFrom(error)
        return message
    message.score_kind = bodies.SCORE_KIND
    message.people.extend(_person_to_pb(person, result.joint_names) for person in result.people)
    for track in result.lost:
        message.lost.add(track_id=track.track_id, region=wire_pb.region_to_pb(track.region))
    for made in result.kinematics:
        message.kinematics.add(track_id=made.track_id, values=made.values)
    return message


def _person_to_pb(person: Person, joint_names: tuple[str, ...]) -> pb.Person:
    rows = zip(joint_names, person.pose.xy_px.tolist(), person.pose.score.tolist(), strict=True)
    return pb.Person(
        track_id=person.track_id,
        person_score=person.person_score,
        region=wire_pb.region_to_pb(person.region),
        region_source=person.region_source,
        joints=[pb.Joint(name=name, x=x, y=y, score=score) for name, (x, y), score in rows],
    )


@dataclass(frozen=True, slots=True)
class FrameParams:
    """What a client says of a frame beside the picture, as text or as JSON values; None: nothing said."""

    seq: Any = None
    pts_us: Any = None
    region: Any = None
    deadline_ms: Any = None
    regions: Any = None


def frame_from_params(session_id: str, seq: int, image: bytes, params: FrameParams, arrived: float) -> EncodedFrame:
    """A frame with what was said of it; `arrived` is event-loop time. Raises BadRequest, BadRegion."""
    deadline_ms = integer("deadline_ms", params.deadline_ms, low=0, high=MAX_DEADLINE_MS)
    return EncodedFrame(
        session_id=session_id,
        seq=seq,
        image=image,
        pts_us=integer("pts_us", params.pts_us),
        regions=regions.from_params(params.region, params.regions),
        deadline=None if deadline_ms is None else arrived + deadline_ms / 1000,
    )


def frame_from_pb(message: pb.Frame, session_id: str, seq: int, now: float, deadline: float | None) -> EncodedFrame:
    """A frame that arrives now; times are event-loop time, `deadline` is the call's. Raises BadRequest, BadRegion."""
    deadlines = [] if deadline is None else [deadline]
    if message.HasField("deadline_ms"):
        deadlines.append(now + message.deadline_ms / 1000)
    if message.session_id not in ("", session_id):
        raise BadRequest(f"this stream is of session {session_id}, the frame of another one")
    return EncodedFrame(
        session_id=session_id,
        seq=seq,
        image=message.image,
        pts_us=message.pts_us if message.HasField("pts_us") else None,
        regions=regions.from_pb(message),
        deadline=min(deadlines, default=None),
    )


class Messages(Generic[T]):
    """The messages of a client's stream; one that does not parse raises BadRequest, and those behind it can be had."""

    def __init__(self, raw: AsyncIterator[bytes], parse: Callable[[bytes], T]) -> None:
        self._raw = raw  # grpc warns where its iterator is asked for and not read: a client may leave at once
        self._parse = parse

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        return parsed(await anext(self._raw), self._parse)


def parsed(raw: bytes, parse: Callable[[bytes], T]) -> T:
    """A message from its bytes. Raises BadRequest."""
    try:
        return parse(raw)
    except DecodeError as error:
        raise BadRequest("the message does not parse") from error


# -- numbers ----------------------------------------------------------------------------------------------


def integer(name: str, value: Any, *, low: int = -(2**63), high: int = 2**63 - 1) -> int | None:
    """A whole number in [low, high] from text or JSON; None or nothing: None. BadRequest otherwise."""
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = high + 1
    if isinstance(value, bool | float) or not low <= number <= high:
        raise BadRequest(f"{name}: expected a whole number from {low} to {high}, got {str(value)[:40]!r}")
    return number


# -- sessions ---------------------------------------------------------------------------------------------


def options_from_json(body: bytes) -> SessionOptions:
    """Session options from a client; no body is all defaults. BadRequest for names or values that are not known."""
    try:
        return bodies.SessionRequest.model_validate_json(body or b"{}").options()
    except ValidationError as error:
        raise BadRequest(f"session options: {bodies.one_line(error.errors())}") from error


def options_from_pb(message: pb.SessionOptions) -> SessionOptions:
    """Session options from a client; BadRequest for a policy, ttl_s, max_people or smoothing that is none."""
    policy = wire_pb.POLICIES_BACK.get(message.drop_policy)
    if policy is None:
        raise BadRequest(f"drop_policy: {message.drop_policy} is not known")
    if message.smoothing not in wire_pb.SMOOTHINGS_BACK:
        raise BadRequest(f"smoothing: {message.smoothing} is not known")
    ttl_s = message.ttl_s if message.HasField("ttl_s") else None
    if ttl_s is not None and not 0 < ttl_s < math.inf:
        raise BadRequest("ttl_s: expected a number of seconds above 0")
    smoothing = wire_pb.SMOOTHINGS_BACK[message.smoothing]
    return SessionOptions(message.model or None, policy, ttl_s, max_people_from_pb(message), smoothing)


def max_people_from_pb(message: pb.SessionOptions | pb.ClipOptions) -> int:
    """How many people are to be followed; 1 where nothing is said. BadRequest for 0."""
    return max_people(message.max_people if message.HasField("max_people") else None)


def max_people(value: Any) -> int:
    """How many people are to be followed, from text or JSON; 1 where nothing is said. BadRequest."""
    number = integer("max_people", value, low=1, high=2**32 - 1)
    return 1 if number is None else number


def session_to_pb(session: SessionInfo) -> pb.Session:
    """A session as clients see it."""
    return pb.Session(
        session_id=session.session_id,
        next_seq=session.next_seq,
        expires_in_s=session.expires_in_s,
        model=model_to_pb(session.model),
        options=wire_pb.options_to_pb(session.options),
    )


# -- models -----------------------------------------------------------------------------------------------


def model_to_pb(model: ModelInfo) -> pb.Model:
    """Which weights made a result."""
    return pb.Model(name=model.name, version=model.version, sha256=model.sha256)


def card_to_pb(card: ModelCard) -> pb.ModelCard:
    """A model card as a message."""
    tables = {measure: pb.JointPck(percent=table) for measure, table in card.pck_per_joint.items()}
    return pb.ModelCard(**asdict(card) | {"pck_per_joint": tables})


# -- clips ------------------------------------------------------------------------------------------------


def clip_to_json(clip: ClipInfo) -> Json:
    """What is known of a clip."""
    return bodies.CLIP.dump_python(clip, mode="json")  # type: ignore[no-any-return]


def clip_to_pb(clip: ClipInfo) -> pb.ClipInfo:
    """What is known of a clip, as a message."""
    gaps = [pb.ClipGap(after_seq=gap.after_seq, pts_us=gap.pts_us, reason=gap.reason) for gap in clip.gaps]
    return pb.ClipInfo(**{field.name: getattr(clip, field.name) for field in fields(clip)} | {"gaps": gaps})


def flag(name: str, value: str | None) -> bool:
    """Yes or no from a query or a form; nothing is no. BadRequest otherwise."""
    if not value:
        return False
    known = FLAGS.get(value.lower())
    if known is None:
        raise BadRequest(f"{name}: expected true or false, got {value[:40]!r}")
    return known
