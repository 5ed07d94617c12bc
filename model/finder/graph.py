"""MoveNet MultiPose as an OpenVINO graph, built from its weights without torch.

The trunk is MobileNetV2, then comes a pyramid of 24 channels, and six heads on it (CenterNet): the same as
`model.encoders.movenet` has, whose names the weights bear.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.engines.openvino_runtime import ov
from model.values import Array

ops = ov.opset13

HEADS = ("center", "box_scale", "box_offset", "heatmap", "regress", "offset")
"""Outputs of the graph, in this order; channels 1, 2, 2, 17, 34, 34."""

_SCALE = np.float32(0.007843018)
"""1 / 127.5 as the published network has it, in half precision."""
_STRIDED = (1, 3, 6, 13)
"""Blocks that halve the map."""
_BLOCKS = 17
_TAPS = (2, 5, 9)
"""Blocks whose outputs go to the pyramid, besides the last convolution's."""
_PEAK = 5
"""Cells a side in which a centre must be the largest."""


def build(weights: Mapping[str, Array], size: int) -> ov.Model:
    """The network for pictures uint8 [1, size, size, 3], RGB; outputs float32 [1, C, size/4, size/4].

    `center` and `heatmap` are scores 0..1; `center` is 0 where a neighbour within two cells is larger.

    Raises:
        KeyError: a weight is missing.
    """
    picture = ops.parameter([1, size, size, 3], np.uint8, name="picture")
    planes = ops.transpose(ops.convert(picture, "f32"), [0, 3, 1, 2])
    features = _Layers(weights).features(ops.subtract(ops.multiply(planes, _SCALE), np.float32(1.0)))
    return ov.Model([ops.result(_Layers(weights).head(name, features)) for name in HEADS], [picture], "multipose")


class _Layers:
    """Makes nodes from the weights of that name."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights

    def features(self, x: Any) -> Any:
        """Planes [1, 3, S, S] in -1..1 to the pyramid's last map [1, 24, S/4, S/4]."""
        x = _relu6(self._conv("trunk.stem", x, 2))
        taps = []
        for block in range(_BLOCKS):
            x = self._block(f"trunk.blocks.{block}", x, 2 if block in _STRIDED else 1)
            if block in _TAPS:
                taps.append(x)
        x = self._conv("lateral32", _relu6(self._conv("trunk.last", x)))
        for stride, tap in zip((16, 8, 4), reversed(taps), strict=True):
            joined = ops.add(_double(x), self._conv(f"lateral{stride}", tap))
            x = self._separable(f"smooth{stride}", joined)
        return x

    def head(self, name: str, features: Any) -> Any:
        """One head's map."""
        x = self._conv(f"heads.{name}.last", self._separable(f"heads.{name}.hidden", features))
        if name == "center":
            return _peaks(ops.sigmoid(x))
        return ops.sigmoid(x) if name == "heatmap" else x

    def _block(self, name: str, x: Any, stride: int) -> Any:
        """An inverted residual, added to its input where the shape stays."""
        y = _relu6(self._conv(f"{name}.expand", x)) if f"{name}.expand.weight" in self._weights else x
        y = self._conv(f"{name}.project", _relu6(self._depthwise(f"{name}.depthwise", y, stride)))
        return ops.add(x, y) if list(x.shape) == list(y.shape) else y

    def _separable(self, name: str, x: Any) -> Any:
        return ops.relu(self._conv(f"{name}.pointwise", self._depthwise(f"{name}.depthwise", x)))

    def _conv(self, name: str, x: Any, stride: int = 1) -> Any:
        kernel = self._constant(f"{name}.weight")
        return self._biased(name, ops.convolution(x, kernel, [stride, stride], [0, 0], [0, 0], [1, 1], "same_upper"))

    def _depthwise(self, name: str, x: Any, stride: int = 1) -> Any:
        kernel = self._constant(f"{name}.weight", (-1, 1, 1, 3, 3))
        same = (x, kernel, [stride, stride], [0, 0], [0, 0], [1, 1], "same_upper")
        return self._biased(name, ops.group_convolution(*same))

    def _biased(self, name: str, x: Any) -> Any:
        bias = f"{name}.bias"
        return ops.add(x, self._constant(bias, (1, -1, 1, 1))) if bias in self._weights else x

    def _constant(self, name: str, shape: tuple[int, ...] | None = None) -> Any:
        value = self._weights[name].astype(np.float32)
        return ops.constant(value if shape is None else value.reshape(shape))


def _relu6(x: Any) -> Any:
    return ops.clamp(x, 0.0, 6.0)


def _double(x: Any) -> Any:
    """The map at twice its size, bilinear."""
    size = np.array([2 * int(side) for side in list(x.shape)[2:]], np.int64)
    return ops.interpolate(x, size, "linear_onnx", "sizes", coordinate_transformation_mode="half_pixel", axes=[2, 3])


def _peaks(center: Any) -> Any:
    """The map where a cell is the largest of its neighbourhood, 0 elsewhere."""
    pad = [_PEAK // 2, _PEAK // 2]
    pooled = ops.max_pool(center, [1, 1], [1, 1], pad, pad, [_PEAK, _PEAK]).output(0)
    return ops.multiply(center, ops.convert(ops.equal(center, pooled), "f32"))
