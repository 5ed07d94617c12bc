"""A KIMNet in torch to OpenVINO graphs, one for a session's first frame and one for later frames."""

import copy
import warnings

import torch
from torch import Tensor, nn

from model.engines.base import EngineError
from model.engines.openvino_engine import FIRST, NEXT
from model.engines.openvino_runtime import conversion_errors, convert_model, ov
from model.kimnet import Encoded, KIMNet, Maps


def convert_kimnet(network: KIMNet) -> dict[str, ov.Model]:
    """Graphs of a copy of the network, in eval mode, by their names FIRST and NEXT.

    Raises:
        EngineError: OpenVINO cannot convert the network.
    """
    # A copy, because OpenVINO's constants may share memory with the tensors that they come from.
    own = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    image, q, m = _examples(own)
    try:
        return {FIRST: convert(_First(own), (image,)), NEXT: convert(_Next(own), (image, q, m))}
    except conversion_errors() as error:
        raise EngineError(f"OpenVINO: {error}", sticky=True) from error


def convert(module: nn.Module, examples: tuple[Tensor, ...]) -> ov.Model:
    """The graph of a module in eval mode for inputs of these shapes and types; it shares memory with the module."""
    shapes = [tuple(example.shape) for example in examples]
    with torch.no_grad(), warnings.catch_warnings():
        # Shapes and the choice of path are constants of the graph, which is what the tracer warns of; and it
        # says that it is deprecated, while what is to replace it (torch.export) warns of itself.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        # Traced here: OpenVINO's own tracing of the module gave other numbers (2026.4, torch 2.13).
        traced = torch.jit.trace(module, examples, check_trace=False)  # type: ignore[no-untyped-call]
        return convert_model(traced, shapes, examples)


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
