"""Leeds Sports Pose Extended (Johnson & Everingham 2011): images/im%05d.jpg and joints.mat [14, 3, 10000].

x, y are MATLAB's 1-based pixels (below: how sure that is); the third row is 1 where the joint is labelled. A joint that
is not labelled is masked. The official data set is one training set; train.txt and val.txt divide it for this project.

1-based is what its authors' tools and the other sets of these years say, and no label of 7,980 pictures lies below 1.
Against MoveNet Thunder on val (1,837 joints that it is sure of) labels minus 1 lie 0.90 px left and 0.74 px above in
the median (standard error 0.1), where COCO's lie 0.03 and 0.11 px off, which speaks for 0. But JHMDB's, whose origin is
known, lie 0.65 px left, too, when they are taken as they should be (535 joints of val): LSPET read in this way agrees
with JHMDB to 0.3 px, and read from 0 it would not. A pixel is less than a hundredth of a person here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.values import Array
from training.datasets.errors import DatasetError
from training.datasets.files import read_mat
from training.datasets.leeds import read_still
from training.datasets.person import Clip

LEFT_OUT = frozenset({"im03597.jpg", "im03959.jpg"})
"""Pictures of train.txt that are also in val.txt, as im04787.jpg and im01803.jpg, cut a little differently."""

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
