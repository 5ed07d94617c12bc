"""`kinepose-train pseudo-label`: what the teacher sees of a picture, how picture and mirror are joined, the file."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from rich.progress import Progress

from model.values import Array
from tests.training import made_up
from tests.training import made_up_tfjs as tfjs
from training.commands import pseudo_label
from training.datasets import jhmdb
from training.datasets.coco import JOINTS_17
from training.datasets.errors import DatasetError
from training.datasets.lspet import part_names
from training.teacher.blend import read_pseudo_labels
from training.teacher.movenet import MoveNet
from training.teacher.square import Square, crop

NAMES = ["walk/one", "golf/two"]
LEFT, RIGHT = JOINTS_17.index("left_wrist"), JOINTS_17.index("right_wrist")


def noise(height: int, width: int) -> Array:
    """A picture in which no two places look alike."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def fixed(joints: Array) -> pseudo_label.Teacher:
    """A teacher that says the same of every picture."""
    return lambda picture: joints.copy()


def dots(picture: Array) -> Array:
    """A teacher that sees two white dots as the wrists of one who faces us: her left is on our right."""
    columns, rows = np.flatnonzero(picture[..., 0].any(axis=0)), picture[..., 0].argmax(axis=0)
    joints = np.full((17, 3), 0.5)
    for joint, column in ((RIGHT, columns[0]), (LEFT, columns[-1])):
        joints[joint] = (column + 0.5) / 256, (rows[column] + 0.5) / 256, 0.9
    return joints


def test_a_crop_of_the_teachers_size_is_the_pictures_own_pixels() -> None:
    """Side 256 at a whole place: no pixel is blended with its neighbour."""
    picture = noise(300, 320)
    seen = crop(picture, Square(20 + 127.5, 10 + 127.5, 256.0))
    np.testing.assert_array_equal(seen, picture[10:266, 20:276])


def test_a_crop_is_black_beyond_the_picture() -> None:
    """A square that hangs over the left edge by 30 pixels has 30 black columns."""
    picture = np.full((256, 256, 3), 200, np.uint8)
    seen = crop(picture, Square(127.5 - 30, 127.5, 256.0))
    assert not seen[:, :30].any()
    assert (seen[:, 30:] == 200).all()


def test_a_crop_of_twice_the_size_is_the_mean_of_fours() -> None:
    """What is drawn smaller is averaged, and not thinned out."""
    picture = noise(512, 512)
    seen = crop(picture, Square(255.5, 255.5, 512.0))
    means = picture.reshape(256, 2, 256, 2, 3).astype(np.float64).mean(axis=(1, 3))
    assert np.abs(seen - means).max() <= 0.5


def test_a_small_crop_is_interpolated_between_pixel_centres() -> None:
    """On a ramp of 4 grey levels a pixel, a crop of half the size rises by 2 a pixel, from the right level."""
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None] * 4, (60, 60, 3)).copy()
    row = crop(ramp, Square(29.5, 29.5, 32.0))[128, :, 0].astype(float)
    columns = 29.5 + ((np.arange(256) + 0.5) / 256 - 0.5) * 32.0
    assert np.abs(row - 4 * columns).max() <= 0.5 + 4 / 32


def test_the_square_goes_half_beyond_the_labels() -> None:
    """Labels that span 40 x 20 pixels: a square of 60 round their middle, in 0-based pixels."""
    labels = np.zeros((14, 3), np.float32)
    labels[:3] = (11, 31, 1), (51, 41, 1), (21, 51, 1)
    labels[5] = 999, 999, 0
    assert pseudo_label.square_of_labels(labels, 200, 100) == Square(30.0, 40.0, 60.0)


def test_hardly_any_label_gives_the_whole_picture() -> None:
    """Two joints do not tell where a person is."""
    labels = np.zeros((14, 3), np.float32)
    labels[:2, 2] = 1
    assert pseudo_label.square_of_labels(labels, 200, 100) == Square(99.5, 49.5, 200)


def test_joints_are_where_the_teacher_saw_them() -> None:
    """Dots at known pixels come back at those pixels: crop, mirror and the way back cancel out."""
    picture = np.zeros((300, 320, 3), np.uint8)
    picture[60, 70] = picture[90, 200] = 255
    joints, scores = pseudo_label.predict_person(dots, picture, Square(20 + 127.5, 10 + 127.5, 256.0), 170.0)
    np.testing.assert_allclose(joints[[RIGHT, LEFT]], [(70, 60), (200, 90)], atol=1e-9)
    np.testing.assert_allclose(scores[[RIGHT, LEFT]], 0.9)


def test_a_mirror_swaps_left_and_right() -> None:
    """What looks like a left wrist in the mirror is the right one; the nose stays a nose."""
    joints = np.zeros((17, 3))
    joints[LEFT], joints[0] = (0.2, 0.4, 0.9), (0.6, 0.1, 0.8)
    own = pseudo_label.unmirror(joints)
    np.testing.assert_allclose(own[RIGHT], (0.8, 0.4, 0.9))
    np.testing.assert_allclose(own[0], (0.4, 0.1, 0.8))


def test_a_mirror_image_of_a_mirror_image_is_the_picture() -> None:
    """Every joint changes sides, and changes back."""
    joints = np.random.default_rng(0).random((17, 3))
    mirrored = pseudo_label.unmirror(np.column_stack([np.zeros((17, 2)), np.arange(17)]))
    names = [JOINTS_17[int(i)] for i in mirrored[:, 2]]
    assert [name.partition("_")[2] for name in names] == [name.partition("_")[2] for name in JOINTS_17]
    assert all(name != other for name, other in zip(names[1:], JOINTS_17[1:], strict=True))
    np.testing.assert_allclose(pseudo_label.unmirror(pseudo_label.unmirror(joints)), joints)


def test_joints_that_the_mirror_moves_are_not_believed() -> None:
    """A teacher that sees a left wrist at one place of any picture contradicts itself; in the middle it does not."""
    said = np.full((17, 3), 0.5)
    said[[LEFT, RIGHT], 0] = 0.3
    _, scores = pseudo_label.predict_person(fixed(said), noise(256, 256), Square(127.5, 127.5, 256.0), 170.0)
    assert not scores[[LEFT, RIGHT]].any()
    assert (np.delete(scores, [LEFT, RIGHT]) == 0.5).all()


@pytest.mark.parametrize(("size", "believed"), [(130.0, True), (126.0, False)])
def test_how_far_apart_is_judged_by_the_persons_size(size: float, believed: bool) -> None:
    """0.05 of a square of 256 pixels is 12.8 pixels: a tenth of a person of 128."""
    said = np.full((17, 3), 0.5)
    said[0, 0] = 0.525
    _, scores = pseudo_label.predict_person(fixed(said), noise(256, 256), Square(127.5, 127.5, 256.0), size)
    assert bool(scores[0]) is believed


def test_the_surer_run_weighs_more() -> None:
    """Left says 0.9 at 0.52, the mirrored right 0.3 at 0.52 (0.48 in the picture): the mean lies three to one."""
    said = np.full((17, 3), 0.5)
    said[LEFT], said[RIGHT] = (0.52, 0.5, 0.9), (0.52, 0.5, 0.3)
    joints, scores = pseudo_label.predict_person(fixed(said), noise(256, 256), Square(127.5, 127.5, 256.0), 170.0)
    assert joints[LEFT, 0] == pytest.approx(127.5 + (0.75 * 0.52 + 0.25 * 0.48 - 0.5) * 256)
    assert scores[LEFT] == pytest.approx(0.6)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """JHMDB, labelled where the made-up MoveNet sees the joints, and three pictures of LSPET, one hardly labelled."""
    made_up.jhmdb_tree(tmp_path / "JHMDB", NAMES)
    for name in NAMES:
        scipy.io.savemat(
            tmp_path / "JHMDB" / "joint_positions" / name / "joint_positions.mat", {"pos_img": _as_seen(frames=6)}
        )
    labels = np.ones((3, 14, 3))
    labels[:, :, :2] = np.random.default_rng(0).integers(10, 60, (3, 14, 2))
    labels[2, 2:, 2] = 0
    made_up.lspet_tree(tmp_path / "LSPET", labels)
    monkeypatch.setattr(jhmdb, "split_names", lambda part: {"train": NAMES}[part])
    return tmp_path


def _as_seen(frames: int) -> Array:
    """pos_img [2, 15, T], 1-based: the joints of `made_up_tfjs` in the squares round `made_up`'s masks."""
    shares = (tfjs.cells()[:, ::-1] + 0.5) / tfjs.CELLS  # x, y
    middles = np.stack([np.full(frames, 33.5), 22.0 + np.arange(frames)], axis=-1)  # 8..59 and 5..39, one lower a frame
    coco = [JOINTS_17.index(name) if name in JOINTS_17 else 0 for name in jhmdb.JOINTS_15]
    seen = middles[:, None] + (shares[coco] - 0.5) * 1.25 * 52.0  # [T, 15, 2]
    return np.asarray(seen.transpose(2, 1, 0) + 1.0)


def run(data: Path, movenet: Path, out: Path) -> None:
    """The command, as from the command line."""
    parser = argparse.ArgumentParser()
    pseudo_label.add_arguments(parser)
    pseudo_label.run(parser.parse_args(["--data", str(data), "--movenet", str(movenet), "--out", str(out)]))


def test_the_command_writes_what_training_reads(data: Path, tmp_path: Path) -> None:
    """All pictures of the train part in their order, joints where the teacher sees them, types as promised."""
    out = tmp_path / "new" / "labels.npz"
    run(data, tfjs.movenet(tmp_path / "movenet.json"), out)
    pseudo = read_pseudo_labels(out)
    assert list(pseudo.row) == part_names(data / "LSPET", "train")
    assert [pseudo.joints.shape, pseudo.scores.shape] == [(3, 17, 2), (3, 17)]
    assert pseudo.joints.dtype == pseudo.scores.dtype == np.dtype(np.float32)
    width, height = made_up.SIZE
    whole = np.array([(width - 1) / 2, (height - 1) / 2]) + ((tfjs.cells()[:, ::-1] + 0.5) / 64 - 0.5) * width
    np.testing.assert_allclose(pseudo.joints[2, 1:], whole[1:], atol=1e-4)
    np.testing.assert_allclose(pseudo.scores, 1 / (1 + np.exp(-2.0)), atol=1e-6)


def test_a_teacher_that_labels_as_jhmdb_does_is_not_moved(data: Path, tmp_path: Path) -> None:
    """Style is what lies between the two; here nothing does."""
    out = tmp_path / "labels.npz"
    run(data, tfjs.movenet(tmp_path / "movenet.json"), out)
    np.testing.assert_allclose(read_pseudo_labels(out).style, np.zeros((6, 7)), atol=1e-5)


def test_a_teacher_that_is_sure_of_nothing_teaches_no_style(data: Path, tmp_path: Path) -> None:
    """Scores below 0.4 leave nothing to fit, which is said and not computed with."""
    teacher = MoveNet(tfjs.movenet(tmp_path / "movenet.json", logit=-0.45))  # a score of 0.39
    with pytest.raises(DatasetError, match="sure of no shoulder"):
        pseudo_label.learn_style(teacher, data / "JHMDB", Progress(disable=True))


def test_a_picture_without_labels_is_an_error(data: Path, tmp_path: Path) -> None:
    """A name beyond the table is named, with what there is."""
    images = data / "LSPET" / "images"
    (images / "im00009.jpg").write_bytes((images / "im00001.jpg").read_bytes())
    with pytest.raises(DatasetError, match=r"no labels for 'im00009\.jpg'; expected im00001\.jpg to im00003\.jpg"):
        pseudo_label.label_stills(fixed(np.zeros((17, 3))), data / "LSPET", ["im00009.jpg"], Progress(disable=True))


def test_files_that_are_missing_end_the_command_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and the file's name on stderr."""
    with pytest.raises(SystemExit) as ended:
        run(data, tmp_path / "nowhere.json", tmp_path / "labels.npz")
    assert ended.value.code == 2
    assert "nowhere.json" in capsys.readouterr().err
    assert not (tmp_path / "labels.npz").exists()
