"""Metadata and answers as bytes: JSON with a version; the joints of an answer follow it, bit for bit.

Not the wire form of `service.contract.wire`, which is shaped for clients and leaves out what they do not see.
"""

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from model.values import Pose, Region, RegionSource
from service.contract.messages import DropPolicy, FrameResult, ModelInfo, Outcome, SessionOptions
from service.sessions.store import SessionMeta

VERSION = 1

_END = b"\n"  # JSON as written here has no line breaks.


class RecordError(ValueError):
    """Bytes that this version of Kinepose does not read."""


def encode_meta(meta: SessionMeta) -> bytes:
    """What is fixed when a session is created."""
    return _json(
        {"model": asdict(meta.model), "options": asdict(meta.options), "ttl_s": meta.ttl_s, "owner": meta.owner}
    )


@lru_cache(maxsize=1024)
def decode_meta(blob: bytes) -> SessionMeta:
    """What `encode_meta` was given. Raises RecordError. Every frame reads it, and it never changes: remembered."""
    try:
        data = _parsed(blob)
        options = data["options"] | {"drop_policy": DropPolicy(data["options"]["drop_policy"])}
        return SessionMeta(ModelInfo(**data["model"]), SessionOptions(**options), data["ttl_s"], data.get("owner"))
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"session metadata: {error!r}") from error


def encode_result(result: FrameResult) -> bytes:
    """An answer; about 1 KB with 13 joints."""
    data = {name: getattr(result, name) for name in _PLAIN}
    data["model"] = asdict(result.model)
    region = result.region
    data["region"] = [region.x, region.y, region.w, region.h] if region else None
    data["joints"] = len(result.pose.score) if result.pose else None
    if result.pose is None:
        return _json(data) + _END
    arrays = (result.pose.xy_px, result.pose.score)
    return _json(data) + _END + b"".join(array.astype("<f4").tobytes() for array in arrays)


_PLAIN = (
    "session_id",
    "seq",
    "pts_us",
    "outcome",
    "skeleton",
    "joint_names",
    "image_size",
    "region_source",
    "rotation_applied",
    "error_code",
    "error_detail",
    "expected_seq",
)


def decode_result(blob: bytes) -> FrameResult:
    """What `encode_result` was given. Raises RecordError."""
    try:
        header, _, floats = blob.partition(_END)
        data = _parsed(header)
        joints, size, source = data.pop("joints"), data["image_size"], data["region_source"]
        return FrameResult(
            **data
            | {
                "outcome": Outcome(data["outcome"]),
                "model": ModelInfo(**data["model"]),
                "joint_names": tuple(data["joint_names"]),
                "image_size": (size[0], size[1]) if size else None,
                "region": Region(*data["region"]) if data["region"] else None,
                "region_source": RegionSource(source) if source else None,
                "pose": None if joints is None else _pose(floats, joints),
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"stored answer: {error!r}") from error


def _pose(floats: bytes, joints: int) -> Pose:
    table = np.frombuffer(floats, "<f4").astype(np.float32)
    return Pose(xy_px=table[: 2 * joints].reshape(joints, 2), score=table[2 * joints :])


def _json(data: dict[str, Any]) -> bytes:
    # Numbers of numpy are written as the Python float that they equal.
    return json.dumps({"version": VERSION, **data}, separators=(",", ":"), default=float).encode()


def _parsed(blob: bytes) -> dict[str, Any]:
    data = json.loads(blob)
    if not isinstance(data, dict):
        raise RecordError("expected an object")
    version = data.pop("version")
    if version != VERSION:
        raise RecordError(f"expected version {VERSION}, got {version}")
    return data
