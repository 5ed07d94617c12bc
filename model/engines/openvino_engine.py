"""KIMNet on OpenVINO (CPU): two compiled graphs, one for a session's first frame and one for every later."""

import copy
import sys
import warnings
from types import ModuleType
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from model.engines.base import EngineError, ModelInput, ModelOutput
from model.engines.inputs import check_inputs
from model.engines.signature import signature
from model.kimnet import Encoded, KIMNet, Maps
from model.values import Array

# OpenVINO reports its use over the network from the moment of its import, if it finds this package. A service
# that handles pictures of people calls nobody.
cast(dict[str, ModuleType | None], sys.modules).setdefault("openvino_telemetry", None)

import openvino as ov  # type: ignore[import-untyped]  # noqa: E402
from openvino.frontend import GeneralFailure, OpConversionFailure  # type: ignore[import-untyped]  # noqa: E402


class OpenVINOEngine:
    """An Engine on OpenVINO's CPU plugin. Frames are read one by one: a result does not depend on its batch.

    Args:
        network: what to convert; a copy of it is.
        precision: "f32" holds also on a CPU whose matrix units would make OpenVINO choose bfloat16 by itself.
        threads: how many CPU threads it may use; 0 leaves the choice to OpenVINO.

    Raises:
        EngineError: OpenVINO cannot convert or compile the network.
    """

    device = "cpu"

    def __init__(self, network: KIMNet, precision: Literal["f32", "bf16"] = "f32", threads: int = 0) -> None:
        self.config = network.config
        self.signature = signature("openvino", ov.get_version(), self.device, precision)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": str(threads),
        }
        # A copy, because OpenVINO's constants may share memory with the tensors that they come from.
        own = copy.deepcopy(network).cpu().eval().requires_grad_(False)
        image, q, m = _examples(own)
        try:
            self._first = _compile(_First(own), (image,), settings).create_infer_request()
            self._next = _compile(_Next(own), (image, q, m), settings).create_infer_request()
        except (RuntimeError, GeneralFailure, OpConversionFailure) as error:
            raise EngineError(f"OpenVINO: {error}", sticky=True) from error

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """One output for each input, in order; see Engine."""
        check_inputs(self.config, inputs)
        try:
            return [self._run(item) for item in inputs]
        except RuntimeError as error:
            raise EngineError(f"OpenVINO: {error}", sticky=False) from error

    def _run(self, item: ModelInput) -> ModelOutput:
        if item.q_prev is None or item.m_prev is None:
            return _read(self._first, [item.image])
        return _read(self._next, [item.image, item.q_prev, item.m_prev])


def _read(request: ov.InferRequest, arrays: list[Array]) -> ModelOutput:
    # Neither inputs nor outputs are shared with OpenVINO: its buffers are written anew by the next call.
    results = request.infer([np.ascontiguousarray(a[None]) for a in arrays], share_inputs=False, share_outputs=False)
    m, q, presence, *carry = (results[port][0] for port in range(len(results)))
    return ModelOutput(m, q, carry[0] if carry else m, float(presence))


class _First(nn.Module):
    """image uint8 [1, S, S, 3] to m, q [1, K, h, w], presence [1] and, where it is not m, carry."""

    def __init__(self, network: KIMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        encoded = self.network.encode(_planes(image))
        return _ports(self.network, self.network.start(encoded.p), encoded)


class _Next(nn.Module):
    """image, and q_prev and m_prev [1, K, h, w], to the same as _First."""

    def __init__(self, network: KIMNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, q_prev: Tensor, m_prev: Tensor) -> tuple[Tensor, ...]:
        encoded = self.network.encode(_planes(image), torch.zeros(1, dtype=torch.bool))
        maps = self.network.recur(q_prev, encoded.k, encoded.g, m_prev)
        return _ports(self.network, maps, encoded)


def _planes(image: Tensor) -> Tensor:
    return image.permute(0, 3, 1, 2).to(torch.float32)  # [1, 3, S, S]


def _ports(network: KIMNet, maps: Maps, encoded: Encoded) -> tuple[Tensor, ...]:
    ports = (maps.m, encoded.q, encoded.presence.sigmoid())
    return ports if network.config.kmm_heat_in == "final" else (*ports, maps.carry)


def _examples(network: KIMNet) -> tuple[Tensor, Tensor, Tensor]:
    config = network.config
    image = torch.zeros(1, config.input_size, config.input_size, 3, dtype=torch.uint8)
    maps = (1, config.joints, config.heatmap_size, config.heatmap_size)
    return image, torch.zeros(maps), torch.zeros(maps)


def _compile(module: nn.Module, examples: tuple[Tensor, ...], settings: dict[str, str]) -> ov.CompiledModel:
    shapes = [tuple(example.shape) for example in examples]
    with torch.no_grad(), warnings.catch_warnings():
        # Shapes and the choice of path are constants of the graph, which is what the tracer warns of; and it
        # says that it is deprecated, while what is to replace it (torch.export) warns of itself.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        # Traced here: OpenVINO's own tracing of the module gave other numbers (2026.4, torch 2.13).
        traced = torch.jit.trace(module, examples, check_trace=False)  # type: ignore[no-untyped-call]
        graph = ov.convert_model(traced, input=shapes, example_input=examples)
    return ov.Core().compile_model(graph, "CPU", settings)
