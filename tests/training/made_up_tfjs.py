"""Tiny TFJS graph models, written by hand: JSON beside raw weights, as the format has them."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from model.values import Array

Node = dict[str, Any]

SCOPE = "StatefulPartitionedCall/"
CELLS = 64
MIDDLE = 32

BODY = {
    "shoulder": (16, 40),
    "elbow": (24, 44),
    "wrist": (30, 47),
    "hip": (34, 37),
    "knee": (44, 38),
    "ankle": (54, 39),
}
"""Row and column of the left joints of the one pose that `movenet` sees in every picture; right ones lie opposite."""


def placeholder(name: str = "input") -> Node:
    """The picture."""
    return {"name": name, "op": "Placeholder"}


def convolution(
    name: str,
    source: str,
    op: str = "_FusedConv2D",
    stride: int = 1,
    padding: str = "SAME",
    fused: tuple[str, ...] = (),
) -> Node:
    """A convolution whose kernel and bias are the weights `NAME/kernel` and `NAME/bias`."""
    attr = {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": _coded(padding)},
        "fused_ops": {"list": {"s": [_coded(text) for text in fused]}},
    }
    return {"name": name, "op": op, "input": [source, f"{name}/kernel", f"{name}/bias"], "attr": attr}


def write(path: Path, nodes: list[Node], weights: dict[str, Array], half: bool = False) -> Path:
    """The model's JSON at `path` and its weights beside it; `half` stores them as float16."""
    manifest, data = [], b""
    for name, value in weights.items():
        entry: dict[str, Any] = {"name": name, "shape": list(value.shape), "dtype": str(value.dtype)}
        if half and value.dtype == np.float32:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        data += value.astype("float16" if "quantization" in entry else value.dtype).tobytes()
        manifest.append(entry)
    path.with_suffix(".bin").write_bytes(data)
    groups = [{"paths": [path.with_suffix(".bin").name], "weights": manifest}]
    path.write_text(json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": groups}))
    return path


def cells() -> Array:
    """Row and column [17, 2] of each joint that `movenet` sees, in COCO's order."""
    pairs = [(10, 33), (10, 34), *BODY.values()]
    both = [place for row, column in pairs for place in ((row, column), (row, CELLS - 1 - column))]
    return np.array([(11, 31), *both])


def movenet(path: Path, logit: float = 2.0) -> Path:
    """A MoveNet that sees `cells` in every picture, each in the middle of its cell, with a score of sigmoid(logit)."""
    heads = {
        "kpt_heatmap_0/conv2d_5": np.full(17, logit),
        "center_0/conv2d_4": np.zeros(1),
        "kpt_regress_0/conv2d_6": (cells() - MIDDLE).reshape(-1),
        "kpt_offset_0/conv2d_7": np.full(34, 0.5),
    }
    nodes: list[Node] = [placeholder(), {"name": f"{SCOPE}Cast", "op": "Cast", "input": ["input"]}]
    prior = np.zeros((CELLS, CELLS, 1), np.float32)
    prior[MIDDLE, MIDDLE] = 1.0
    weights = {f"ConstantFolding/{SCOPE}truediv_2_recip": prior, f"{SCOPE}add_5/y": np.array(1.8, np.float32)}
    for head, bias in heads.items():
        name = f"{SCOPE}{head}/BiasAdd"
        nodes.append(convolution(name, f"{SCOPE}Cast", stride=4, padding="VALID", fused=("BiasAdd",)))
        weights[f"{name}/kernel"] = np.zeros((1, 1, 3, len(bias)), np.float32)
        weights[f"{name}/bias"] = bias.astype(np.float32)
    return write(path, nodes, weights)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
