"""All datasets by name, and what a wrong layout says."""

from pathlib import Path

import numpy as np
import pytest

from tests.training import made_up
from training.datasets import catalog
from training.datasets.catalog import DATASETS, DatasetError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a little of Penn Action, LSP and LSPET."""
    clips = {"0001": made_up.penn_labels(), "0002": made_up.penn_labels(train=-1)}
    made_up.penn_tree(tmp_path / "Penn_Action", clips)
    made_up.lspet_tree(tmp_path / "LSPET", np.full((3, 14, 3), 20.0))
    made_up.lsp_tree(tmp_path / "LSP", list(range(1001, 2001)))
    return tmp_path


def test_names_and_parts_are_those_promised() -> None:
    """Configurations and commands name them."""
    assert {name: dataset.parts for name, dataset in DATASETS.items()} == {
        "jhmdb": ("train", "val", "test"),
        "sub-jhmdb": ("train1", "test1", "train2", "test2", "train3", "test3"),
        "sub-jhmdb-15": ("train1", "test1", "train2", "test2", "train3", "test3"),
        "penn-action": ("train", "test"),
        "lsp": ("train", "test"),
        "coco": ("train", "val"),
        "lspet": ("train", "val"),
    }


@pytest.mark.parametrize(
    ("dataset", "part", "clips"),
    [("penn-action", "train", 1), ("penn-action", "test", 1), ("lsp", "test", 1000), ("lspet", "train", 3)],
)
def test_part_is_read(data: Path, dataset: str, part: str, clips: int) -> None:
    """Each from its official layout under one data folder."""
    assert sum(1 for _ in catalog.read(data, dataset, part)) == clips


def test_sub_jhmdb_part_names_its_fold(tmp_path: Path) -> None:
    """test2 is the test part of fold 2."""
    root = tmp_path / "JHMDB"
    made_up.jhmdb_tree(root, ["walk/one", "walk/two"])
    (root / "sub_splits").mkdir()
    (root / "sub_splits" / "walk_test_split_2.txt").write_text("one.avi 1\ntwo.avi 2\n")
    [clip] = catalog.read(tmp_path, "sub-jhmdb", "test2")
    assert clip.name == "walk/two"


def test_unknown_dataset_is_told_the_names(tmp_path: Path) -> None:
    """At the call, before anything is iterated."""
    known = "jhmdb, sub-jhmdb, sub-jhmdb-15, penn-action, lsp, coco, lspet"
    with pytest.raises(DatasetError, match=f"no dataset 'mpii'; there are {known}"):
        catalog.read(tmp_path, "mpii", "train")


def test_unknown_part_is_told_the_parts(tmp_path: Path) -> None:
    """LSPET has no test part."""
    with pytest.raises(DatasetError, match="lspet has no part 'test'; its parts are train, val"):
        catalog.read(tmp_path, "lspet", "test")


@pytest.mark.parametrize("dataset", list(DATASETS))
def test_missing_folder_is_told_the_layout(tmp_path: Path, dataset: str) -> None:
    """The error names the folder that was looked for and what should be in it."""
    with pytest.raises(DatasetError, match=f"nothing of it is in .*{DATASETS[dataset].folder}; expected"):
        catalog.read(tmp_path, dataset, DATASETS[dataset].parts[0])


def test_penn_action_without_frames_says_so(tmp_path: Path) -> None:
    """Labels alone are not enough, and the error says what is missing."""
    made_up.save(tmp_path / "Penn_Action" / "labels" / "0001.mat", made_up.penn_labels())
    with pytest.raises(DatasetError, match=r"penn-action: missing: frames \(.*Penn_Action/frames\); expected labels/"):
        catalog.read(tmp_path, "penn-action", "train")


def test_missing_labels_are_named(data: Path) -> None:
    """Pictures alone are not enough."""
    (data / "LSPET" / "joints.mat").unlink()
    with pytest.raises(DatasetError, match=r"lspet: missing: joints \(.*joints\.mat\)"):
        catalog.read(data, "lspet", "train")


def test_broken_labels_are_named(data: Path) -> None:
    """A file that is not MATLAB's is a dataset error, whatever its reader thinks of it."""
    (data / "LSPET" / "joints.mat").write_bytes(b"not a table" * 40)
    with pytest.raises(DatasetError, match=r"joints\.mat: not a readable MATLAB file"):
        list(catalog.read(data, "lspet", "train"))


def test_labels_without_the_expected_variable_are_named(data: Path) -> None:
    """The error says which variable was looked for."""
    made_up.save(data / "LSPET" / "joints.mat", {"points": np.zeros((14, 3, 3))})
    with pytest.raises(DatasetError, match=r"joints\.mat: expected variables joints; joints missing"):
        list(catalog.read(data, "lspet", "train"))


def test_empty_part_is_an_error(data: Path) -> None:
    """An empty list would train on nothing without a word."""
    (data / "LSPET" / "val.txt").write_text("")
    with pytest.raises(DatasetError, match=r"lspet: part val of .* is empty"):
        catalog.read(data, "lspet", "val")
