"""Any temporal method as an Engine, on torch: the tracker reads videos with it as it does with KIMNet."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig
from model.engines.base import ModelInput, ModelOutput
from model.engines.signature import signature
from model.values import Array


class RecurrenceEngine:
    """An Engine that reads frame by frame. It has no presence head: somebody is always there.

    Args:
        config: of the network; read: what one picture uint8 [S, S, 3] contributes, a batch of one.
        recurrence: in eval mode, on the device that `read` computes on; fresh is true at t = 1.
    """

    def __init__(
        self,
        config: KIMNetConfig,
        read: Callable[[Array, bool], Features],
        recurrence: Recurrence,
        device: str = "cpu",
    ) -> None:
        self.config, self.device = config, device
        self.parallel = 1
        self.signature = signature("torch", torch.__version__, self.device, "f32")
        self._read, self._recurrence = read, recurrence

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """See Engine.

        Raises:
            ValueError: a state that is not of this method.
        """
        with torch.inference_mode():
            return [self._run(item) for item in inputs]

    def _run(self, item: ModelInput) -> ModelOutput:
        features = self._read(item.image, item.fresh)
        if item.q_prev is None or item.m_prev is None:
            m, state = self._recurrence.first(features)
        else:
            self._check(item.q_prev, item.m_prev)
            m, state = self._recurrence.next(features, self._state(item.m_prev, item.q_prev))
        return ModelOutput(_array(m), _array(state.memory), _array(state.m), presence=1.0)

    def _state(self, maps: Array, memory: Array) -> State:
        m, kept = (torch.from_numpy(np.ascontiguousarray(x))[None].to(self.device) for x in (maps, memory))
        return State(m, kept)

    def _check(self, memory: Array, maps: Array) -> None:
        side = self.config.heatmap_size
        for name, value, channels in (
            ("q_prev", memory, self._recurrence.memory_channels),
            ("m_prev", maps, self.config.joints),
        ):
            if value.dtype != np.float32 or value.shape != (channels, side, side):
                expected = f"float32 {[channels, side, side]}"
                raise ValueError(f"ModelInput.{name}: expected {expected}, got {value.dtype} {list(value.shape)}")


def _array(maps: Tensor) -> Array:
    array: Array = maps[0].float().contiguous().cpu().numpy().copy()
    return array
