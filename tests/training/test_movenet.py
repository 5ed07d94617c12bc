"""The teacher's network: TFJS graphs on OpenVINO against loops in float64, and the reading of one person's joints."""

from pathlib import Path

import numpy as np
import pytest

from model.values import Array
from tests.training import made_up_tfjs as tfjs
from training.teacher import movenet

SIDE = 6


def computed(path: Path, output: str, picture: Array) -> Array:
    """What the graph at `path` makes of a picture [h, h, C], as [h', w', C']."""
    topology = movenet.read_topology(path)
    weights = movenet.read_weights(topology, path.parent)
    [result] = movenet.build(topology["modelTopology"]["node"], weights, (output,), len(picture))(picture)
    return result.astype(np.float64)


def convolved(picture: Array, kernel: Array, bias: Array, stride: int, depthwise: bool = False) -> Array:
    """A convolution with TensorFlow's SAME padding, one product at a time: the odd line of zeros goes last."""
    side, size = len(picture), len(kernel)
    out = -(-side // stride)
    before = max((out - 1) * stride + size - side, 0) // 2
    channels = kernel.shape[2] if depthwise else kernel.shape[3]
    result = np.zeros((out, out, channels)) + bias.astype(np.float64)
    for y, x, i, j in np.ndindex(out, out, size, size):
        row, column = y * stride + i - before, x * stride + j - before
        if not (0 <= row < side and 0 <= column < side):
            continue
        for o in range(channels):
            sources = [o] if depthwise else range(picture.shape[2])
            for c in sources:
                weight = kernel[i, j, c, 0] if depthwise else kernel[i, j, c, o]
                result[y, x, o] += float(picture[row, column, c]) * float(weight)
    return result


def model_of(folder: Path, node: tfjs.Node, kernel: Array, bias: Array, half: bool = False) -> Path:
    """A graph of a picture and that one convolution."""
    weights = {f"{node['name']}/kernel": kernel, f"{node['name']}/bias": bias}
    return tfjs.write(folder / "tiny.json", [tfjs.placeholder(), node], weights, half)


def random(*shape: int, seed: int = 0) -> Array:
    """Numbers that float16 holds without loss."""
    return (np.random.default_rng(seed).integers(-16, 17, shape) / 8.0).astype(np.float32)


@pytest.mark.parametrize(("stride", "activation", "top"), [(1, "Relu", np.inf), (2, "Relu6", 6.0)])
def test_a_fused_convolution_is_the_sum_of_products(tmp_path: Path, stride: int, activation: str, top: float) -> None:
    """Kernel, bias and activation, also where the padding of an even picture is uneven."""
    picture, kernel, bias = random(SIDE, SIDE, 3), random(3, 3, 3, 4, seed=1), random(4, seed=2)
    node = tfjs.convolution("conv", "input", stride=stride, fused=("BiasAdd", activation))
    found = computed(model_of(tmp_path, node, kernel, bias), "conv", picture)
    np.testing.assert_allclose(found, np.clip(convolved(picture, kernel, bias, stride), 0, top), atol=1e-5)


def test_a_depthwise_convolution_keeps_channels_apart(tmp_path: Path) -> None:
    """Every channel has a kernel of its own."""
    picture, kernel, bias = random(SIDE, SIDE, 3), random(3, 3, 3, 1, seed=1), random(3, seed=2)
    node = tfjs.convolution("conv", "input", "FusedDepthwiseConv2dNative", stride=2, fused=("BiasAdd",))
    found = computed(model_of(tmp_path, node, kernel, bias), "conv", picture)
    np.testing.assert_allclose(found, convolved(picture, kernel, bias, 2, depthwise=True), atol=1e-5)


def test_constants_meet_the_channels_that_they_are_written_for(tmp_path: Path) -> None:
    """A constant [1, 1, 1, 3] scales red, green and blue, and not rows or columns."""
    picture, factors = random(SIDE, SIDE, 3), np.array([1.0, 2.0, 4.0], np.float32).reshape(1, 1, 1, 3)
    nodes = [tfjs.placeholder(), {"name": "scaled", "op": "Mul", "input": ["input", "factors"]}]
    found = computed(tfjs.write(tmp_path / "tiny.json", nodes, {"factors": factors}), "scaled", picture)
    np.testing.assert_allclose(found, picture * factors[0])


def test_upsampling_weighs_by_distance_between_cell_centres(tmp_path: Path) -> None:
    """Twice the size with half-pixel centres: 3/4 of the nearer cell and 1/4 of the farther, edges repeated."""
    picture = random(SIDE, SIDE, 3)
    attr = {"align_corners": {"b": False}, "half_pixel_centers": {"b": True}}
    nodes = [tfjs.placeholder(), {"name": "up", "op": "ResizeBilinear", "input": ["input", "size"], "attr": attr}]
    size = np.array([2 * SIDE, 2 * SIDE], np.int32)
    found = computed(tfjs.write(tmp_path / "tiny.json", nodes, {"size": size}), "up", picture)
    edged = np.pad(picture.astype(np.float64), ((1, 1), (1, 1), (0, 0)), "edge")
    for y, x in np.ndindex(2 * SIDE, 2 * SIDE):
        rows, columns = (
            [(y // 2 + 1, 0.75), (y // 2 + 2 * (y % 2), 0.25)],
            [(x // 2 + 1, 0.75), (x // 2 + 2 * (x % 2), 0.25)],
        )
        wanted = sum(a * b * edged[row, column] for row, a in rows for column, b in columns)
        np.testing.assert_allclose(found[y, x], wanted, atol=1e-5)


def test_weights_stored_as_float16_are_read_as_float32(tmp_path: Path) -> None:
    """Half the bytes, the same numbers."""
    kernel, bias = random(3, 3, 3, 4), random(4)
    path = model_of(tmp_path, tfjs.convolution("conv", "input"), kernel, bias, half=True)
    weights = movenet.read_weights(movenet.read_topology(path), tmp_path)
    assert path.with_suffix(".bin").stat().st_size == 2 * (kernel.size + bias.size)
    assert weights["conv/kernel"].dtype == np.float32
    np.testing.assert_array_equal(weights["conv/kernel"], kernel)


def test_weights_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    """The manifest's length and the file's are both named."""
    path = model_of(tmp_path, tfjs.convolution("conv", "input"), random(1, 1, 3, 1), random(1))
    path.with_suffix(".bin").write_bytes(b"\0" * 15)
    with pytest.raises(movenet.GraphError, match="expected 16 bytes, got 15"):
        movenet.read_weights(movenet.read_topology(path), tmp_path)


def test_weights_stored_as_scaled_integers_are_refused(tmp_path: Path) -> None:
    """Their scale would have to be applied; MoveNet has none."""
    entry = {
        "name": "w",
        "shape": [1],
        "dtype": "float32",
        "quantization": {"dtype": "uint8", "scale": 0.1, "min": 0.0},
    }
    (tmp_path / "w.bin").write_bytes(b"\1")
    with pytest.raises(movenet.GraphError, match="w: stored as scaled uint8"):
        movenet.read_weights({"weightsManifest": [{"paths": ["w.bin"], "weights": [entry]}]}, tmp_path)


def test_a_node_of_unknown_kind_is_named(tmp_path: Path) -> None:
    """A graph is built wholly or not at all."""
    nodes = [tfjs.placeholder(), {"name": "odd", "op": "Softplus", "input": ["input"]}]
    path = tfjs.write(tmp_path / "tiny.json", nodes, {})
    with pytest.raises(movenet.GraphError, match="odd: nodes of kind Softplus"):
        computed(path, "odd", random(SIDE, SIDE, 3))


def test_another_model_is_refused(tmp_path: Path) -> None:
    """A graph without MoveNet's constants is not MoveNet."""
    path = model_of(tmp_path, tfjs.convolution("conv", "input"), random(1, 1, 3, 1), random(1))
    with pytest.raises(movenet.GraphError, match="not MoveNet's weights"):
        movenet.MoveNet(path)


def test_decoding_follows_the_rule_cell_by_cell() -> None:
    """Best centre, guess, peak over softened distance, offset: against plain loops."""
    rng, side = np.random.default_rng(0), 8
    heat, center = rng.random((side, side, 17)), rng.random((side, side))
    regress, offset = rng.normal(0, 2, (side, side, 34)), rng.normal(0, 0.5, (side, side, 34))
    found = movenet.decode(heat, center, regress, offset, softening=1.8)
    cells = list(np.ndindex(side, side))
    cy, cx = max(cells, key=lambda cell: center[cell])
    for k in range(17):
        gy, gx = cy + regress[cy, cx, 2 * k], cx + regress[cy, cx, 2 * k + 1]
        values = {(y, x): heat[y, x, k] / (((y - gy) ** 2 + (x - gx) ** 2) ** 0.5 + 1.8) for y, x in cells}
        y, x = max(values, key=lambda cell: values[cell])
        wanted = ((x + offset[y, x, 2 * k + 1]) / side, (y + offset[y, x, 2 * k]) / side, heat[y, x, k])
        np.testing.assert_allclose(found[k], wanted, rtol=1e-12)


def test_a_whole_network_gives_shares_and_scores(tmp_path: Path) -> None:
    """Files to joints: every joint in the middle of its cell, with the sigmoid of its logit."""
    joints = movenet.MoveNet(tfjs.movenet(tmp_path / "movenet.json"))(np.zeros((256, 256, 3), np.uint8))
    np.testing.assert_allclose(joints[:, 1::-1], (tfjs.cells() + 0.5) / tfjs.CELLS, atol=1e-6)
    np.testing.assert_allclose(joints[:, 2], 1 / (1 + np.exp(-2.0)), atol=1e-6)
