"""KIMNet on OpenVINO (CPU): two compiled graphs, one for a session's first frame and one for every later."""

from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Literal

import numpy as np

from model.config import KIMNetConfig
from model.engines.base import EngineError, ModelInput, ModelOutput
from model.engines.inputs import check_inputs
from model.engines.openvino_runtime import ov
from model.engines.openvino_state import with_state
from model.engines.signature import signature
from model.state import QuantisedMaps
from model.values import Array

FIRST, NEXT = "first", "next"
"""Names of a KIMNet's graphs. FIRST takes image uint8 [1, S, S, 3]; NEXT q_prev and m_prev [1, K, h, w], too. Both give
m, q [1, K, h, w], presence [1] and, where it is not m, carry."""


class OpenVINOEngine:
    """An Engine on OpenVINO's CPU plugin. Frames are read one by one: a result does not depend on its batch.

    Args:
        config: of the network.
        graphs: FIRST and NEXT, out of `model.graph_file` or `model.engines.openvino_convert`.
        precision: "f32" holds also on a CPU whose matrix units would make OpenVINO choose bfloat16 by itself.
        threads: CPU threads that share a frame. With 1 the numbers are the same on machines with any number of cores,
            and a frame costs least; several have a lone frame sooner, and other numbers.
        parallel: frames computed at once: so many callers of `infer`.

    Raises:
        EngineError: OpenVINO cannot compile the graphs.
    """

    device = "cpu"

    def __init__(
        self,
        config: KIMNetConfig,
        graphs: Mapping[str, ov.Model],
        precision: Literal["f32", "bf16"] = "f32",
        threads: int = 1,
        parallel: int = 1,
    ) -> None:
        self.config, self.parallel = config, parallel
        self.signature = signature("openvino", ov.get_version(), self.device, precision, threads)
        settings = {
            "PERFORMANCE_HINT": "LATENCY" if parallel == 1 else "THROUGHPUT",
            "NUM_STREAMS": str(parallel),
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": str(threads * parallel),
        }
        try:
            self._first, self._next = (
                _Requests(ov.Core().compile_model(with_state(graphs[name]), "CPU", settings)) for name in (FIRST, NEXT)
            )
        except RuntimeError as error:
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
            return self._first.run(item.image)
        return self._next.run(item.image, item.q_prev, item.m_prev)


class _Requests:
    """One graph, and as many requests of it as run at once."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self.compiled = compiled
        self._free: SimpleQueue[_Request] = SimpleQueue()
        self._free.put(_Request(compiled))

    def run(self, image: Array, *previous: Array) -> ModelOutput:
        """previous: [K, h, w] each."""
        try:
            request = self._free.get_nowait()
        except Empty:
            request = _Request(self.compiled)
        try:
            return request.run(image, *previous)
        finally:
            self._free.put(request)


class _Request:
    """One request and its buffers, which stay the same: frames are copied into and out of them.

    OpenVINO's own call with arrays looks up ports and makes tensors anew each time, which costs 0.2 ms.
    """

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        self._inputs: list[Array] = [tensor.data for tensor in self._request.input_tensors]
        self._outputs: list[Array] = [tensor.data for tensor in self._request.output_tensors]

    def run(self, image: Array, *previous: Array) -> ModelOutput:
        """previous: [K, h, w] each."""
        first, *rest = self._inputs
        first[0] = image
        for buffer, maps in zip(rest, previous, strict=True):
            buffer[0] = maps
        # Not `infer`, which makes a dict of arrays: the answers are read out of the buffers.
        self._request.start_async()
        self._request.wait()
        smooth, levels, scales, m, q, presence, *carry = (buffer.copy() for buffer in self._outputs)
        read = m[0], q[0], carry[0][0] if carry else m[0], float(presence[0])
        if not np.isfinite(scales).all():
            return ModelOutput(*read)  # of what is not finite, nothing of the rest holds
        return ModelOutput(*read, smooth[0], _kept(levels[0], scales))


def _kept(levels: Array, scales: Array) -> tuple[QuantisedMaps, QuantisedMaps]:
    """q and carry out of levels [2, K, h, w] and scales [2, 2 K]."""
    (low, low_carry), (step, step_carry) = scales.reshape(2, 2, -1)
    return QuantisedMaps(levels[0], low, step), QuantisedMaps(levels[1], low_carry, step_carry)
