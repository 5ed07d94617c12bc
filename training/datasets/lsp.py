"""Leeds Sports Pose (Johnson & Everingham 2010): images/im%04d.jpg, 1 to 2000, and joints.mat [3, 14, 2000].

x, y are MATLAB's 1-based pixels. Unlike in the extension the first axis holds x, y and flag, and the flag says
whether the joint is occluded (0: in sight), not whether it is labelled: all 14 are, hidden ones by a guess, and all
count. The first 1000 pictures are the official training set, the others the test set.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model.values import Array
from training.datasets.errors import DatasetError
from training.datasets.files import read_mat
from training.datasets.leeds import read_still
from training.datasets.person import Clip

TRAIN, ALL = 1000, 2000


def part_names(part: str) -> list[str]:
    """Image names of `train` or `test`; KeyError where there is no such part."""
    numbers = {"train": range(1, TRAIN + 1), "test": range(TRAIN + 1, ALL + 1)}[part]
    return [f"im{number:04d}.jpg" for number in numbers]


def read_clips(root: Path, names: list[str]) -> Iterator[Clip]:
    """Pictures as clips of one frame.

    Raises:
        DatasetError: an image is missing or broken, or the labels are those of another data set.
    """
    table = read_labels(root / "joints.mat")
    for name in names:
        clip = read_still(root / "images" / name, table[int(name[2:6]) - 1])
        if clip is not None:
            yield clip


def read_labels(path: Path) -> Array:
    """Labels float64 [2000, 14, 3] with the extension's meaning: x, y, 1-based, and 1 where labelled (all)."""
    [table] = read_mat(path, "joints")
    if table.shape != (3, 14, ALL):
        raise DatasetError(f"{path}: expected joints [3, 14, {ALL}] (LSP), got {list(table.shape)}")
    xy = table[:2].transpose(2, 1, 0).astype(np.float64)  # [2000, 14, 2]
    return np.concatenate([xy, np.ones((*xy.shape[:2], 1))], axis=2)
