"""Compare ways to read joints off heatmaps: `python tests/bench/decoders.py --data DATA` prints a Markdown table.

Every second frame of the JHMDB val clips, the true box each frame, the recurrence running. Only decoding differs.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from model import weights_file
from model.coords import crop_input, heatmap_to_frame, region_to_transform, resample_maps
from model.engines.base import Engine, ModelInput
from model.engines.choose import open_engine
from model.heatmaps import newton_step
from model.pck import pck, person_size, torso_size
from model.values import Array, Frame, FrameTransform
from training.datasets import jhmdb
from training.datasets.person import SKELETON, Clip

Decoder = Callable[[Array], tuple[float, float]]
Read = tuple[Array, FrameTransform]


def main() -> None:
    """Read the maps once, then decode them in every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/")
    root = parser.parse_args().data / "JHMDB"
    network, _ = weights_file.load("kimnet-lite")
    engine = open_engine(network)
    reads: list[Read] = []
    truth: list[Array] = []
    boxes: list[Array] = []
    for clip in jhmdb.read_clips(root, jhmdb.split_names("val")):
        reads += read_maps(engine, clip)[::2]
        truth += list(clip.joints[::2])
        boxes += list(clip.boxes[::2])
    print("| decoder | person@0.2 | torso@0.2 | torso@0.1 | person@0.05 | person@0.02 |\n|---|---|---|---|---|---|")
    for name, decoder in DECODERS.items():
        predicted = np.array([_decoded(decoder, *read) for read in reads])
        print(
            f"| {name} | " + " | ".join(f"{v:.2f}" for v in _scores(predicted, np.array(truth), np.array(boxes))) + " |"
        )


def read_maps(engine: Engine, clip: Clip) -> list[Read]:
    """Heatmaps float16 [K, h, w] and crop of every frame."""
    reads: list[Read] = []
    q_prev = m_prev = None
    for t, rgb in enumerate(clip.frames):
        crop = region_to_transform(clip.region(t), engine.config.input_size)
        if q_prev is not None and m_prev is not None:
            q_prev, m_prev = (resample_maps(maps, reads[-1][1], crop) for maps in (q_prev, m_prev))
        [output] = engine.infer([ModelInput(crop_input(Frame(rgb), crop), q_prev, m_prev)])
        q_prev, m_prev = output.q, output.carry
        reads.append((output.m.astype(np.float16), crop))
    return reads


def _decoded(decoder: Decoder, maps: Array, crop: FrameTransform) -> Array:
    cells = np.array([decoder(plane) for plane in maps.astype(np.float32)])
    return heatmap_to_frame(cells, crop)


def _scores(predicted: Array, truth: Array, boxes: Array) -> list[float]:
    person, torso = person_size(boxes), torso_size(truth, predicted, SKELETON)
    ways = ((person, 0.2), (torso, 0.2), (torso, 0.1), (person, 0.05), (person, 0.02))
    return [pck(predicted, truth, size, SKELETON, alpha).mean for size, alpha in ways]


def _largest(plane: Array) -> tuple[int, int]:
    y, x = np.unravel_index(int(plane.argmax()), plane.shape)
    return int(x), int(y)


def quarter(plane: Array) -> tuple[float, float]:
    """SimpleBaseline's: a quarter of a cell towards the higher neighbour."""
    x, y = _largest(plane)
    side = plane.shape[0] - 1
    dx = np.sign(plane[y, min(x + 1, side)] - plane[y, max(x - 1, 0)])
    dy = np.sign(plane[min(y + 1, side), x] - plane[max(y - 1, 0), x])
    return x + 0.25 * float(dx), y + 0.25 * float(dy)


def newton(sigma: float) -> Decoder:
    """Smoothing by `sigma` cells (0: none), then one Newton step on the logarithm."""

    def decode(plane: Array) -> tuple[float, float]:
        smooth = cv2.GaussianBlur(plane, (0, 0), sigma) if sigma else plane
        x, y = _largest(smooth)
        dx, dy = newton_step(smooth, x, y)
        return x + dx, y + dy

    return decode


def center_of_mass(reach: int) -> Decoder:
    """Mean place within `reach` cells of the largest one."""

    def decode(plane: Array) -> tuple[float, float]:
        x, y = _largest(plane)
        x0, y0 = max(0, x - reach), max(0, y - reach)
        patch = np.maximum(plane[y0 : y + reach + 1, x0 : x + reach + 1], 0)
        rows, columns = np.mgrid[: patch.shape[0], : patch.shape[1]]
        total = float(patch.sum()) + 1e-9
        return x0 + float((patch * columns).sum()) / total, y0 + float((patch * rows).sum()) / total

    return decode


DECODERS: dict[str, Decoder] = {
    "largest cell": _largest,
    "quarter cell": quarter,
    "Newton, no smoothing": newton(0.0),
    "DARK, sigma 1.4 (its 7x7 kernel)": newton(1.4),
    "DARK, sigma 2 (served)": newton(2.0),
    "DARK, sigma 3": newton(3.0),
    "DARK, sigma 4": newton(4.0),
    "centre of mass, 9x9": center_of_mass(4),
}

if __name__ == "__main__":
    main()
