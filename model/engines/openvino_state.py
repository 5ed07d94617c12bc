"""What is added to KIMNet's graphs when they are opened: what the tracker makes of every frame's maps.

Beside the network, whose memory fills the processor's caches, a dozen small calls of numpy cost more than these nodes.
"""

import cv2
import numpy as np

from model.engines.openvino_runtime import ov
from model.heatmaps import SIGMA
from model.state import LEVELS
from model.values import Array

_ops = ov.opset13


def with_state(graph: ov.Model) -> ov.Model:
    """The graph, changed: three outputs come first.

    smooth    float32 [1, K, h, w]: m smoothed, as `model.heatmaps.smoothed` does
    levels    uint8 [1, 2, K, h, w]: q and carry in 8 bits, as `model.state.quantise` does
    scales    float32 [2, 2 K]: their low and step

    Behind them m, q [1, K, h, w], presence [1] and, where it is not m, carry stay.
    """
    found = [result.input_value(0) for result in graph.get_results()]
    m, q, _, *carry = found
    added = [_smooth(m), *_quantised(q, carry[0] if carry else m)]
    results = [_ops.result(node) for node in (*added, *found)]
    return ov.Model(results, graph.get_parameters(), graph.get_name())


def _smooth(m: ov.Output) -> ov.Node:
    """Both directions are products with one matrix."""
    matrix = _ops.constant(smoothing(int(m.get_shape()[2])))
    return _ops.matmul(_ops.matmul(matrix, m, False, False), matrix, False, True)


def smoothing(size: int) -> Array:
    """What OpenCV's GaussianBlur does along one side of a map, mirrored at its ends: float32 [size, size]."""
    length = 2 * round(4 * SIGMA) + 1  # OpenCV's own choice for maps of float32
    unit = np.eye(size, dtype=np.float32)
    result: Array = cv2.GaussianBlur(unit, (1, length), SIGMA, sigmaY=SIGMA)
    return result


def _quantised(q: ov.Output, carry: ov.Output) -> list[ov.Node]:
    _, joints, height, width = (int(side) for side in q.get_shape())
    maps = _ops.reshape(_ops.concat([q, carry], 1), [2 * joints, height * width], False)
    low, high = (reduce(maps, np.array([1]), True) for reduce in (_ops.reduce_min, _ops.reduce_max))  # [2 K, 1]
    step = _divided(_ops.subtract(high, low), np.float32(LEVELS))
    flat = _ops.less_equal(step, np.finfo(np.float32).tiny)
    one = np.float32(1)
    scale = _ops.select(flat, np.float32(0), _divided(one, _ops.select(flat, one, step)))
    levels = _ops.round(_ops.multiply(_ops.subtract(maps, low), scale), "half_to_even")
    planes = _ops.reshape(_ops.convert(levels, "u8"), [1, 2, joints, height, width], False)
    scales = [_ops.reshape(scale, [1, 2 * joints], False) for scale in (low, step)]
    return [planes, _ops.concat(scales, 0)]


def _divided(left: ov.Node, right: ov.Node) -> ov.Node:
    node = _ops.divide(left, right)
    # Else OpenVINO multiplies by the inverse, which is another number in the last bit.
    node.get_rt_info()["nonconvertable_divide_0"] = True
    return node
