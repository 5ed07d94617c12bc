"""All datasets by name, each read part by part from the official layout under one data folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from model.skeletons import JHMDB_15
from training.datasets import coco, jhmdb, lsp, lspet, penn_action
from training.datasets.errors import DatasetError
from training.datasets.jhmdb_splits import FOLDS, left_out_names
from training.datasets.person import Clip

__all__ = ["DATASETS", "Dataset", "DatasetError", "left_out", "read"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """How one dataset is found and read.

    Attributes:
        folder: its place in the data folder.
        parts: names of the parts that it is divided into.
        needs: files and folders below `folder` that must be there -> what they hold.
        layout: the official layout in a line, for error messages.
        names: (root, part) -> the part's clip names.
        clips: (root, names) -> those clips.
        left_out: part -> people of it that are in the data set and not among `names`.
    """

    folder: str
    parts: tuple[str, ...]
    needs: Mapping[str, str]
    layout: str
    names: Callable[[Path, str], list[str]]
    clips: Callable[[Path, list[str]], Iterator[Clip]]
    left_out: Callable[[str], list[str]] = lambda part: []


def _sub_names(root: Path, part: str) -> list[str]:
    """train1 is the training part of fold 1."""
    return jhmdb.sub_fold_names(root, int(part[-1]), part[:-1])


_JHMDB_NEEDS = {"ReCompress_Videos": "videos", "joint_positions": "joints", "puppet_mask": "masks"}
_JHMDB_LAYOUT = (
    "ReCompress_Videos/<action>/<clip>.avi, joint_positions/<action>/<clip>/joint_positions.mat and "
    "puppet_mask/<action>/<clip>/puppet_mask.mat"
)
_SUB_PARTS = tuple(f"{part}{fold}" for fold in FOLDS for part in ("train", "test"))
_SUB_NEEDS = {**_JHMDB_NEEDS, "sub_splits": "lists of the folds"}
_SUB_LAYOUT = f"{_JHMDB_LAYOUT}, sub_splits/<action>_test_split_<k>.txt"

DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "jhmdb": Dataset(
            folder="JHMDB",
            parts=("train", "val", "test"),
            needs=_JHMDB_NEEDS,
            layout=_JHMDB_LAYOUT,
            names=lambda root, part: jhmdb.split_names(part),
            clips=jhmdb.read_clips,
            left_out=left_out_names,
        ),
        "sub-jhmdb": Dataset(
            folder="JHMDB",
            parts=_SUB_PARTS,
            needs=_SUB_NEEDS,
            layout=_SUB_LAYOUT,
            names=_sub_names,
            clips=jhmdb.read_clips,
        ),
        "sub-jhmdb-15": Dataset(
            folder="JHMDB",
            parts=_SUB_PARTS,
            needs=_SUB_NEEDS,
            layout=_SUB_LAYOUT,
            names=_sub_names,
            clips=partial(jhmdb.read_clips, skeleton=JHMDB_15),
        ),
        "penn-action": Dataset(
            folder="Penn_Action",
            parts=("train", "test"),
            needs={"labels": "labels", "frames": "frames"},
            layout="labels/NNNN.mat and frames/NNNN/%06d.jpg",
            names=penn_action.part_names,
            clips=penn_action.read_clips,
        ),
        "lsp": Dataset(
            folder="LSP",
            parts=("train", "test"),
            needs={"images": "images", "joints.mat": "joints"},
            layout="images/im%04d.jpg and joints.mat [3, 14, 2000]",
            names=lambda root, part: lsp.part_names(part),
            clips=lsp.read_clips,
        ),
        "coco": Dataset(
            folder="COCO",
            parts=("train", "val"),
            needs={"annotations": "keypoints"},
            layout="annotations/person_keypoints_{train,val}.json and images/",
            names=coco.part_names,
            clips=coco.read_clips,
        ),
        "lspet": Dataset(
            folder="LSPET",
            parts=("train", "val"),
            needs={"images": "images", "joints.mat": "joints", "train.txt": "list of train", "val.txt": "list of val"},
            layout="images/im%05d.jpg, joints.mat [14, 3, 10000], train.txt and val.txt",
            names=lspet.part_names,
            clips=lspet.read_clips,
            left_out=lambda part: sorted(lspet.LEFT_OUT) if part == "train" else [],
        ),
    }
)
"""`jhmdb` is divided as the served weights are; `sub-jhmdb` has the folds that papers report (train1, test1, ...);
`sub-jhmdb-15` has neck and belly besides, which some papers count."""


def read(data: Path, dataset: str, part: str) -> Iterator[Clip]:
    """The clips of a part, one after the other.

    Args:
        data: folder that holds JHMDB/, LSPET/, COCO/, Penn_Action/ and LSP/, or those of them that are read.

    Raises:
        DatasetError: at the call, an unknown name, a wrong layout or an empty part; while reading, a broken file.
    """
    found = _dataset(dataset)
    if part not in found.parts:
        raise DatasetError(f"{dataset} has no part {part!r}; its parts are {', '.join(found.parts)}")
    root = data / found.folder
    _check_layout(dataset, found, root)
    names = found.names(root, part)
    if not names:
        raise DatasetError(f"{dataset}: part {part} of {root} is empty; expected {found.layout}")
    return found.clips(root, names)


def left_out(dataset: str, part: str) -> list[str]:
    """People of a part that the project does not use, because they or their films are in another part, too.

    Raises:
        DatasetError: an unknown name.
    """
    return _dataset(dataset).left_out(part)


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise DatasetError(f"no dataset {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def _check_layout(name: str, found: Dataset, root: Path) -> None:
    missing = [place for place in found.needs if not (root / place).exists()]
    if not root.is_dir() or missing == list(found.needs):
        raise DatasetError(f"{name}: nothing of it is in {root}; expected {found.layout}")
    if missing:
        what = " and ".join(f"{found.needs[place]} ({root / place})" for place in missing)
        raise DatasetError(f"{name}: missing: {what}; expected {found.layout}")
