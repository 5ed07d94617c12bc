"""A MoveNet in its TFJS form with the node names of the published one, as narrow as one likes, with random weights."""

from pathlib import Path

import numpy as np

from model.encoders.mobilenet_v2 import MobileNetV2
from model.values import Array
from tests.training import made_up_tfjs as tfjs

SCOPE = tfjs.SCOPE
EXTRACTOR = f"{SCOPE}center_net_mobile_net_v2fpn_feature_extractor/model_1/"
TRUNK = f"{EXTRACTOR}model/"
HEAD = f"{SCOPE}kpt_heatmap_0/"

OUTPUTS = (
    f"{TRUNK}block_2_add/add",
    f"{TRUNK}block_5_add/add",
    f"{TRUNK}block_9_add/add",
    f"{TRUNK}out_relu/Relu6",
    f"{HEAD}re_lu_4/Relu",
)
"""The trunk's four maps, and the hidden layer of the head for joints."""

_REPEATS = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""Channels at width 1, blocks and stride of each stage of a MobileNetV2, from its paper."""


class _Writer:
    """Nodes and weights of a graph that grows from the picture to the head."""

    def __init__(self, width: float) -> None:
        self.nodes: list[tfjs.Node] = [tfjs.placeholder()]
        self.weights: dict[str, Array] = {}
        self._rng = np.random.default_rng(0)
        # Channels are rounded as the paper's code rounds them; the reader of the pictures is the same for all widths.
        self._rounded = MobileNetV2(width).channels
        self._width = width

    def graph(self, side: int) -> None:
        """All of it, for pictures of that side."""
        self._binary("scaled", "Mul", "input", np.full((1, 1, 1, 3), 1 / 127.5))
        self._binary("normal", "Sub", "scaled", np.ones((1, 1, 1, 3)))
        taps = self._trunk()
        laterals = zip(("conv2d", "conv2d_1", "conv2d_2", "conv2d_3"), reversed(taps), (64, 64, 32, 24), strict=True)
        lateral = [self._lateral(name, *tap, outputs) for name, tap, outputs in laterals]
        x = lateral[0]
        for level, outputs in enumerate((32, 24, 24)):
            x = self._smooth(level, x, lateral[level + 1], outputs, side // (16 >> level))
        self._head(x)

    def _trunk(self) -> list[tuple[str, int]]:
        """Names and channels of the four maps."""
        x, inputs = f"{TRUNK}Conv1_relu/Relu6", _scaled(32, self._width)
        self._conv(x, "normal", f"{TRUNK}Conv1/Conv2D", (3, 3, 3, inputs), 2, "Relu6")
        taps, block = [], 0
        for channels, repeats, stride in _REPEATS:
            outputs = _scaled(channels, self._width)
            for repeat in range(repeats):
                x = self._block(block, x, inputs, outputs, stride if repeat == 0 else 1)
                inputs = outputs
                if block in (2, 5, 9):
                    taps.append((x, outputs))
                block += 1
        last = f"{TRUNK}out_relu/Relu6"
        self._conv(last, x, f"{TRUNK}Conv_1/Conv2D", (1, 1, inputs, 1280), 1, "Relu6")
        return [*taps, (last, 1280)]

    def _block(self, number: int, source: str, inputs: int, outputs: int, stride: int) -> str:
        name = f"{TRUNK}block_{number}" if number else f"{TRUNK}expanded_conv"
        hidden, x = inputs * (6 if number else 1), source
        if number:
            x = f"{name}_expand_relu/Relu6"
            self._conv(x, source, f"{name}_expand/Conv2D", (1, 1, inputs, hidden), 1, "Relu6")
        depthwise = f"{name}_depthwise/depthwise"
        self._conv(depthwise, x, depthwise, (3, 3, hidden, 1), stride, "Relu6", "FusedDepthwiseConv2dNative")
        projected = f"{name}_project_BN/FusedBatchNormV3"
        self._conv(projected, depthwise, f"{name}_project/Conv2D", (1, 1, hidden, outputs), 1)
        if stride > 1 or inputs != outputs:
            return projected
        self.nodes.append({"name": f"{name}_add/add", "op": "AddV2", "input": [source, projected]})
        return f"{name}_add/add"

    def _lateral(self, layer: str, source: str, inputs: int, outputs: int) -> str:
        name, kernel = f"{EXTRACTOR}{layer}/BiasAdd", f"{EXTRACTOR}{layer}/Conv2D/ReadVariableOp"
        self._add(name, source, kernel, f"{name}/ReadVariableOp", (1, 1, inputs, outputs))
        return name

    def _smooth(self, level: int, coarse: str, fine: str, outputs: int, side: int) -> str:
        """The coarser map at twice the size, the finer one added, and a separable convolution."""
        ending = f"_{level}" if level else ""
        inputs = (64, 32, 24)[level]
        up, total = f"{EXTRACTOR}up_sampling2d{ending}", f"{EXTRACTOR}tf.__operators__.add{ending}/AddV2"
        self.weights[f"{up}/mul"] = np.array([side, side], np.int32)
        attr = {"align_corners": {"b": False}, "half_pixel_centers": {"b": True}}
        resize = f"{up}/resize/ResizeBilinear"
        self.nodes.append({"name": resize, "op": "ResizeBilinear", "input": [coarse, f"{up}/mul"], "attr": attr})
        self.nodes.append({"name": total, "op": "AddV2", "input": [resize, fine]})
        at = f"{EXTRACTOR}separable_conv2d{ending}/separable_conv2d"
        self._depthwise(f"{at}/depthwise", total, f"{at}/ReadVariableOp", inputs)
        name = f"{EXTRACTOR}re_lu{ending}/Relu"
        self._add(name, f"{at}/depthwise", f"{at}_weights", f"{at}_bn_offset", (1, 1, inputs, outputs), "Relu")
        return name

    def _head(self, source: str) -> None:
        at = f"{HEAD}separable_conv2d_4/separable_conv2d"
        self._depthwise(f"{at}/depthwise", source, f"{at}/ReadVariableOp", 24)
        bias = f"{HEAD}separable_conv2d_4/BiasAdd/ReadVariableOp"
        self._add(OUTPUTS[-1], f"{at}/depthwise", f"{at}/ReadVariableOp_1", bias, (1, 1, 24, 96), "Relu")

    def _conv(
        self,
        name: str,
        source: str,
        layer: str,
        shape: tuple[int, ...],
        stride: int,
        activation: str = "",
        op: str = "_FusedConv2D",
    ) -> None:
        self._add(name, source, f"{layer}_weights", f"{layer}_bn_offset", shape, activation, stride, op)

    def _add(
        self,
        name: str,
        source: str,
        kernel: str,
        bias: str,
        shape: tuple[int, ...],
        activation: str = "",
        stride: int = 1,
        op: str = "_FusedConv2D",
    ) -> None:
        fused = ("BiasAdd", activation) if activation else ("BiasAdd",)
        node = tfjs.convolution(name, source, op, stride, fused=fused)
        self.nodes.append({**node, "input": [source, kernel, bias]})
        depthwise = op != "_FusedConv2D"
        fan_in = shape[0] * shape[1] * (1 if depthwise else shape[2])
        self.weights[kernel] = self._rng.normal(0, (2.0 / fan_in) ** 0.5, shape).astype(np.float32)
        self.weights[bias] = self._rng.normal(0, 0.1, shape[2] if depthwise else shape[3]).astype(np.float32)

    def _depthwise(self, name: str, source: str, kernel: str, channels: int) -> None:
        """Without a bias."""
        node = tfjs.convolution(name, source, "DepthwiseConv2dNative")
        self.nodes.append({**node, "input": [source, kernel]})
        self.weights[kernel] = self._rng.normal(0, 0.4, (3, 3, channels, 1)).astype(np.float32)

    def _binary(self, name: str, op: str, source: str, constant: Array) -> None:
        self.weights[f"{name}/y"] = constant.astype(np.float32)
        self.nodes.append({"name": name, "op": op, "input": [source, f"{name}/y"]})


def write(path: Path, width: float = 0.25, side: int = 64, without: str | None = None) -> Path:
    """Its JSON at `path`, for pictures of that side, and its weights beside it, but for one of them."""
    writer = _Writer(width)
    writer.graph(side)
    kept = {name: value for name, value in writer.weights.items() if name != without}
    return tfjs.write(path, writer.nodes, kept)


def _scaled(channels: int, width: float) -> int:
    """The nearest multiple of 8, and never a tenth less than the exact number (MobileNet's own code)."""
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded
