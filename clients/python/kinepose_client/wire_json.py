"""Values from and to JSON: what a client asks, and the answers that it reads.

Members that this version does not know are passed over: a newer server may send them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from kinepose_client.cards import ModelCard
from kinepose_client.messages import (
    ClipGap,
    ClipInfo,
    ClipJob,
    DropPolicy,
    FrameResult,
    GapReason,
    ImageResult,
    ModelInfo,
    Outcome,
    SessionInfo,
    SessionOptions,
    Smoothing,
    TrackKinematics,
)
from kinepose_client.values import LostTrack, Person, Region, RegionSource, pose_of

Json = Mapping[str, Any]

# -- what is asked ----------------------------------------------------------------------------------------


def options_to_json(options: SessionOptions) -> dict[str, Any]:
    """Session options as the body of a request. What is not said is left out: an older server may not know it."""
    return {name: value for name, value in asdict(options).items() if value is not None}


def regions_to_text(regions: Sequence[Region]) -> str | None:
    """As in a query; None where there are none. Every bit of a number survives."""
    texts = (f"{region.x!r},{region.y!r},{region.w!r},{region.h!r}" for region in regions)
    return ";".join(texts) or None


# -- answers ----------------------------------------------------------------------------------------------
# Each raises KeyError, TypeError or ValueError where the object is none of its kind.


def result_from_json(data: Json) -> FrameResult:
    """The result of a frame."""
    head: dict[str, Any] = {
        "session_id": data["session_id"],
        "seq": data["seq"],
        "pts_us": data["pts_us"],
        "outcome": Outcome(data["outcome"]),
        "model": model_from_json(data["model"]),
        "skeleton": data["skeleton"],
    }
    if "error" in data:
        error = data["error"]
        fault = {
            "error_code": error["code"],
            "error_detail": error["detail"],
            "expected_seq": error.get("expected_seq"),
        }
        return FrameResult(**head, **fault, joint_names=())
    made = tuple(_kinematics_from_json(one) for one in data.get("kinematics", ()))
    return FrameResult(**head, **_picture_from_json(data), kinematics=made)


def _kinematics_from_json(data: Json) -> TrackKinematics:
    numbers = {name: value for name, value in data.items() if name != "track_id" and isinstance(value, int | float)}
    values = {name: float(value) for name, value in numbers.items()}
    return TrackKinematics(data["track_id"], values)


def image_from_json(data: Json) -> ImageResult:
    """The result of a picture that belongs to no video."""
    return ImageResult(model=model_from_json(data["model"]), skeleton=data["skeleton"], **_picture_from_json(data))


def _picture_from_json(data: Json) -> dict[str, Any]:
    """What an answer that is ok tells of its picture."""
    people, size = data["people"], data["image_size"]
    return {
        "joint_names": tuple(joint["name"] for joint in people[0]["joints"]) if people else (),
        "image_size": tuple(size) if size is not None else None,
        "rotation_applied": data["rotation_applied"],
        "people": tuple(person_from_json(person) for person in people),
        "lost": tuple(LostTrack(track["track_id"], _region(track["region"])) for track in data["lost"]),
    }


def person_from_json(data: Json) -> Person:
    """One person with their joints."""
    return Person(
        track_id=data["track_id"],
        person_score=float(np.float32(data["person_score"])),
        region=_region(data["region"]),
        region_source=RegionSource(data["region_source"]),
        pose=pose_of((joint["x"], joint["y"], joint["score"]) for joint in data["joints"]),
    )


def _region(box: Sequence[float]) -> Region:
    x, y, w, h = map(float, box)
    return Region(x, y, w, h)


def session_from_json(data: Json) -> SessionInfo:
    """A session."""
    options = _known(SessionOptions, data["options"])
    smoothing = options.get("smoothing")
    return SessionInfo(
        session_id=data["session_id"],
        next_seq=data["next_seq"],
        expires_in_s=data["expires_in_s"],
        model=model_from_json(data["model"]),
        options=SessionOptions(
            **options
            | {"drop_policy": DropPolicy(options["drop_policy"]), "smoothing": smoothing and Smoothing(smoothing)}
        ),
    )


def model_from_json(data: Json) -> ModelInfo:
    """Which weights made a result."""
    return ModelInfo(**_known(ModelInfo, data))


def card_from_json(data: Json) -> ModelCard:
    """A model card."""
    return ModelCard(**_known(ModelCard, data))


def clip_from_json(data: Json) -> ClipInfo:
    """What is known of a clip. A server of an earlier build tells neither start nor aspect nor gaps."""
    gaps = tuple(ClipGap(gap["after_seq"], gap["pts_us"], GapReason(gap["reason"])) for gap in data.get("gaps", ()))
    return ClipInfo(**_known(ClipInfo, data) | {"gaps": gaps})


def job_from_json(data: Json) -> ClipJob:
    """A clip in the background."""
    clip, error = data["clip"], data["error"] or {}
    return ClipJob(
        id=data["id"],
        status=data["status"],
        progress=data["progress"],
        clip=None if clip is None else clip_from_json(clip),
        error_code=error.get("code"),
        error_detail=error.get("detail"),
    )


def _known(kind: type, data: Json) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in data.items() if name in names}
