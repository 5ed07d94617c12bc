"""The paper's rows at a scale of seconds, on made-up data: in this process, or as a program that a test kills.

python -m tests.training.small_paper DATA STATE
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from model.encoders.movenet import WIDTHS
from tests.training import made_up, made_up_movenet
from training.paper.rows import ROWS, Row
from training.paper.runner import Paper
from training.paper.settings import CPU, Scale

SCALE: Scale = replace(
    CPU,
    network=replace(CPU.network, encoder="movenet_lightning", input_size=128, dim=8),
    pyramid_steps=2,
    pyramid_batch=2,
    sequences=100,
    steps=6,
    batch=2,
    frames=2,
    save_every=2,
)
ROWS_RUN: tuple[Row, ...] = tuple(row for row in ROWS if row.key in ("kimnet", "rpstn", "frame-by-frame"))


def make_data(folder: Path) -> Path:
    """JHMDB with a clip to train on and two to measure, LSPET with a picture, and MoveNet's weights."""
    names = ["walk/one", "walk/two", "walk/three"]
    made_up.jhmdb_tree(folder / "JHMDB", names, frames=4)
    splits = folder / "JHMDB" / "sub_splits"
    splits.mkdir()
    for fold in (1, 2, 3):
        (splits / f"walk_test_split_{fold}.txt").write_text("one.avi 1\ntwo.avi 2\nthree.avi 2\n")
    labels = np.random.default_rng(1).uniform(5, 60, (1, 14, 3))
    made_up.lspet_tree(folder / "LSPET", labels)
    made_up_movenet.write(folder / "movenet.json", WIDTHS["movenet_lightning"])
    return folder


def paper(data: Path, state: Path, said: list[str] | None = None) -> Paper:
    """On one thread and in float32: the same numbers each time."""
    torch.set_num_threads(1)
    say = print if said is None else said.append
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    return Paper(SCALE, fabric, data, data / "movenet.json", state, say)


def main() -> None:
    """All rows of fold 1."""
    data, state = map(Path, sys.argv[1:])
    paper(data, state).run(ROWS_RUN, [1], [0])


if __name__ == "__main__":
    main()
