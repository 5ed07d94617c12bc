"""The three ways to run and the two readers, with an engine that sees dots; the figures they leave behind."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import weights_file
from model.config import KIMNET_LITE
from model.engines.torch_engine import TorchEngine
from model.pck import pck, torso_size
from model.tracker import RegionOutside, Tracker
from tests.support.dots import DotEngine, person, picture
from tests.support.weights import PROVENANCE, random_network
from training import provenance
from training.box_mode import BOX_MODES, BoxMode
from training.datasets.person import SKELETON, Clip
from training.evaluation.metrics import MetricOptions
from training.evaluation.run import (
    READERS,
    Reader,
    Scores,
    evaluate,
    evaluate_stills,
    run_clip,
    score,
)
from training.report import table as report


def test_a_hit_on_the_limit_counts() -> None:
    """At most alpha * size, as in eq. 12."""
    truth = np.zeros((1, 13, 2))
    predicted = truth + np.array([2.0, 0.0])
    assert pck(predicted, truth, np.array([10.0]), SKELETON).mean == 100.0
    assert pck(predicted, truth, np.array([9.99]), SKELETON).mean == 0.0


def test_a_vanishing_torso_takes_the_predicted_one() -> None:
    """A truth with shoulder on hip would make every joint a miss."""
    truth = np.zeros((1, 13, 2))
    predicted = truth.copy()
    predicted[0, SKELETON.index("right_hip")] = (3.0, 4.0)
    assert torso_size(truth, predicted, SKELETON) == pytest.approx([5.0])


def _walk(frames: int = 6) -> Clip:
    joints = np.stack([person(60 + 4 * t, 50, 110) for t in range(frames)])
    pictures = np.stack([picture(row).rgb for row in joints])
    boxes = np.array([[65.0 + 4 * t, 48, 90, 114] for t in range(frames)], np.float32)
    return Clip("walk", pictures, joints.astype(np.float32), np.ones(joints.shape[:2], bool), boxes, action="walk")


def _tracker() -> Tracker:
    return Tracker(DotEngine(), "digest")


def _boxes_seen(tracker: Tracker) -> list[bytes]:
    """The crops that the network was shown, in order."""
    return [item.image.tobytes() for item in tracker.engine.seen]  # type: ignore[attr-defined]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("mode", BOX_MODES)
def test_every_way_to_run_follows_an_easy_person(mode: BoxMode, reader: Reader) -> None:
    """With dots for joints each way is exact, and the result has the clip's truth beside it."""
    clip = _walk()
    result = run_clip(_tracker(), clip, mode, reader)
    np.testing.assert_allclose(result.joints, clip.joints, atol=1.5)
    assert (result.name, result.action, len(result)) == ("walk", "walk", 6)
    assert result.truth is clip.joints
    assert result.boxes is clip.boxes
    assert result.labelled is clip.labelled
    assert result.scores.shape == (6, 13)


@pytest.mark.parametrize("mode", BOX_MODES)
def test_frame_by_frame_reads_first_frames_in_the_same_crops(mode: BoxMode) -> None:
    """Nothing recurrent reaches the network; the dots do not need it, so the box takes the same way."""
    recurrent, alone = _tracker(), _tracker()
    run_clip(recurrent, _walk(), mode, "recurrent")
    run_clip(Tracker(alone.engine, "digest"), _walk(), mode, "frame by frame")
    fresh = [item.fresh for item in alone.engine.seen]  # type: ignore[attr-defined]
    assert all(fresh)
    assert not recurrent.engine.seen[-1].fresh  # type: ignore[attr-defined]
    assert _boxes_seen(alone) == _boxes_seen(recurrent)


def test_frame_by_frame_in_true_boxes_does_not_depend_on_the_frame_before() -> None:
    """A real network: each frame alone gives bit for bit what it gives in its clip; with memory it does not."""
    tracker = Tracker(TorchEngine(random_network(KIMNET_LITE, seed=0)), "digest")
    clip = _walk(3)
    last = replace(clip, **{name: getattr(clip, name)[2:] for name in ("frames", "joints", "labelled", "boxes")})
    alone = run_clip(tracker, last, "box").joints[0]
    np.testing.assert_array_equal(run_clip(tracker, clip, "box", "frame by frame").joints[2], alone)
    assert not np.array_equal(run_clip(tracker, clip, "box").joints[2], alone)


def test_the_failure_of_a_frame_is_raised() -> None:
    """A true box with no pixel of the frame in it is no clip to measure."""
    clip = _walk(2)
    with pytest.raises(RegionOutside):
        run_clip(_tracker(), replace(clip, boxes=clip.boxes + np.float32(999)), "box")


def test_scores_pool_all_frames_of_all_clips() -> None:
    """Joints are counted over clips of different length."""
    scores = evaluate(_tracker(), [_walk(3), _walk(6)], "box")
    assert (scores.clips, scores.frames, scores.person.joints) == (2, 9, 9 * 13)
    assert scores.person.mean == 100.0


def test_options_reach_the_figures() -> None:
    """A tolerance of next to nothing finds hardly a joint."""
    results = [run_clip(_tracker(), _walk(3), "box")]
    assert score(results, MetricOptions(alpha=1e-6)).person.mean < 50.0
    assert score(results).person.mean == 100.0


def test_stills_are_read_in_their_true_boxes_as_first_frames() -> None:
    """One pass a picture, nothing searched or followed."""
    tracker = _tracker()
    scores = evaluate_stills(tracker, [_walk(1), _walk(1)])
    assert (scores.clips, scores.frames, scores.person.mean) == (2, 2, 100.0)
    assert [item.fresh for item in tracker.engine.seen] == [True, True]  # type: ignore[attr-defined]


def test_a_clip_is_no_still() -> None:
    """Its later frames would be measured in a way that nobody serves."""
    with pytest.raises(ValueError, match="got a clip of 3 frames"):
        evaluate_stills(_tracker(), [_walk(3)])


def test_figures_reach_the_card_and_the_weights_stay_the_same(tmp_path: Path) -> None:
    """Writing measured PCK into the card does not touch the weights' digest."""
    path = tmp_path / "kimnet-lite.safetensors"
    card = weights_file.save(random_network(KIMNET_LITE, seed=0), path, replace(PROVENANCE, pck={}, pck_per_joint={}))
    scores: dict[BoxMode, Scores] = {"box": evaluate(_tracker(), [_walk(3)], "box")}
    network, _ = weights_file.load("kimnet-lite", tmp_path)
    updated = weights_file.save(network, path, provenance.with_figures(card, scores, "JHMDB test"))
    assert updated.sha256 == card.sha256
    assert updated.pck["JHMDB test, box each frame, person@0.2"] == 100.0
    assert json.loads(path.with_suffix(".json").read_text())["pck"] == updated.pck
    assert replace(updated, pck={}, pck_per_joint={}) == card


def test_the_table_has_a_row_for_each_way_and_normaliser() -> None:
    """Two rows a way, all joints in columns."""
    scores: dict[BoxMode, Scores] = {"region": evaluate(_tracker(), [_walk(3)], "region")}
    text = report.table(scores, "test")
    assert "1 clips, 3 frames, 39 joints" in text
    assert text.count("| region on frame 0 |") == 2
