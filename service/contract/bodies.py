"""JSON bodies as pydantic models: what writes and reads them, and the schemas of the OpenAPI document.

Sessions, clips and model cards travel as their dataclasses are (`messages`, `model.cards`); here is what differs.
"""

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


class PoseReply(BaseModel):
    """The answer for a frame with joints."""

    session_id: str
    seq: SeqNumber
    pts_us: int | None = Field(description="Presentation time as it was sent, microseconds.")
    outcome: Outcome
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
        region = result.region
        rows = zip(result.joint_names, pose.xy_px.tolist(), pose.score.tolist(), strict=True)
        return cls(
            session_id=result.session_id,
            seq=result.seq,
            pts_us=result.pts_us,
            outcome=result.outcome,
            image_size=result.image_size,
            region=(region.x, region.y, region.w, region.h) if region else None,
            region_source=result.region_source,
            rotation_applied=result.rotation_applied,
            skeleton=result.skeleton,
            joints=[Joint(name=name, x=x, y=y, score=score) for name, (x, y), score in rows],
            model=result.model,
        )

    def result(self) -> FrameResult:
        """What `of` was made from."""
        table = np.asarray([(joint.x, joint.y, joint.score) for joint in self.joints], np.float32)  # [K, 3]
        return FrameResult(
            session_id=self.session_id,
            seq=self.seq,
            pts_us=self.pts_us,
            outcome=self.outcome,
            model=self.model,
            skeleton=self.skeleton,
            joint_names=tuple(joint.name for joint in self.joints),
            image_size=self.image_size,
            region=Region(*self.region) if self.region else None,
            region_source=self.region_source,
            rotation_applied=self.rotation_applied,
            pose=Pose(xy_px=table[:, :2], score=table[:, 2]),
        )


class FailedReply(BaseModel):
    """The answer for a frame without joints: `error` stands where picture and joints would."""

    session_id: str
    seq: SeqNumber
    pts_us: int | None
    outcome: Outcome
    error: FrameError
    skeleton: str
    model: ModelInfo

    @classmethod
    def of(cls, result: FrameResult) -> Self:
        """The reply of a result without a pose."""
        error = FrameError(code=result.error_code, detail=result.error_detail, expected_seq=result.expected_seq)
        return cls(
            session_id=result.session_id,
            seq=result.seq,
            pts_us=result.pts_us,
            outcome=result.outcome,
            error=error,
            skeleton=result.skeleton,
            model=result.model,
        )

    def result(self) -> FrameResult:
        """What `of` was made from."""
        return FrameResult(
            session_id=self.session_id,
            seq=self.seq,
            pts_us=self.pts_us,
            outcome=self.outcome,
            model=self.model,
            skeleton=self.skeleton,
            joint_names=(),
            error_code=self.error.code,
            error_detail=self.error.detail,
            expected_seq=self.error.expected_seq,
        )


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
