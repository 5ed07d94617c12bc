"""JSON bodies as pydantic models: what writes and reads them, and the schemas of the OpenAPI document.

Sessions, clips and model cards travel as their dataclasses are (`messages`, `model.cards`); here is what differs.
"""

from dataclasses import astuple
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, WithJsonSchema

from model.cards import ModelCard
from model.values import Pose, Region, RegionSource
from service.contract.messages import ClipInfo, DropPolicy, FrameResult, ModelInfo, Outcome, SessionInfo, SessionOptions
from service.contract.problem import Problem

# What Pose.score means, stated in every reply.
SCORE_KIND: Final = "heatmap_peak"


def _shortest(value: float) -> float:
    # numpy prints a float32 with the fewest digits that read back as the same float32.
    return float(str(np.float32(value)))


Float32 = Annotated[float, PlainSerializer(_shortest)]
"""A float32, written with as few digits as tell it from its neighbours: it survives JSON bit for bit."""
SeqNumber = Annotated[int, Field(ge=0, description="Number in the session, from 0.")]


class Joint(BaseModel):
    """One joint, in pixels of the upright picture."""

    name: str
    x: Float32
    y: Float32
    score: Float32 = Field(description="Height of the heatmap's peak, 0 to 1; no probability.")


class FrameError(BaseModel):
    """Why a frame has no joints."""

    code: str | None = Field(description="Stable, for programs: the codes of problem+json.")
    detail: str | None = Field(description="A sentence for people.")
    expected_seq: int | None = Field(default=None, ge=0, exclude_if=lambda seq: seq is None)


class _Reply(BaseModel):
    session_id: str
    seq: SeqNumber
    pts_us: int | None = Field(description="Presentation time as it was sent, microseconds.")
    outcome: Outcome


class PoseReply(_Reply):
    """The answer for a frame with joints."""

    image_size: tuple[int, int] | None = Field(description="Width and height of the upright picture, pixels.")
    region: tuple[float, float, float, float] | None = Field(description="x, y, w, h: where the person was read.")
    region_source: RegionSource | None
    rotation_applied: int = Field(description="Degrees clockwise by which the stored picture was turned.")
    skeleton: str
    score_kind: Literal["heatmap_peak"] = SCORE_KIND
    joints: list[Joint]
    model: ModelInfo

    @classmethod
    def of(cls, result: FrameResult, pose: Pose) -> Self:
        """The reply of a result with this pose."""
        rows = zip(result.joint_names, pose.xy_px.tolist(), pose.score.tolist(), strict=True)
        joints = [Joint(name=name, x=x, y=y, score=score) for name, (x, y), score in rows]
        region = astuple(result.region) if result.region else None
        return cls(**_members(result, _OF_POSE), region=region, joints=joints)

    def result(self) -> FrameResult:
        """What `of` was made from."""
        table = np.asarray([(joint.x, joint.y, joint.score) for joint in self.joints], np.float32)  # [K, 3]
        return FrameResult(
            **_members(self, _OF_POSE),
            joint_names=tuple(joint.name for joint in self.joints),
            region=Region(*self.region) if self.region else None,
            pose=Pose(xy_px=table[:, :2], score=table[:, 2]),
        )


class FailedReply(_Reply):
    """The answer for a frame without joints: `error` stands where picture and joints would."""

    error: FrameError
    skeleton: str
    model: ModelInfo

    @classmethod
    def of(cls, result: FrameResult) -> Self:
        """The reply of a result without a pose."""
        error = FrameError(code=result.error_code, detail=result.error_detail, expected_seq=result.expected_seq)
        return cls(**_members(result, _OF_FRAME), error=error)

    def result(self) -> FrameResult:
        """What `of` was made from."""
        code, detail, expected_seq = self.error.code, self.error.detail, self.error.expected_seq
        fault: dict[str, Any] = {"error_code": code, "error_detail": detail, "expected_seq": expected_seq}
        return FrameResult(**_members(self, _OF_FRAME), **fault, joint_names=())


# Members that replies and results have in common.
_OF_FRAME = ("session_id", "seq", "pts_us", "outcome", "skeleton", "model")
_OF_POSE = (*_OF_FRAME, "image_size", "region_source", "rotation_applied")


def _members(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


FrameReply = PoseReply | FailedReply


def frame_reply(result: FrameResult) -> FrameReply:
    """The reply that tells of a frame."""
    return FailedReply.of(result) if result.pose is None else PoseReply.of(result, result.pose)


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


class ModelsReply(BaseModel):
    """The models of a server."""

    models: list[ModelCard]
    default: str


class StatusReply(BaseModel):
    """The process is well."""

    status: str


_POLICY_SCHEMA = {"enum": [*DropPolicy], "default": DropPolicy.WAIT}


class SessionRequest(BaseModel):
    """What a client asks of a session. All members are optional."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: str | None = Field(default=None, strict=True, description="A name from GET /v1/models.")
    drop_policy: Annotated[
        DropPolicy, BeforeValidator(lambda policy: policy or DropPolicy.WAIT), WithJsonSchema(_POLICY_SCHEMA)
    ] = DropPolicy.WAIT
    ttl_s: float | None = Field(default=None, strict=True, gt=0, allow_inf_nan=False, description="Seconds.")

    def options(self) -> SessionOptions:
        """As the pipeline takes them."""
        return SessionOptions(self.model or None, self.drop_policy, self.ttl_s)


FRAME: Final = TypeAdapter[FrameReply](FrameReply)
SESSION: Final = TypeAdapter(SessionInfo)
OPTIONS: Final = TypeAdapter(SessionOptions)
CLIP: Final = TypeAdapter(ClipInfo)
MODELS: Final = TypeAdapter(ModelsReply)


def one_line(faults: list[Any]) -> str:
    """What `ValidationError.errors()` tells, for people; without what was sent."""
    return "; ".join(f"{'.'.join(str(part)[:40] for part in fault['loc'])}: {fault['msg']}" for fault in faults)[:400]
