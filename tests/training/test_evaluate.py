"""PCK against an independent float64 computation, and the three ways to run."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import zoo
from model.config import KIMNET_LITE
from model.pck import pck, person_size, torso_size
from model.tracker import Tracker
from model.values import Array
from tests.support.dots import DotEngine, person, picture
from tests.support.weights import random_network
from training import provenance
from training.datasets.person import SKELETON, Clip
from training.evaluate import PROTOCOLS, evaluate, track_clip
from training.report import table as report


def _plain_pck(predicted: Array, truth: Array, size: list[float], labelled: Array, alpha: float) -> float:
    """By loops and math.hypot, from the definition."""
    hits = count = 0
    for n in range(len(truth)):
        for k in range(truth.shape[1]):
            if labelled[n, k]:
                dx, dy = predicted[n, k] - truth[n, k]
                count += 1
                hits += math.hypot(dx, dy) <= alpha * size[n]
    return 100 * hits / count


def test_pck_equals_its_definition() -> None:
    """Both normalisers, with unlabelled joints, on random joints."""
    rng = np.random.default_rng(0)
    truth = rng.random((20, 13, 2)) * 100
    predicted = truth + rng.normal(0, 8, truth.shape)
    labelled = rng.random((20, 13)) < 0.8
    boxes = np.concatenate([rng.random((20, 2)), 30 + 50 * rng.random((20, 2))], axis=1)
    sizes = [max(w, h) for _, _, w, h in boxes]
    mine = pck(predicted, truth, person_size(boxes), SKELETON, labelled=labelled).mean
    assert mine == pytest.approx(_plain_pck(predicted, truth, sizes, labelled, 0.2))
    shoulder, hip = SKELETON.index("left_shoulder"), SKELETON.index("right_hip")
    torsos = [math.dist(row[shoulder], row[hip]) for row in truth]
    mine = pck(predicted, truth, torso_size(truth, predicted, SKELETON), SKELETON, labelled=labelled).mean
    assert mine == pytest.approx(_plain_pck(predicted, truth, torsos, labelled, 0.2))


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
    return Clip("walk", pictures, joints.astype(np.float32), np.ones(joints.shape[:2], bool), boxes)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_way_to_run_follows_an_easy_person(protocol: str) -> None:
    """With dots for joints each way is exact."""
    clip = _walk()
    joints = track_clip(Tracker(DotEngine(), "digest"), clip, protocol)  # type: ignore[arg-type]
    np.testing.assert_allclose(joints, clip.joints, atol=1.5)


def test_scores_pool_all_frames_of_all_clips() -> None:
    """Joints are counted over clips of different length."""
    scores = evaluate(Tracker(DotEngine(), "digest"), [_walk(3), _walk(6)], "box")
    assert (scores.clips, scores.frames, scores.person.joints) == (2, 9, 9 * 13)
    assert scores.person.mean == 100.0


def test_figures_reach_the_card_and_the_weights_stay_the_same(tmp_path: Path) -> None:
    """Writing measured PCK into the card does not touch the weights' digest."""
    path = tmp_path / "kimnet-lite.safetensors"
    card = zoo.save(random_network(KIMNET_LITE, seed=0), path, provenance.served("0.0.0"))
    scores = {"box": evaluate(Tracker(DotEngine(), "digest"), [_walk(3)], "box")}
    network, _ = zoo.load("kimnet-lite", tmp_path)
    updated = zoo.save(network, path, provenance.with_figures(card, scores, "test"))  # type: ignore[arg-type]
    assert updated.sha256 == card.sha256
    assert updated.pck["JHMDB test, box each frame, person@0.2"] == 100.0
    assert json.loads(path.with_suffix(".json").read_text())["pck"] == updated.pck
    assert replace(updated, pck={}, pck_per_joint={}) == card


def test_the_table_has_a_row_for_each_way_and_normaliser() -> None:
    """Two rows a way, all joints in columns."""
    scores = {"region": evaluate(Tracker(DotEngine(), "digest"), [_walk(3)], "region")}
    text = report.table(scores, "test")  # type: ignore[arg-type]
    assert "1 clips, 3 frames, 39 joints" in text
    assert text.count("region on frame 0") == 2
