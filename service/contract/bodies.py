"""JSON bodies as pydantic models: what writes answers and reads what is asked, and the schemas of the OpenAPI document.

Sessions, clips and model cards travel as their dataclasses are (`kinepose_client`); here is what differs.
"""

from dataclasses import astuple
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, WithJsonSchema

from model.cards import ModelCard
from model.values import LostTrack, Person, RegionSource
from service.contract.messages import (
    ClipInfo,
    DropPolicy,
    FrameResult,
    ModelInfo,
    Outcome,
    SessionInfo,
    SessionOptions,
    Smoothing,
    TrackKinematics,
)
from service.contract.problem import Known, Problem

# What Pose.score means, stated in every reply.
SCORE_KIND: Final = "heatmap_peak"


def _shortest(value: float) -> float:
    # numpy prints a float32 with the fewest digits that read back as the same float32.
    return float(str(np.float32(value)))


Float32 = Annotated[float, PlainSerializer(_shortest)]
"""A float32, written with as few digits as tell it from its neighbours: it survives JSON, taken for a float32 again."""
SeqNumber = Annotated[int, Field(ge=0, description="Number in the session, from 0.")]


class Joint(BaseModel):
    """One joint, in pixels of the upright picture."""

    name: str
    x: Float32
    y: Float32
    score: Float32 = Field(description="Height of the heatmap's peak, 0 to 1; no probability.")


TrackId = Annotated[int, Field(ge=1, description="The person's number, from 1; never used again in the session.")]
Box = Annotated[tuple[float, float, float, float], Field(description="x, y, w, h: the person's own box, pixels.")]


class PersonReply(BaseModel):
    """One person as they were read."""

    track_id: TrackId
    person_score: Float32 = Field(ge=0, le=1, description="How probable it is that somebody is in the region.")
    region: Box
    region_source: RegionSource
    joints: list[Joint]

    @classmethod
    def of(cls, person: Person, joint_names: tuple[str, ...]) -> Self:
        """What is told of this person."""
        rows = zip(joint_names, person.pose.xy_px.tolist(), person.pose.score.tolist(), strict=True)
        joints = [Joint(name=name, x=x, y=y, score=score) for name, (x, y), score in rows]
        return cls(**_members(person, _OF_PERSON), region=astuple(person.region), joints=joints)


class LostReply(BaseModel):
    """Somebody who is not seen now and may come back under the same number."""

    track_id: TrackId
    region: Box

    @classmethod
    def of(cls, lost: LostTrack) -> Self:
        """What is told of this track."""
        return cls(track_id=lost.track_id, region=astuple(lost.region))


class KinematicsReply(BaseModel):
    """What was made of one person's joints: `head_x_filtered`, ... in pixels of the upright picture."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    track_id: TrackId

    @classmethod
    def of(cls, made: TrackKinematics) -> Self:
        """What is told of it."""
        return cls.model_validate({"track_id": made.track_id} | made.values)


class FrameError(BaseModel):
    """Why nothing was read of a frame."""

    code: str | None = Field(description="Stable, for programs: the codes of problem+json.")
    detail: str | None = Field(description="A sentence for people.")
    expected_seq: int | None = Field(default=None, ge=0, exclude_if=lambda seq: seq is None)


class _Reply(BaseModel):
    session_id: str
    seq: SeqNumber
    pts_us: int | None = Field(description="Presentation time as it was sent, microseconds.")
    outcome: Outcome


class ImageReply(BaseModel):
    """The answer for a picture that belongs to no video: that of a frame, without what places it in a session."""

    image_size: tuple[int, int] = Field(description="Width and height of the upright picture, pixels.")
    rotation_applied: int = Field(description="Degrees clockwise by which the stored picture was turned.")
    skeleton: str
    score_kind: Literal["heatmap_peak"] = SCORE_KIND
    people: list[PersonReply] = Field(description="Who is there, by number; empty where nobody is.")
    lost: list[LostReply] = Field(description="Given regions in which nobody is seen, by number.")
    model: ModelInfo

    @classmethod
    def of(cls, result: FrameResult) -> Self:
        """The reply of a result that is ok."""
        people = [PersonReply.of(person, result.joint_names) for person in result.people]
        return cls(**_members(result, _OF_IMAGE), people=people, lost=[LostReply.of(track) for track in result.lost])


class PoseReply(_Reply):
    """The answer for a frame that was read."""

    image_size: tuple[int, int] | None = Field(description="Width and height of the upright picture, pixels.")
    rotation_applied: int = Field(description="Degrees clockwise by which the stored picture was turned.")
    skeleton: str
    score_kind: Literal["heatmap_peak"] = SCORE_KIND
    people: list[PersonReply] = Field(description="Who is there, by number; empty where nobody is.")
    lost: list[LostReply] = Field(description="Who is not seen and may come back, by number.")
    kinematics: Known[list[KinematicsReply]] = Field(default=None, description="Of `people`, where it was asked for.")
    model: ModelInfo

    @classmethod
    def of(cls, result: FrameResult) -> Self:
        """The reply of a result that is ok."""
        people = [PersonReply.of(person, result.joint_names) for person in result.people]
        lost = [LostReply.of(track) for track in result.lost]
        made = [KinematicsReply.of(one) for one in result.kinematics] or None
        return cls(**_members(result, _OF_POSE), people=people, lost=lost, kinematics=made)


class FailedReply(_Reply):
    """The answer for a frame that was not read: `error` stands where picture and people would."""

    error: FrameError
    skeleton: str
    model: ModelInfo

    @classmethod
    def of(cls, result: FrameResult) -> Self:
        """The reply of a result that is not ok."""
        error = FrameError(code=result.error_code, detail=result.error_detail, expected_seq=result.expected_seq)
        return cls(**_members(result, _OF_FRAME), error=error)


# Members that replies and results have in common.
_OF_FRAME = ("session_id", "seq", "pts_us", "outcome", "skeleton", "model")
_OF_POSE = (*_OF_FRAME, "image_size", "rotation_applied")
_OF_IMAGE = ("image_size", "rotation_applied", "skeleton", "model")
_OF_PERSON = ("track_id", "person_score", "region_source")


def _members(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


FrameReply = PoseReply | FailedReply


def frame_reply(result: FrameResult) -> FrameReply:
    """The reply that tells of a frame."""
    return PoseReply.of(result) if result.outcome is Outcome.OK else FailedReply.of(result)


class ClipReply(BaseModel):
    """The answer for a whole clip."""

    clip: ClipInfo
    frames: list[FrameReply]


class JobReply(BaseModel):
    """A clip that is worked on in the background."""

    id: str
    status: Literal["queued", "running", "done", "failed"]
    progress: float | None = Field(description="Share of the frames done; null where the container tells no number.")
    clip: ClipInfo | None
    error: Problem | None


class ClipLinks(BaseModel):
    """Paths of this server's HTTP interface; null where there is nothing to fetch."""

    job: str
    poses: str | None
    overlay: str | None


class FinishedClip(BaseModel):
    """A clip job that has come to its end."""

    id: str
    status: Literal["done", "failed"]
    frames: int = Field(ge=0, description="How many were read.")
    error: Problem | None = Field(description="Why it failed; null where it is done.")
    links: ClipLinks


class ClipFinished(BaseModel):
    """The body of a webhook (Standard Webhooks)."""

    type: Literal["clip.done", "clip.failed"]
    timestamp: datetime = Field(description="When the clip had finished.")
    data: FinishedClip


class ModelsReply(BaseModel):
    """The models of a server."""

    models: list[ModelCard]
    default: str


class StatusReply(BaseModel):
    """The process is well."""

    status: str


_POLICY_SCHEMA = {"enum": [*DropPolicy], "default": DropPolicy.WAIT}

_SMOOTHING_SCHEMA = {"anyOf": [{"enum": [*Smoothing]}, {"type": "null"}]}


class SessionRequest(BaseModel):
    """What a client asks of a session. All members are optional."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: str | None = Field(default=None, strict=True, description="A name from GET /v1/models.")
    drop_policy: Annotated[
        DropPolicy, BeforeValidator(lambda policy: policy or DropPolicy.WAIT), WithJsonSchema(_POLICY_SCHEMA)
    ] = DropPolicy.WAIT
    ttl_s: float | None = Field(default=None, strict=True, gt=0, allow_inf_nan=False, description="Seconds.")
    max_people: int = Field(default=1, strict=True, ge=1, description="How many people are followed.")

    smoothing: Annotated[Smoothing | None, WithJsonSchema(_SMOOTHING_SCHEMA)] = Field(
        default=None, description="Tells smooth joints, too, as `kinematics`."
    )

    def options(self) -> SessionOptions:
        """As the pipeline takes them."""
        return SessionOptions(self.model or None, self.drop_policy, self.ttl_s, self.max_people, self.smoothing)


SESSION: Final = TypeAdapter(SessionInfo)
CLIP: Final = TypeAdapter(ClipInfo)


def one_line(faults: list[Any]) -> str:
    """What `ValidationError.errors()` tells, for people; without what was sent."""
    return "; ".join(f"{'.'.join(str(part)[:40] for part in fault['loc'])}: {fault['msg']}" for fault in faults)[:400]
