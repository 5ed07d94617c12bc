"""`kinepose-train inspect`: the counts, the contact sheet, and what a wrong layout says."""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from model.drawing import LEFT, RIGHT
from tests.training import made_up
from tests.training.real_data import DATA, needs_data
from training.commands import inspect
from training.contact_sheets.contact import COLUMNS, TILE, contact_sheet, person_tile
from training.contact_sheets.drawing import draw_pose
from training.datasets.person import SKELETON, Clip
from training.datasets.summary import Summary


def run(*words: str | Path) -> None:
    """The command as from the command line."""
    parser = argparse.ArgumentParser()
    inspect.add_arguments(parser)
    inspect.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two clips of Penn Action: four frames to train on, two to test on."""
    clips = {"0001": made_up.penn_labels(4), "0002": made_up.penn_labels(2, train=-1)}
    made_up.penn_tree(tmp_path / "Penn_Action", clips)
    return tmp_path


def rows(text: str) -> dict[str, list[str]]:
    """Cells of a printed table by the name of their row."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
    return {first: rest for first, *rest in cells}


def test_counts_of_all_parts_are_printed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One column a part; the right shoulder of the made-up clips is never visible."""
    run("penn-action", "--data", data)
    printed = rows(capsys.readouterr().out)
    assert printed["frames"] == ["4", "2"]
    assert printed["labelled right_shoulder"] == ["0.0 %", "0.0 %"]
    assert printed["labelled left_shoulder"] == ["100.0 %", "100.0 %"]
    assert printed["person, px (min / median / max)"] == ["60 / 60 / 60"] * 2
    assert printed["clips of golf_swing"] == ["1", "1"]


def test_one_part_alone_is_inspected(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--part leaves the others unread."""
    run("penn-action", "--data", data, "--part", "test")
    assert rows(capsys.readouterr().out)["frames"] == ["2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lsp"], "lsp: nothing of it is in"),
        (["mpii"], "no dataset 'mpii'"),
        (["penn-action", "--part", "val"], "penn-action has no part 'val'"),
        (["penn-action", "--sheet", "nowhere/sheet.png"], "nowhere/sheet.png: the sheet cannot be written there"),
    ],
)
def test_failure_is_one_line_and_status_2(
    data: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: what was expected and what was found."""
    with pytest.raises(SystemExit) as stopped:
        run(*words, "--data", data)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith(f"kinepose-train inspect: {message}")
    assert error.count("\n") == 1


def test_missing_frames_of_penn_action_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels without frames are a common half of that data set."""
    made_up.save(tmp_path / "Penn_Action" / "labels" / "0001.mat", made_up.penn_labels())
    with pytest.raises(SystemExit):
        run("penn-action", "--data", tmp_path)
    assert "missing: frames" in capsys.readouterr().err


def test_sheet_is_written_alike_for_the_same_seed(data: Path) -> None:
    """What one person looked at, another can look at."""
    for name in ("a", "b"):
        run("penn-action", "--data", data, "--sheet", data / f"{name}.png", "--count", "3")
    first, second = (cv2.imread(str(data / f"{name}.png")) for name in ("a", "b"))
    assert first is not None
    assert first.shape[1] > 3 * TILE
    np.testing.assert_array_equal(first, second)


def test_every_frame_is_as_likely_to_be_drawn() -> None:
    """2 of 6 frames, 600 times: each comes up in about a third of the sheets."""
    drawn = np.zeros(6)
    clip = made_up.moving(6)
    for seed in range(600):
        people = inspect.RandomPeople(2, np.random.default_rng(seed))
        people.offer(clip)
        for tile in people.tiles:
            drawn[int(tile.caption.rpartition("#")[2])] += 1
    assert drawn.sum() == 1200
    assert abs(drawn - 200).max() < 50  # over four standard deviations


def test_sheet_has_as_many_rows_as_its_tiles_need() -> None:
    """One tile more than a row holds begins another."""
    tile = person_tile(made_up.still(), 0)
    full, more = contact_sheet([tile] * COLUMNS, "full"), contact_sheet([tile] * (COLUMNS + 1), "more")
    assert full.shape[1] == more.shape[1]
    assert more.shape[0] - full.shape[0] > TILE


def test_tile_shows_each_joint_where_it_is() -> None:
    """A wrist to the person's right is orange, one to the left blue, at their places in the crop."""
    joints = np.full((1, 13, 2), 30.0, np.float32)
    joints[0, SKELETON.index("left_wrist")], joints[0, SKELETON.index("right_wrist")] = (55, 30), (5, 30)
    wrists = np.zeros((1, 13), bool)
    wrists[0, [SKELETON.index("left_wrist"), SKELETON.index("right_wrist")]] = True
    clip = Clip(
        "dots", np.zeros((1, 61, 61, 3), np.uint8), joints, wrists, np.array([[-0.5, -0.5, 61, 61]], np.float32)
    )
    image = person_tile(clip, 0).image
    scale = TILE / (61 * 1.4)
    middle, reach = (TILE - 1) / 2, 25 * scale
    assert tuple(image[round(middle), round(middle + reach)]) == LEFT
    assert tuple(image[round(middle), round(middle - reach)]) == RIGHT


def test_drawing_leaves_out_what_is_not_labelled_and_the_given_picture_alone() -> None:
    """Nothing labelled, nothing drawn; NaN is not labelled."""
    picture = np.zeros((40, 40, 3), np.uint8)
    joints = np.full((13, 2), 20.0)
    assert not draw_pose(picture, joints, np.zeros(13, bool)).any()
    assert not draw_pose(picture, np.full((13, 2), np.nan)).any()
    assert draw_pose(picture, joints).any()
    assert not picture.any()


def test_drawing_refuses_joints_of_another_skeleton() -> None:
    """15 joints are not the served 13."""
    with pytest.raises(ValueError, match="has 13 joints, got"):
        draw_pose(np.zeros((8, 8, 3), np.uint8), np.zeros((15, 2)))


def test_summary_counts_frames_by_joint() -> None:
    """A joint labelled in one of three frames is labelled in 33 %."""
    clip = made_up.moving(3)
    clip.labelled[1:, 4] = False
    summary = Summary()
    summary.add(clip)
    np.testing.assert_allclose(summary.labelled_percent()[[3, 4]], [100.0, 100 / 3])
    assert summary.person_sizes() == (50.0, 50.0, 50.0)


@needs_data
def test_real_lspet_is_inspected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """293 pictures in val, and a sheet of some of them."""
    run("lspet", "--data", DATA, "--part", "val", "--sheet", tmp_path / "sheet.png")
    assert rows(capsys.readouterr().out)["clips"] == ["293"]
    assert (tmp_path / "sheet.png").stat().st_size > 50_000
