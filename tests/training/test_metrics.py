"""Every switch of the metric against loops over plain floats, written from the protocol's words."""

import math
from dataclasses import replace

import numpy as np
import pytest

from model.values import Array
from training.datasets.person import SKELETON
from training.evaluation.metrics import NORMALISERS, ClipResult, MetricOptions, Normaliser, in_words, pck_of
from training.evaluation.metrics.options import TorsoInvalid, Visibility

K = len(SKELETON)
SHOULDER, HIP = SKELETON.index("left_shoulder"), SKELETON.index("right_hip")


def _clip(seed: int, frames: int = 12) -> ClipResult:
    """A person of about 80 px; a fifth of the joints is invisible, half of those at the picture's corner."""
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([20 + 10 * rng.random((frames, 2)), 40 + 60 * rng.random((frames, 2))], axis=1)
    truth = boxes[:, None, :2] + boxes[:, None, 2:] * rng.random((frames, K, 2))
    labelled = rng.random((frames, K)) < 0.8
    truth[~labelled & (rng.random((frames, K)) < 0.5)] = 0.0
    truth[0, HIP] = truth[0, SHOULDER] + 0.3  # a torso below one pixel
    truth[3, HIP] = truth[3, SHOULDER] + 400.0  # and one longer than the person
    labelled[0] = labelled[3] = True
    joints = truth + rng.normal(0, 9, truth.shape)
    scores = rng.random((frames, K))
    name = f"clip{seed}"
    return ClipResult(name, "walk", _single(joints), _single(truth), labelled, _single(boxes), _single(scores))


def _single(array: Array) -> Array:
    """As float32, which is what a run gives."""
    return array.astype(np.float32)


CLIPS = [_clip(0), _clip(1, frames=5), _clip(2, frames=20)]


def _floats(array: Array) -> list[list[float]]:
    return [[float(v) for v in row] for row in array]


def _torso(pose: list[list[float]]) -> float:
    return math.dist(pose[SHOULDER], pose[HIP])


def _plain_size(result: ClipResult, t: int, normaliser: str, rule: str) -> float | None:
    """The size of the person in a frame; None where the frame does not count."""
    person = max(float(result.boxes[t, 2]), float(result.boxes[t, 3]))
    if normaliser == "person":
        return person
    torso = _torso(_floats(result.truth[t]))
    both_visible = bool(result.labelled[t, SHOULDER]) and bool(result.labelled[t, HIP])
    if rule == "skip" and not both_visible:
        return None
    if rule == "bbox":
        return torso if both_visible and 1.0 <= torso <= person else person
    return torso if torso >= 1.0 else _torso(_floats(result.joints[t]))


def _plain_clean(clips: list[ClipResult], normaliser: str, options: MetricOptions) -> tuple[float, int, float]:
    """Percent of all joints, how many there were, percent of the left wrist."""
    wrist = SKELETON.index("left_wrist")
    hits, count = [0] * K, [0] * K
    for result in clips:
        for t in range(len(result)):
            size = _plain_size(result, t, normaliser, options.torso_invalid)
            for k in range(K):
                if size is None or not (result.labelled[t, k] or options.visibility == "all"):
                    continue
                count[k] += 1
                distance = math.dist(_floats(result.joints[t])[k], _floats(result.truth[t])[k])
                hits[k] += distance <= options.alpha * size
    return 100 * sum(hits) / sum(count), sum(count), 100 * hits[wrist] / count[wrist]


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("visibility", ["visible", "all"])
@pytest.mark.parametrize("torso_invalid", ["legacy", "skip", "bbox"])
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_the_clean_protocol_equals_its_definition(
    normaliser: Normaliser, torso_invalid: TorsoInvalid, visibility: Visibility, alpha: float
) -> None:
    """Mean, count and a joint's share, for every combination of switches, on clips with every torso trap."""
    options = MetricOptions(alpha, "clean", torso_invalid, visibility)
    measured = pck_of(CLIPS, normaliser, options)
    mean, count, wrist = _plain_clean(CLIPS, normaliser, options)
    assert (measured.mean, measured.per_joint["left_wrist"]) == pytest.approx((mean, wrist))
    assert measured.joints == count


def _plain_cell(x: float, low: float, side: float) -> int:
    return min(63, max(0, math.floor((x - low) / side * 64)))


def _plain_cells(joints: Array, box: Array) -> list[tuple[int, int]]:
    x0, y0, w, h = (float(v) for v in box)
    return [(_plain_cell(x, x0, w), _plain_cell(y, y0, h)) for x, y in _floats(joints)]


def _plain_rpstn(clips: list[ClipResult], normaliser: str, alpha: float) -> float:
    means = []
    for result in clips:
        first = _plain_cells(result.truth[0], result.boxes[0])
        size = math.dist(first[SHOULDER], first[HIP])
        if normaliser == "person":
            size = max(float(result.boxes[0, 2]), float(result.boxes[0, 3]))
        hits, count = [0] * K, [0] * K
        for t in range(len(result)):
            truth = _plain_cells(result.truth[t], result.boxes[t])
            found = _plain_cells(result.joints[t], result.boxes[t])
            for k in range(K):
                if truth[k][0] <= 1 or truth[k][1] <= 1:
                    continue
                count[k] += 1
                dx, dy = ((found[k][i] - truth[k][i]) / 6.4 + 1 for i in range(2))
                hits[k] += math.sqrt(dx * dx + dy * dy) < alpha * size
        shares = [100 * h / c for h, c in zip(hits, count, strict=True) if c]
        means.append(sum(shares) / len(shares))
    return sum(means) / len(means)


@pytest.mark.parametrize("alpha", [0.02, 0.2])
@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_rpstns_way_equals_its_description(normaliser: Normaliser, alpha: float) -> None:
    """Cells, the stray (1, 1), the first frame's size, the skipped border, and means of means."""
    options = MetricOptions(alpha, "rpstn")
    clips = [replace(clip, truth=_with_usable_first_torso(clip)) for clip in CLIPS]
    assert pck_of(clips, normaliser, options).mean == pytest.approx(_plain_rpstn(clips, normaliser, alpha))


def _with_usable_first_torso(clip: ClipResult) -> Array:
    truth = clip.truth.copy()
    truth[0, SHOULDER] = clip.boxes[0, :2] + clip.boxes[0, 2:] * np.float32(0.3)
    truth[0, HIP] = clip.boxes[0, :2] + clip.boxes[0, 2:] * np.float32(0.6)
    return truth


def _exact(torso: float) -> ClipResult:
    """A perfect estimate in a box of 64 x 64 px, a cell each; only the torso has a length."""
    truth = np.full((1, K, 2), 20.5, np.float32)
    truth[0, HIP, 0] += torso
    boxes = np.array([[0.0, 0.0, 64.0, 64.0]], np.float32)
    return ClipResult("exact", "", truth, truth, np.ones((1, K), bool), boxes, np.ones((1, K), np.float32))


def test_in_rpstns_way_a_perfect_pose_can_miss_and_a_poor_one_hit() -> None:
    """At 7 cells of torso nothing hits; at 30 an error of one and a half torsos does. That is why it is no default."""
    options = MetricOptions(impl="rpstn")
    assert pck_of([_exact(7)], "torso", options).mean == 0.0
    assert pck_of([_exact(8)], "torso", options).mean == 100.0
    good = _exact(30)
    poor = replace(good, joints=good.joints + np.float32(20.0))
    assert pck_of([poor], "torso", options).mean > 90.0
    assert pck_of([poor], "torso").mean == 0.0


def test_rpstns_limit_is_itself_a_miss() -> None:
    """A perfect joint is sqrt(2) away there; a limit of exactly that does not do."""
    limit = math.sqrt(2) / 8
    assert pck_of([_exact(8)], "torso", MetricOptions(limit, "rpstn")).mean == 0.0
    assert pck_of([_exact(8)], "torso", MetricOptions(limit * 1.001, "rpstn")).mean == 100.0


def test_rpstns_way_skips_joints_at_the_border_and_reads_no_visibility() -> None:
    """Twelve joints: the first lies in cell 1 of the crop; that none is visible does not matter."""
    result = _exact(30)
    truth = result.truth.copy()
    truth[0, 0] = (1.5, 30.0)
    hidden = replace(result, truth=truth, labelled=np.zeros_like(result.labelled))
    measured = pck_of([hidden], "torso", MetricOptions(impl="rpstn"))
    assert measured.joints == K - 1
    assert "head" not in measured.per_joint


def test_an_invisible_torso_in_the_corner_no_longer_makes_everything_a_hit() -> None:
    """The trap of Penn Action: legacy calls a joint 30 px off a hit, for the torso runs to the corner."""
    truth = np.full((1, K, 2), 200.0, np.float32)
    truth[0, HIP] = 0.0
    labelled = np.ones((1, K), bool)
    labelled[0, HIP] = False
    boxes = np.array([[180.0, 180.0, 40.0, 40.0]], np.float32)
    scores = np.ones((1, K), np.float32)
    result = ClipResult("corner", "", truth + np.float32(30.0), truth, labelled, boxes, scores)
    assert pck_of([result], "torso", MetricOptions(torso_invalid="legacy")).mean == 100.0
    assert pck_of([result], "torso", MetricOptions(torso_invalid="skip")).joints == 0
    assert pck_of([result], "torso", MetricOptions(torso_invalid="bbox")).mean == 0.0


def test_the_head_of_a_report_says_which_rule_was_used() -> None:
    """Every choice of switches has words of its own."""
    rules: tuple[TorsoInvalid, ...] = ("legacy", "skip", "bbox")
    words = [in_words(MetricOptions(torso_invalid=rule))["torso"] for rule in rules]
    words.append(in_words(MetricOptions(impl="rpstn"))["torso"])
    assert len(set(words)) == 4


def test_no_results_and_no_tolerance_are_refused() -> None:
    """A mean of nothing is no figure, and alpha 0 hits nothing."""
    with pytest.raises(ValueError, match="at least one clip"):
        pck_of([], "person")
    with pytest.raises(ValueError, match="alpha"):
        MetricOptions(alpha=0.0)


def test_a_result_whose_arrays_do_not_fit_is_refused() -> None:
    """Broadcasting would hide a mistake."""
    with pytest.raises(ValueError, match="expected 12 frames of 13 joints"):
        replace(CLIPS[0], boxes=CLIPS[0].boxes[:3])
