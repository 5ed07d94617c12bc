"""The finder: people in whole pictures, with boxes, rough joints and scores."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors

from model.coords import input_to_frame
from model.engines.base import EngineError
from model.engines.signature import signature
from model.finder.decode import Heads, Person17, decode
from model.finder.graph import build
from model.values import Array, FrameTransform, Region
from model.zoo import BUNDLED, BadWeights

# See model/engines/openvino_engine.py: OpenVINO would report its use over the network.
cast(dict[str, ModuleType | None], sys.modules).setdefault("openvino_telemetry", None)

import openvino as ov  # type: ignore[import-untyped]  # noqa: E402

NAME = "movenet-multipose"

SIZE = 256
"""Side of the pictures that it reads, pixels. Any multiple of 32 would do."""

_MIN_SIDE = 4.0

_BODY = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
"""Shoulders to ankles among COCO's joints: in the order of `kinepose13`, whose head comes before them."""
_EARS = (3, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Somebody in a frame.

    Attributes:
        region: their box, frame pixels; it ends at the edge of the window that they were found in.
        xy: float64 [13, 2], joints in the order of `kinepose13`, frame pixels; rough.
        score: 0..1; not calibrated.
    """

    region: Region
    xy: Array
    score: float


class Finder(Protocol):
    """Finds people in pictures. `find` blocks and may be called from one thread at a time."""

    digest: str
    """Of the weights and of all else that its numbers depend on."""

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """People of each picture uint8 [SIZE, SIZE, 3], RGB, the clearest first.

        Raises:
            EngineError: the device failed.
        """
        ...


class MultiPoseFinder:
    """A Finder on OpenVINO's CPU plugin. Pictures are read one by one: a result does not depend on its batch.

    Args:
        path: of the weights.
        size: side of the pictures.
        threads: how many CPU threads it may use; 0 leaves the choice to OpenVINO.

    Raises:
        BadWeights: the file is missing or is none of the finder.
        EngineError: OpenVINO cannot compile the network.
    """

    def __init__(self, path: Path = BUNDLED / f"{NAME}.safetensors", size: int = SIZE, threads: int = 0) -> None:
        weights, sha256 = _read(path)
        how = signature("openvino", ov.get_version(), "cpu", "f32")
        self.digest = hashlib.sha256(f"{sha256} {size} {how}".encode()).hexdigest()[:16]
        self._size = size
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": str(threads),
        }
        try:
            self._request = ov.Core().compile_model(build(weights, size), "CPU", settings).create_infer_request()
        except KeyError as error:
            raise BadWeights(f"{path.name}: {error.args[0]} is missing") from error
        except RuntimeError as error:
            raise EngineError(f"OpenVINO: {error}", sticky=True) from error

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """See Finder."""
        for picture in pictures:
            if picture.dtype != np.uint8 or picture.shape != (self._size, self._size, 3):
                expected = f"uint8 {[self._size, self._size, 3]}"
                raise ValueError(f"Finder: expected {expected}, got {picture.dtype} {list(picture.shape)}")
        try:
            return [decode(self._heads(picture)) for picture in pictures]
        except RuntimeError as error:
            raise EngineError(f"OpenVINO: {error}", sticky=False) from error

    def _heads(self, picture: Array) -> Heads:
        results = self._request.infer([np.ascontiguousarray(picture[None])], share_inputs=False, share_outputs=False)
        return Heads(*(results[port][0] for port in range(len(results))))


def to_frame(person: Person17, window: FrameTransform) -> Found:
    """A person of a window, in frame pixels."""

    def points(shares: Array) -> Array:
        return input_to_frame(shares * window.input_size - 0.5, window)

    joints = points(person.xy)
    xy = np.concatenate([joints[_EARS, :].mean(axis=0, keepdims=True), joints[_BODY, :]])
    corners = points(person.box.reshape(2, 2))
    low, high = corners.min(axis=0), corners.max(axis=0)  # a turned window swaps them
    w, h = np.maximum(high - low, _MIN_SIDE)
    return Found(Region(float(low[0]), float(low[1]), float(w), float(h)), xy, person.score)


def _read(path: Path) -> tuple[dict[str, Array], str]:
    try:
        blob = path.read_bytes()
        return parse_safetensors(blob), hashlib.sha256(blob).hexdigest()
    except (OSError, SafetensorError) as error:
        raise BadWeights(f"{path.name}: not the finder's weights: {error}") from error
