"""JHMDB, on tiny made-up copies of the official layout and on the real data where it is present."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.io

from tests.training import made_up
from tests.training.real_data import DATA, needs_data
from training.datasets import jhmdb, jhmdb_splits
from training.datasets.errors import DatasetError

NAMES = ["walk/one", "golf/two"]


def overstate_frames(path: Path, frames: int) -> None:
    """Make the AVI's stream header say so many frames: dwLength, 32 bytes into the `strh` chunk's data."""
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8 + 32
    data[at : at + 4] = frames.to_bytes(4, "little")
    path.write_bytes(data)


def lists(root: Path, folder: str, ending: str, content: dict[str, str]) -> None:
    """One list a fold and action."""
    (root / folder).mkdir(parents=True)
    for action, lines in content.items():
        (root / folder / f"{action}{ending}").write_text(lines)


def test_joints_are_zero_based_and_in_the_served_order(tmp_path: Path) -> None:
    """MATLAB's pixel 1 is our pixel 0, and every joint is found by its name."""
    written = made_up.jhmdb_tree(tmp_path, NAMES)
    clip = jhmdb.read_clip(tmp_path, NAMES[0])
    np.testing.assert_allclose(clip.joints, made_up.served_order(written[NAMES[0]]), atol=1e-4)


def test_clip_knows_its_action(tmp_path: Path) -> None:
    """The action is the folder's name."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    assert [clip.action for clip in jhmdb.read_clips(tmp_path, NAMES)] == ["walk", "golf"]


def test_box_is_the_extent_of_the_mask(tmp_path: Path) -> None:
    """Rows 5..39 and columns 8..59 span 4.5..39.5 and 7.5..59.5 in pixel-centre coordinates."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    clip = jhmdb.read_clip(tmp_path, NAMES[0])
    np.testing.assert_allclose(clip.boxes[0], [7.5, 4.5, 52.0, 35.0])
    np.testing.assert_allclose(clip.boxes[3], [7.5, 7.5, 52.0, 35.0])


def test_frame_without_a_mask_takes_the_nearest_box(tmp_path: Path) -> None:
    """A hole in the masks does not lose the frame."""
    mask = np.zeros((20, 20, 3), np.uint8)
    mask[2:5, 2:5, 0] = mask[10:15, 10:15, 2] = 1
    scipy.io.savemat(tmp_path / "m.mat", {"part_mask": mask})
    boxes = jhmdb.read_boxes(tmp_path / "m.mat")
    np.testing.assert_allclose(boxes[1], boxes[0])


def test_clip_of_one_frame_is_read(tmp_path: Path) -> None:
    """MATLAB drops the last axis of [2, 15, 1]; the clip is one frame long all the same."""
    made_up.jhmdb_tree(tmp_path, NAMES[:1], frames=1)
    assert len(jhmdb.read_clip(tmp_path, NAMES[0])) == 1


def test_frames_are_counted_by_decoding(tmp_path: Path) -> None:
    """A header that promises 5 frames too many changes nothing."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    video = tmp_path / "ReCompress_Videos" / f"{NAMES[0]}.avi"
    overstate_frames(video, 11)
    with av.open(str(video)) as container:
        assert container.streams.video[0].frames == 11
    assert len(jhmdb.read_clip(tmp_path, NAMES[0])) == 6


def test_clip_whose_lengths_disagree_is_refused(tmp_path: Path) -> None:
    """Labels for more frames than the video has are an error that names the clip and the counts."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    made_up.video(tmp_path / "ReCompress_Videos" / f"{NAMES[0]}.avi", 4)
    with pytest.raises(DatasetError, match="walk/one: 4 frames, 6 joint rows"):
        jhmdb.read_clip(tmp_path, NAMES[0])


def test_broken_video_is_named(tmp_path: Path) -> None:
    """Bytes that are no video are a dataset error, not one of the decoder's."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    (tmp_path / "ReCompress_Videos" / f"{NAMES[0]}.avi").write_bytes(b"no video" * 100)
    with pytest.raises(DatasetError, match=r"one\.avi: not a video"):
        jhmdb.read_clip(tmp_path, NAMES[0])


def test_listed_clip_that_is_missing_is_named_before_any_is_read(tmp_path: Path) -> None:
    """A training run must not find out after the first thousand clips."""
    made_up.jhmdb_tree(tmp_path, NAMES)
    with pytest.raises(DatasetError, match="1 of 3 listed clips are missing or incomplete, the first is run/three"):
        next(jhmdb.read_clips(tmp_path, [*NAMES, "run/three"]))


@pytest.mark.parametrize(
    ("folder", "ending", "read"),
    [
        ("splits", "_test_split2.txt", jhmdb.fold_names),
        ("sub_splits", "_test_split_2.txt", jhmdb.sub_fold_names),
    ],
)
def test_fold_lists_say_train_by_1_and_test_by_2(
    tmp_path: Path, folder: str, ending: str, read: Callable[[Path, int, str], list[str]]
) -> None:
    """All actions' lists of the fold together, and no other fold's."""
    lists(tmp_path, folder, ending, {"walk": "a.avi 1\nb_@_[c].avi 2\n", "golf": "d.avi 1\n"})
    (tmp_path / folder / f"walk{ending.replace('2', '1')}").write_text("a.avi 2\n")
    assert read(tmp_path, 2, "train") == ["golf/d", "walk/a"]
    assert read(tmp_path, 2, "test") == ["walk/b_@_[c]"]


def test_list_with_another_flag_is_refused(tmp_path: Path) -> None:
    """A line that is not understood is named, not skipped."""
    lists(tmp_path, "sub_splits", "_test_split_1.txt", {"walk": "a.avi 1\nb.avi 3\n"})
    with pytest.raises(DatasetError, match=r"walk_test_split_1\.txt, line 2: .*'b\.avi 3'"):
        jhmdb.sub_fold_names(tmp_path, 1, "train")


def test_missing_lists_are_an_error(tmp_path: Path) -> None:
    """No list at all is a wrong layout, not an empty fold."""
    with pytest.raises(DatasetError, match=r"expected lists named <action>_test_split1\.txt, found none"):
        jhmdb.fold_names(tmp_path, 1, "test")


def test_project_split_has_no_clip_in_two_parts() -> None:
    """481 clips to train on, 29 to tune on, 58 to measure on, and none of them twice."""
    parts = [jhmdb.split_names(part) for part in ("train", "val", "test")]
    assert [len(part) for part in parts] == [481, 29, 58]
    assert len({name for part in parts for name in part}) == 481 + 29 + 58


def test_clips_of_another_parts_people_and_films_are_left_out() -> None:
    """Seven: a man and his room of test, and films of val. They are in no part, and no clip of theirs is in train."""
    left_out = jhmdb_splits.left_out_names("train")
    assert len(left_out) == 7
    parts = {part: jhmdb.split_names(part) for part in ("train", "val", "test")}
    assert not set(left_out) & {name for names in parts.values() for name in names}
    for film in ("Jeff_Ritter", "Veoh_Alpha_Dog", "The_Fugitive", "Fellowship"):
        assert any(film in name for name in left_out)
        assert not any(film in name for name in parts["train"]), film
    assert jhmdb_splits.left_out_names("val") == []


@needs_data
def test_the_split_is_that_of_the_data_folder() -> None:
    """Name by name: `splits/kinepose.json` beside the official lists."""
    theirs = DATA / "JHMDB" / "splits" / "kinepose.json"
    for part in ("train", "val", "test"):
        assert sorted(jhmdb.split_names(part)) == sorted(jhmdb.split_names(part, theirs))


@needs_data
def test_real_test_part_has_the_published_size() -> None:
    """58 clips and 2,054 frames whose joints, masks and decoded frames agree."""
    clips = list(jhmdb.read_clips(DATA / "JHMDB", jhmdb.split_names("test")))
    assert (len(clips), sum(map(len, clips))) == (58, 2054)


@needs_data
@pytest.mark.parametrize(("fold", "train", "test"), [(1, 178, 58), (2, 165, 71), (3, 154, 82)])
def test_real_sub_jhmdb_folds_have_the_reconstructed_size(fold: int, train: int, test: int) -> None:
    """No clip is in both parts, and each fold divides the same 236."""
    root = DATA / "JHMDB"
    first, second = (jhmdb.sub_fold_names(root, fold, part) for part in ("train", "test"))
    assert (len(first), len(second)) == (train, test)
    assert len({*first, *second}) == 236


@needs_data
@pytest.mark.parametrize("fold", [1, 2, 3])
def test_real_official_folds_list_all_clips(fold: int) -> None:
    """575 clips in all, and none in both parts."""
    names = [name for part in ("train", "test") for name in jhmdb.fold_names(DATA / "JHMDB", fold, part)]
    assert len(names) == len(set(names)) == 575
