"""The finder on OpenVINO."""

import hashlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors

from model.engines.base import EngineError
from model.engines.openvino_runtime import ov
from model.engines.signature import signature
from model.finder.decode import Heads, Person17, decode
from model.finder.graph import build
from model.values import Array
from model.zoo import BUNDLED, BadWeights

NAME = "movenet-multipose"

PUBLISHED_SIZE = 256
"""Side of the pictures that it was published for, pixels. Any multiple of 32 would do."""

SIZE = 320
"""Side of the pictures that it reads where nothing else is said: it finds more of the people who are small in the frame
than at the published size, at 1.6 times the cost."""


class MultiPoseFinder:
    """A `model.finder.base.Finder` on OpenVINO's CPU plugin.

    Pictures are read one by one: a result does not depend on its batch. The network is compiled for the first of them,
    which waits half a second: a server that follows one person a session does without its 110 MB.

    Args:
        path: of the weights.
        size: side of the pictures.
        threads: CPU threads that share a picture, see `OpenVINOEngine`.

    Raises:
        BadWeights: the file is missing or is no safetensors; by `find`: it is none of the finder.
    """

    def __init__(self, path: Path = BUNDLED / f"{NAME}.safetensors", size: int = SIZE, threads: int = 1) -> None:
        _, sha256 = _read(path)
        how = signature("openvino", ov.get_version(), "cpu", "f32", threads)
        self.digest = hashlib.sha256(f"{sha256} {size} {how}".encode()).hexdigest()[:16]
        self.size = size
        self._path = path
        self._one_at_a_time = threading.Lock()
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": str(threads),
        }

    @cached_property
    def _request(self) -> ov.InferRequest:
        weights, _ = _read(self._path)
        try:
            compiled = ov.Core().compile_model(build(weights, self.size), "CPU", self._settings)
        except KeyError as error:
            raise BadWeights(f"{self._path.name}: {error.args[0]} is missing") from error
        except RuntimeError as error:
            raise EngineError(f"OpenVINO: {error}", sticky=True) from error
        return compiled.create_infer_request()

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """See Finder."""
        for picture in pictures:
            if picture.dtype != np.uint8 or picture.shape != (self.size, self.size, 3):
                expected = f"uint8 {[self.size, self.size, 3]}"
                raise ValueError(f"Finder: expected {expected}, got {picture.dtype} {list(picture.shape)}")
        try:
            with self._one_at_a_time:
                return [decode(self._heads(picture)) for picture in pictures]
        except RuntimeError as error:
            raise EngineError(f"OpenVINO: {error}", sticky=False) from error

    def _heads(self, picture: Array) -> Heads:
        results = self._request.infer([np.ascontiguousarray(picture[None])], share_inputs=False, share_outputs=False)
        return Heads(*(results[port][0] for port in range(len(results))))


def _read(path: Path) -> tuple[dict[str, Array], str]:
    try:
        blob = path.read_bytes()
        return parse_safetensors(blob), hashlib.sha256(blob).hexdigest()
    except (OSError, SafetensorError) as error:
        raise BadWeights(f"{path.name}: not the finder's weights: {error}") from error
