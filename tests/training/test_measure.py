"""The report's numbers, measured on a person of dots and on made-up clips."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.config import KIMNET_LITE
from model.coords import crop_input, region_to_transform
from model.engines.base import Engine, ModelInput
from model.engines.torch_engine import TorchEngine
from model.kimnet import KIMNet
from model.values import Frame
from tests.support.dots import DotEngine, person, picture
from tests.support.pipelines import CARD
from tests.support.weights import random_network
from tests.training import made_up
from training.datasets.person import SKELETON, Clip
from training.evaluation.metrics import MetricOptions
from training.report.measure import Conditions, Effort, Subject, measure
from training.report.relation import relation_map

CONDITIONS = Conditions("dots", "test", "made up", "tests")
NO_EXTRAS = Effort(0, 0, 0, 0, seeds=1)


@pytest.fixture(scope="module")
def network() -> KIMNet:
    """A random kimnet-lite whose queries and keys are not cut to zero."""
    network = random_network(KIMNET_LITE, seed=0)
    for projection in (network.to_query, network.to_key):
        torch.nn.init.uniform_(projection.conv.weight, 0.0, 0.3, generator=torch.Generator().manual_seed(0))
    return network


def _subject(network: KIMNet, engine: Engine | None = None) -> Subject:
    return Subject(network, CARD, engine or DotEngine())


def _walk(name: str, action: str, frames: int = 6, wrong: int = 0) -> Clip:
    """A person of dots; in the last `wrong` frames the truth is 60 px beside what is seen."""
    joints = np.stack([person(60 + 4 * t, 50, 110) for t in range(frames)])
    pictures = np.stack([picture(row).rgb for row in joints])
    boxes = np.array([[65.0 + 4 * t, 48, 90, 114] for t in range(frames)], np.float32)
    truth = joints.astype(np.float32)
    truth[frames - wrong :, :, 0] += 60
    return Clip(name, pictures, truth, np.ones(joints.shape[:2], bool), boxes, action=action)


CLIPS = [_walk("near", "walk"), _walk("far", "run", wrong=6), _walk("middling", "run", wrong=3)]


def test_a_report_holds_every_part_and_survives_json(network: KIMNet) -> None:
    """Plain numbers throughout, none of them NaN."""
    effort = Effort(occlusion_stride=1, relation_stride=2)
    content = measure(_subject(network), CLIPS[:1], {"pictures": [_walk("one", "", 1)]}, CONDITIONS, effort=effort)
    text = json.dumps(content.as_json(), allow_nan=False)
    assert json.loads(text)["joints"] == list(SKELETON.joints)
    assert list(content.modes) == list(content.frame_by_frame) == ["box", "region", "none"]
    assert list(content.occlusion) == ["one frame", "frames 2..T"]
    assert [len(curve) for readers in content.occlusion.values() for curve in readers.values()] == [10] * 4
    assert np.shape(content.relation) == (13, 13)
    assert content.stills["pictures"].mean == {"person": 100.0, "torso": 100.0}
    assert len(content.notes) == 4
    assert content.modes["region"].deviation.keys() == {"person", "torso"}
    assert content.modes["box"].deviation == {}
    assert content.modes["box"].jitter is not None
    assert content.presence is not None
    assert (content.presence.people, content.presence.empty) == (2, 2)
    assert {len(curve) for curve in content.blur.values()} == {len(content.blur_lengths)}


def test_the_head_tells_what_was_measured(network: KIMNet) -> None:
    """Counts, switches, weights, engine; the machine by its CPU and cores."""
    options = MetricOptions(alpha=0.1, torso_invalid="skip", visibility="all")
    head = measure(_subject(network), CLIPS, {}, CONDITIONS, options, NO_EXTRAS).head
    assert (head.model, head.sha256, head.dataset, head.part) == (CARD.name, CARD.sha256, "dots", "test")
    assert (head.clips, head.frames, head.joints, head.alpha) == (3, 18, 18 * 13, 0.1)
    assert (head.impl, head.torso_invalid, head.visibility) == ("clean", "skip", "all")
    assert head.engine == "DotEngine on cpu, f32"
    assert head.machine.endswith((" core", " cores"))
    assert head.command == "tests"


def test_curves_rise_with_alpha_and_pass_through_the_table(network: KIMNet) -> None:
    """Fifty tolerances from 0.01 to 0.5; the one at 0.2 is the table's mean."""
    content = measure(_subject(network), CLIPS, {}, CONDITIONS, effort=NO_EXTRAS)
    assert (len(content.alphas), content.alphas[0], content.alphas[-1]) == (50, 0.01, 0.5)
    for mode, curves in content.curves.items():
        for normaliser, curve in curves.items():
            assert curve == sorted(curve)
            assert curve[content.alphas.index(0.2)] == content.modes[mode].mean[normaliser]


def test_actions_are_measured_by_themselves(network: KIMNet) -> None:
    """Walking is read well; of the runners' twelve frames nine are wrong."""
    content = measure(_subject(network), CLIPS, {}, CONDITIONS, effort=NO_EXTRAS)
    assert list(content.actions) == ["run", "walk"]
    assert content.actions["walk"]["region"]["person"] == 100.0
    assert content.actions["run"]["region"]["person"] == pytest.approx(25.0)


def test_the_worst_clip_comes_first_with_frames_to_look_at(network: KIMNet) -> None:
    """By person size, region on frame 0; the first and the last frame are among the four."""
    worst = measure(_subject(network), CLIPS, {}, CONDITIONS, effort=NO_EXTRAS).worst
    assert [clip.name for clip in worst] == ["far", "middling", "near"]
    assert (worst[0].frames, worst[0].size, worst[0].mode) == ([0, 2, 3, 5], (320, 240), "region")
    assert np.shape(worst[0].truth) == np.shape(worst[0].predicted) == (4, 13, 2)
    np.testing.assert_allclose(worst[0].truth[3], CLIPS[1].joints[5], atol=0.051)


def test_a_short_clip_shows_each_frame_once(network: KIMNet) -> None:
    """Two frames are two pictures."""
    worst = measure(_subject(network), [_walk("short", "", 2)], {}, CONDITIONS, effort=NO_EXTRAS).worst
    assert worst[0].frames == [0, 1]


def test_what_never_counted_has_no_figure(network: KIMNet) -> None:
    """A part whose torsos are all invisible is left out rather than reported as NaN."""
    labelled = CLIPS[0].labelled.copy()
    labelled[:, SKELETON.index("right_hip")] = False
    clip = replace(CLIPS[0], labelled=labelled)
    options = MetricOptions(torso_invalid="skip")
    content = measure(_subject(network), [clip], {}, CONDITIONS, options, NO_EXTRAS)
    assert list(content.modes["box"].mean) == list(content.curves["box"]) == ["person"]
    json.dumps(content.as_json(), allow_nan=False)


def test_progress_is_told_clip_by_clip(network: KIMNet) -> None:
    """Every pass counts up to all clips."""
    told: list[tuple[str, int, int]] = []
    measure(
        _subject(network),
        CLIPS[:2],
        {},
        CONDITIONS,
        effort=Effort(1, 5, seeds=2),
        progress=lambda *step: told.append(step),
    )
    parts = {what for what, _, _ in told}
    assert parts >= {"recurrent, region", "frame by frame, none", "hidden joints", "relation map"}
    for what in parts:
        steps = [(done, total) for w, done, total in told if w == what]
        assert steps == [(i + 1, len(steps)) for i in range(len(steps))]


def test_no_clips_are_no_report(network: KIMNet) -> None:
    """A mean of nothing is no figure."""
    with pytest.raises(ValueError, match="at least one clip"):
        measure(_subject(network), [], {}, CONDITIONS)


def test_the_relation_map_is_what_the_network_uses(network: KIMNet) -> None:
    """Of a still crop: q.k, each row divided by its sum (eq. 9 as printed), by loops over float64."""
    clip = made_up.moving(2)
    still = replace(clip, boxes=np.repeat(clip.boxes[:1], 2, axis=0))
    found = relation_map(network, [still])
    assert found is not None
    np.testing.assert_allclose(found, _plain_relation(network, still), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


def _plain_relation(network: KIMNet, clip: Clip) -> list[list[float]]:
    """What TorchEngine's own q and the key projection say, without the code under test."""
    transform = region_to_transform(clip.region(0), network.config.input_size)
    images = [crop_input(Frame(rgb), transform) for rgb in clip.frames]
    [before] = TorchEngine(network).infer([ModelInput(images[0])])
    with torch.no_grad():
        features = network.encoder(torch.from_numpy(images[1]).permute(2, 0, 1)[None].float())
        key = network.to_key(features)[0].double().flatten(1).tolist()
    query = before.q.astype(np.float64).reshape(13, -1).tolist()
    rows = [[sum(a * b for a, b in zip(k, q, strict=True)) for q in query] for k in key]
    return [[o / sum(row) for o in row] for row in rows]


def test_the_relation_map_needs_two_frames(network: KIMNet) -> None:
    """A still picture has no frame before."""
    assert relation_map(network, [made_up.still()]) is None


def test_the_relation_map_follows_a_moving_box(network: KIMNet) -> None:
    """The previous maps are moved into the current crop: another box gives another map."""
    clip = made_up.moving(2)
    still = replace(clip, boxes=np.repeat(clip.boxes[1:], 2, axis=0))
    moving, standing = relation_map(network, [clip]), relation_map(network, [still])
    assert moving is not None
    assert standing is not None
    assert not np.allclose(moving, standing, atol=1e-6)
