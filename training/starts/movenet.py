"""MoveNet SinglePose's weights (Google, Apache-2.0), from their TFJS form to `model.encoders.movenet`.

Convolutions are [h, w, in, out] there and [out, in, h, w] here, depthwise ones [h, w, C, 1] and [C, 1, h, w].
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from model.encoders.movenet import MoveNetBody
from model.values import Array
from training.teacher.movenet import GraphError, read_topology, read_weights

_EXTRACTOR = "StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1/"
_TRUNK = f"{_EXTRACTOR}model/"
_HEAD = "StatefulPartitionedCall/kpt_heatmap_0/"
_BLOCKS = 17

_LATERALS = {"lateral32": "conv2d", "lateral16": "conv2d_1", "lateral8": "conv2d_2", "lateral4": "conv2d_3"}
_SMOOTH = {"smooth16": "separable_conv2d", "smooth8": "separable_conv2d_1", "smooth4": "separable_conv2d_2"}


def load_movenet(body: MoveNetBody, path: Path) -> None:
    """Fill the body from a JSON file of MoveNet Thunder or Lightning; the weights lie beside it.

    Raises:
        GraphError: the files are not MoveNet's, or of another width than the body.
    """
    weights = read_weights(read_topology(path), path.parent)
    try:
        state = body_state(weights)
        body.load_state_dict(state)
    except KeyError as error:
        raise GraphError(f"{path}: not MoveNet's weights, {error.args[0]} is missing") from error
    except RuntimeError as error:
        raise GraphError(f"{path}: does not fit this network: {error}") from error


def body_state(weights: Mapping[str, Array]) -> dict[str, Tensor]:
    """The state of a MoveNetBody out of the constants of a TFJS graph; KeyError where one is missing."""
    state = pyramid_state(weights)
    at = f"{_HEAD}separable_conv2d_4/"
    state |= depthwise("hidden.depthwise.", weights[f"{at}separable_conv2d/ReadVariableOp"])
    pointwise, bias = weights[f"{at}separable_conv2d/ReadVariableOp_1"], weights[f"{at}BiasAdd/ReadVariableOp"]
    return state | conv("hidden.pointwise.", pointwise, bias)


def pyramid_state(weights: Mapping[str, Array]) -> dict[str, Tensor]:
    """The trunk and the pyramid, which are the same in SinglePose and MultiPose; KeyError where one is missing."""
    state = _trunk(weights)
    for name, layer in _LATERALS.items():
        at = f"{_EXTRACTOR}{layer}/"
        state |= conv(f"{name}.", weights[f"{at}Conv2D/ReadVariableOp"], weights[f"{at}BiasAdd/ReadVariableOp"])
    for name, layer in _SMOOTH.items():
        at = f"{_EXTRACTOR}{layer}/separable_conv2d"
        state |= depthwise(f"{name}.depthwise.", weights[f"{at}/ReadVariableOp"])
        state |= conv(f"{name}.pointwise.", weights[f"{at}_weights"], weights[f"{at}_bn_offset"])
    return state


def _trunk(weights: Mapping[str, Array]) -> dict[str, Tensor]:
    def folded(name: str, layer: str) -> dict[str, Tensor]:
        at = f"{_TRUNK}{layer}/Conv2D"
        return conv(f"trunk.{name}.", weights[f"{at}_weights"], weights[f"{at}_bn_offset"])

    state = folded("stem", "Conv1") | folded("last", "Conv_1")
    for block in range(_BLOCKS):
        # The first block has no number, and nothing to expand.
        layer, ours = (f"block_{block}" if block else "expanded_conv"), f"blocks.{block}"
        at = f"{_TRUNK}{layer}_depthwise/depthwise"
        state |= folded(f"{ours}.expand", f"{layer}_expand") if block else {}
        state |= depthwise(f"trunk.{ours}.depthwise.", weights[f"{at}_weights"], weights[f"{at}_bn_offset"])
        state |= folded(f"{ours}.project", f"{layer}_project")
    return state


def conv(prefix: str, kernel: Array, bias: Array) -> dict[str, Tensor]:
    """A convolution's state under this prefix, from TensorFlow's kernel [h, w, in, out]."""
    return {f"{prefix}weight": _tensor(kernel.transpose(3, 2, 0, 1)), f"{prefix}bias": _tensor(bias)}


def depthwise(prefix: str, kernel: Array, bias: Array | None = None) -> dict[str, Tensor]:
    """A depthwise convolution's state under this prefix, from TensorFlow's kernel [h, w, C, 1]."""
    weight = {f"{prefix}weight": _tensor(kernel.transpose(2, 3, 0, 1))}
    return weight if bias is None else weight | {f"{prefix}bias": _tensor(bias)}


def _tensor(value: Array) -> Tensor:
    return torch.from_numpy(value.copy())
