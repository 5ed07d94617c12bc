"""KIMNet on OpenVINO (CPU): two compiled graphs, one for a session's first frame and one for every later."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from model.config import KIMNetConfig
from model.engines.base import EngineError, ModelInput, ModelOutput
from model.engines.inputs import check_inputs
from model.engines.openvino_runtime import ov
from model.engines.signature import signature
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
        threads: how many CPU threads it may use; 0 leaves the choice to OpenVINO.

    Raises:
        EngineError: OpenVINO cannot compile the graphs.
    """

    device = "cpu"

    def __init__(
        self,
        config: KIMNetConfig,
        graphs: Mapping[str, ov.Model],
        precision: Literal["f32", "bf16"] = "f32",
        threads: int = 0,
    ) -> None:
        self.config = config
        self.signature = signature("openvino", ov.get_version(), self.device, precision)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": str(threads),
        }
        try:
            self._first, self._next = (
                ov.Core().compile_model(graphs[name], "CPU", settings).create_infer_request() for name in (FIRST, NEXT)
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
            return _read(self._first, [item.image])
        return _read(self._next, [item.image, item.q_prev, item.m_prev])


def _read(request: ov.InferRequest, arrays: list[Array]) -> ModelOutput:
    # Neither inputs nor outputs are shared with OpenVINO: its buffers are written anew by the next call.
    results = request.infer([np.ascontiguousarray(a[None]) for a in arrays], share_inputs=False, share_outputs=False)
    m, q, presence, *carry = (results[port][0] for port in range(len(results)))
    return ModelOutput(m, q, carry[0] if carry else m, float(presence))
