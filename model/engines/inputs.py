"""The check that every engine makes of its inputs before the device sees them."""

import numpy as np

from model.config import KIMNetConfig
from model.engines.base import ModelInput
from model.values import Array


def check_inputs(config: KIMNetConfig, inputs: list[ModelInput]) -> None:
    """Raise ValueError, with expected and got, for an array that this network cannot read."""
    image = (config.input_size, config.input_size, 3)
    maps = (config.joints, config.heatmap_size, config.heatmap_size)
    for item in inputs:
        _check("image", item.image, np.uint8, image)
        if item.q_prev is not None and item.m_prev is not None:
            _check("q_prev", item.q_prev, np.float32, maps)
            _check("m_prev", item.m_prev, np.float32, maps)


def _check(name: str, value: Array, kind: type, shape: tuple[int, ...]) -> None:
    if value.dtype != kind or value.shape != shape:
        expected = f"{np.dtype(kind)} {list(shape)}"
        raise ValueError(f"ModelInput.{name}: expected {expected}, got {value.dtype} {list(value.shape)}")
