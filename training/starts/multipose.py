"""MoveNet MultiPose's weights (Google, Apache-2.0), from their TFJS form to the finder's (`model.finder.graph`)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from model.finder.graph import HEADS
from model.values import Array
from training.starts.movenet import conv, depthwise, pyramid_state
from training.teacher.movenet import GraphError, read_topology, read_weights

_SCOPES = dict(
    zip(HEADS, ("center", "box_scale", "box_offset", "kpt_heatmap", "kpt_regress", "kpt_offset"), strict=True)
)
_FIRST_SEPARABLE, _FIRST_CONV = 3, 4
"""Numbers of the first head's layers: Keras counts them over the whole network."""


def read_multipose(path: Path) -> dict[str, Array]:
    """The finder's weights float16 by name, from the JSON at `path`; the numbers lie beside it.

    Raises:
        GraphError: the files are not MoveNet MultiPose's.
    """
    weights = read_weights(read_topology(path), path.parent)
    try:
        state = pyramid_state(weights) | _heads(weights)
    except KeyError as error:
        raise GraphError(f"{path}: not MoveNet MultiPose's weights, {error.args[0]} is missing") from error
    return {name: value.numpy().astype(np.float16) for name, value in sorted(state.items())}


def _heads(weights: Mapping[str, Array]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for number, (name, scope) in enumerate(_SCOPES.items()):
        at = f"StatefulPartitionedCall/{scope}_0/"
        hidden = f"{at}separable_conv2d_{_FIRST_SEPARABLE + number}/"
        last = f"{at}conv2d_{_FIRST_CONV + number}/"
        state |= depthwise(f"heads.{name}.hidden.depthwise.", weights[f"{hidden}separable_conv2d/ReadVariableOp"])
        kernel, bias = weights[f"{hidden}separable_conv2d/ReadVariableOp_1"], weights[f"{hidden}BiasAdd/ReadVariableOp"]
        state |= conv(f"heads.{name}.hidden.pointwise.", kernel, bias)
        kernel, bias = weights[f"{last}Conv2D/ReadVariableOp"], weights[f"{last}BiasAdd/ReadVariableOp"]
        state |= conv(f"heads.{name}.last.", kernel, bias)
    return state
