"""Values from and to protobuf messages.

Here is what a client does: it writes what is asked and reads answers. A server's half is `service.contract.wire`.
"""

from dataclasses import fields

from kinepose_client.cards import ModelCard
from kinepose_client.errors import BadRegion
from kinepose_client.messages import (
    ClipGap,
    ClipInfo,
    DropPolicy,
    FrameResult,
    GapReason,
    ModelInfo,
    Outcome,
    SessionInfo,
    SessionOptions,
    Smoothing,
    TrackKinematics,
)
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.values import LostTrack, Person, Region, RegionSource, pose_of

OUTCOMES = {
    Outcome.OK: pb.OUTCOME_OK,
    Outcome.DROPPED: pb.OUTCOME_DROPPED,
    Outcome.EXPIRED: pb.OUTCOME_EXPIRED,
    Outcome.ERROR: pb.OUTCOME_ERROR,
}
_OUTCOMES_BACK = {number: outcome for outcome, number in OUTCOMES.items()}

POLICIES = {
    DropPolicy.WAIT: pb.DROP_POLICY_WAIT,
    DropPolicy.DROP_OLDEST: pb.DROP_POLICY_DROP_OLDEST,
    DropPolicy.DROP_LATEST: pb.DROP_POLICY_DROP_LATEST,
}
POLICIES_BACK = {pb.DROP_POLICY_UNSPECIFIED: DropPolicy.WAIT} | {v: k for k, v in POLICIES.items()}

SMOOTHINGS = {None: pb.SMOOTHING_UNSPECIFIED, Smoothing.ONE_EURO: pb.SMOOTHING_ONE_EURO}
SMOOTHINGS_BACK = {number: smoothing for smoothing, number in SMOOTHINGS.items()}

# -- what is asked ----------------------------------------------------------------------------------------


def region_to_pb(region: Region) -> pb.Region:
    """A Region message."""
    return pb.Region(x=region.x, y=region.y, w=region.w, h=region.h)


def options_to_pb(options: SessionOptions) -> pb.SessionOptions:
    """Session options as a message."""
    return pb.SessionOptions(
        model=options.model or "",
        drop_policy=POLICIES[options.drop_policy],
        ttl_s=options.ttl_s,
        max_people=options.max_people,
        smoothing=SMOOTHINGS[options.smoothing],
    )


# -- answers ----------------------------------------------------------------------------------------------


def region_from_pb(message: pb.Region) -> Region:
    """The box of a Region message. Raises BadRegion."""
    try:
        return Region(message.x, message.y, message.w, message.h)
    except ValueError as error:
        raise BadRegion(str(error)) from error


def result_from_pb(message: pb.PoseResult) -> FrameResult:
    """The result of a frame. Not for the last message of a clip, which is no frame."""
    size = message.image_size
    failed = message.HasField("error")
    return FrameResult(
        session_id=message.session_id,
        seq=message.seq,
        pts_us=message.pts_us if message.HasField("pts_us") else None,
        outcome=_OUTCOMES_BACK[message.outcome],
        model=model_from_pb(message.model),
        skeleton=message.skeleton,
        joint_names=tuple(joint.name for joint in message.people[0].joints) if message.people else (),
        image_size=(size.width, size.height) if message.HasField("image_size") else None,
        rotation_applied=message.rotation_applied,
        people=tuple(_person_from_pb(person) for person in message.people),
        lost=tuple(LostTrack(track.track_id, region_from_pb(track.region)) for track in message.lost),
        kinematics=tuple(TrackKinematics(made.track_id, dict(made.values)) for made in message.kinematics),
        error_code=message.error.code if failed else None,
        error_detail=message.error.detail if failed else None,
        expected_seq=message.error.expected_seq if message.error.HasField("expected_seq") else None,
    )


def _person_from_pb(message: pb.Person) -> Person:
    return Person(
        track_id=message.track_id,
        person_score=message.person_score,
        region=region_from_pb(message.region),
        region_source=RegionSource(message.region_source),
        pose=pose_of((joint.x, joint.y, joint.score) for joint in message.joints),
    )


def options_from_pb(message: pb.SessionOptions) -> SessionOptions:
    """The options of a session, as the server took them."""
    return SessionOptions(
        model=message.model or None,
        drop_policy=POLICIES_BACK[message.drop_policy],
        ttl_s=message.ttl_s if message.HasField("ttl_s") else None,
        max_people=message.max_people if message.HasField("max_people") else 1,
        smoothing=SMOOTHINGS_BACK[message.smoothing],
    )


def session_from_pb(message: pb.Session) -> SessionInfo:
    """A session."""
    return SessionInfo(
        session_id=message.session_id,
        next_seq=message.next_seq,
        expires_in_s=message.expires_in_s,
        model=model_from_pb(message.model),
        options=options_from_pb(message.options),
    )


def model_from_pb(message: pb.Model) -> ModelInfo:
    """Which weights made a result."""
    return ModelInfo(name=message.name, version=message.version, sha256=message.sha256)


_CARD_FIELDS = tuple(field.name for field in fields(ModelCard))


def card_from_pb(message: pb.ModelCard) -> ModelCard:
    """A model card."""
    values = {name: getattr(message, name) for name in _CARD_FIELDS}
    values["pck"] = dict(message.pck)
    values["data_licences"] = dict(message.data_licences)
    values["pck_per_joint"] = {name: dict(table.percent) for name, table in message.pck_per_joint.items()}
    return ModelCard(**values)


def clip_from_pb(message: pb.ClipInfo) -> ClipInfo:
    """What is known of a clip. A server of an earlier build tells neither start nor aspect nor gaps."""
    return ClipInfo(
        frames_declared=message.frames_declared if message.HasField("frames_declared") else None,
        frames_decoded=message.frames_decoded,
        frames_emitted=message.frames_emitted,
        duration_us=message.duration_us if message.HasField("duration_us") else None,
        codec=message.codec,
        start_us=message.start_us if message.HasField("start_us") else None,
        pixel_aspect=message.pixel_aspect or 1.0,
        gaps=tuple(_gap_from_pb(gap) for gap in message.gaps),
    )


def _gap_from_pb(message: pb.ClipGap) -> ClipGap:
    after_seq = message.after_seq if message.HasField("after_seq") else None
    return ClipGap(after_seq, message.pts_us, GapReason(message.reason))
