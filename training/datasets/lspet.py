"""Leeds Sports Pose Extended (Johnson & Everingham 2011): images/im%05d.jpg and joints.mat [14, 3, 10000].

x, y are MATLAB's 1-based pixels; the third row is 1 where the joint is labelled. A joint that is not labelled
is masked. The official data set is one training set; train.txt and val.txt divide it for this project.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.values import Array
from training.datasets.errors import DatasetError
from training.datasets.files import read_mat
from training.datasets.leeds import read_still
from training.datasets.person import Clip

LEFT_OUT = frozenset({"im03959.jpg", "im04787.jpg"})
"""Pictures of train that are also in val, as im01803.jpg and im03597.jpg."""

_NAME = re.compile(r"im(\d{5})\.jpg")


def part_names(root: Path, part: str) -> list[str]:
    """Image names of `train` or `val`; DatasetError where there is no such list."""
    path = root / f"{part}.txt"
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; expected one image name a line")
    names = path.read_text().split()
    return [name for name in names if name not in LEFT_OUT] if part == "train" else names


def read_clips(root: Path, names: list[str]) -> Iterator[Clip]:
    """Pictures as clips of one frame; those with fewer than 3 labelled joints are left out.

    Raises:
        DatasetError: an image that the list names is missing, broken, or beyond the labels.
    """
    [table] = read_mat(root / "joints.mat", "joints")  # [14, 3, N]
    if table.ndim != 3 or table.shape[:2] != (14, 3):
        raise DatasetError(f"{root / 'joints.mat'}: expected joints [14, 3, N], got {list(table.shape)}")
    for name in names:
        clip = read_still(root / "images" / name, label_row(table, name))
        if clip is not None:
            yield clip


def label_row(table: Array, name: str) -> Array:
    """An image's raw labels [14, 3] of the table [14, 3, N]: pictures are numbered from 1.

    Raises:
        DatasetError: the table has none for that name.
    """
    match, count = _NAME.fullmatch(name), table.shape[2]
    if match is None or not 1 <= int(match[1]) <= count:
        raise DatasetError(f"LSPET: no labels for {name!r}; expected im00001.jpg to im{count:05d}.jpg")
    row: Array = table[:, :, int(match[1]) - 1]
    return row
