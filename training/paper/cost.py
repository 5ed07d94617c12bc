"""What a method costs beside the trunk that all share: arithmetic, state, and time on this CPU."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.baselines.build import build_recurrence
from model.baselines.flow import OpticalFlow
from model.baselines.recurrence import GREY_CHANNELS, Features, Recurrence, State
from model.config import KIMNetConfig
from model.engines.openvino_runtime import convert_model, ov
from training.paper.rows import Row
from training.paper.settings import Scale, network_of
from training.report import grids
from training.report.grids import Column, Grid, Section

_ROUNDS, _WARM = 60, 10
_PRINTED_MS = {"lstm-pm": 25, "dkd": 11, "rpstn": 12, "kimnet": 10}
"""Milliseconds a frame in Table I, of whole networks on a GTX 3080."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a later frame, everything after the features.

    Attributes:
        parameters: trained numbers; mflop: 10^6 FLOP, a multiply-add is two.
        state_bytes: of the maps in 8 bits, before compression.
        milliseconds: median on one thread; runtime: "OpenVINO", or "torch" where it cannot be converted.
    """

    parameters: int
    mflop: float
    state_bytes: int
    milliseconds: float
    runtime: str


class Later(nn.Module):
    """features, brightness, maps and memory to maps and memory."""

    def __init__(self, recurrence: Recurrence) -> None:
        super().__init__()
        self.recurrence = recurrence

    def forward(self, f: Tensor, p: Tensor, grey: Tensor, m: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        maps, state = self.recurrence.next(Features(f, p, grey), State(m, memory))
        return maps, state.memory


def cost_of(config: KIMNetConfig, method: str) -> Cost:
    """Measured here and now; nobody else should use the CPU meanwhile."""
    recurrence = build_recurrence(method, config).eval().requires_grad_(False)
    inputs = example_inputs(config, recurrence.memory_channels)
    module = Later(recurrence)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    traceable = not isinstance(recurrence, OpticalFlow) and recurrence.memory_channels > 0
    milliseconds = _openvino_ms(module, inputs) if traceable else _torch_ms(module, inputs)
    cells = config.heatmap_size**2
    return Cost(
        parameters=sum(p.numel() for p in recurrence.parameters()),
        mflop=float(counter.get_total_flops()) / 1e6,
        state_bytes=(config.joints + recurrence.memory_channels) * cells,
        milliseconds=milliseconds,
        runtime="OpenVINO" if traceable else "torch",
    )


def section(scale: Scale, rows: Sequence[Row]) -> Section:
    """Every row's cost, in one run."""
    columns = [
        Column("parameters"),
        Column("MFLOP a frame"),
        Column("state, KB"),
        Column("ms a frame"),
        Column("runtime", text=True),
        Column("ms a frame", "printed"),
    ]
    lines = []
    for row in rows:
        cost = cost_of(network_of(scale, row), row.method)
        printed = str(_PRINTED_MS[row.key]) if row.key in _PRINTED_MS else ""
        cells = [f"{cost.parameters:,}", f"{cost.mflop:.0f}", f"{cost.state_bytes / 1000:.0f}"]
        lines.append(grids.Row(row.title, [*cells, f"{cost.milliseconds:.2f}", cost.runtime, printed]))
    text = (
        "What comes after the features, on one thread of this CPU, measured one after the other in one run; the "
        "trunk, the pyramid and reading joints off the maps are the same for all. The printed times are of whole "
        "networks on a GTX 3080. A state is the maps and what else a method keeps, in 8 bits."
    )
    return Section("cost", "Cost of a later frame", text, [Grid("Cost", "Row", columns, lines)])


def example_inputs(config: KIMNetConfig, memory: int) -> tuple[Tensor, ...]:
    """Random f, p, grey, m and memory of one frame."""
    side, k = config.heatmap_size, config.joints
    channels = (config.dim, k, GREY_CHANNELS, k, memory)
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(1, count, side, side, generator=generator) for count in channels)


def compiled(module: nn.Module, inputs: tuple[Tensor, ...]) -> ov.InferRequest:
    """The module on OpenVINO's CPU plugin, one thread, float32."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, see model.engines.openvino_engine
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        graph = convert_model(traced, [tuple(x.shape) for x in inputs], inputs)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    return ov.Core().compile_model(graph, "CPU", settings).create_infer_request()


def _openvino_ms(module: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    request, arrays = compiled(module, inputs), [x.numpy() for x in inputs]
    return _timed(lambda: request.infer(arrays))


def _timed(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_WARM + _ROUNDS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * median(times[_WARM:])


def _torch_ms(module: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    with torch.inference_mode():
        return _timed(lambda: module(*inputs))
