"""Whole networks: the paper's own setting, and its rows on tiny data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from model.config import KIMNET_R18
from model.encoders.simple_baseline import SimpleBaseline
from model.skeletons import JHMDB_15
from tests.training import made_up
from training.config import Phase, RunConfig
from training.paper import results
from training.paper.compose import gpu_page
from training.paper.measured import measure
from training.paper.page import markdown
from training.paper.rows import ENCODER_ROWS, ROWS, Row, row
from training.paper.whole import WholeScale, new_network
from training.paper.whole_runner import PENN_FOLD, WholePaper, gpu_scale, smoke_scale


def _tiny(dataset: str) -> WholeScale:
    """A ResNet-18 at 64 pixels for two steps."""
    smoke = smoke_scale().run
    [stage] = smoke.stages
    stage = stage.model_copy(
        update={
            "phases": [Phase(steps=2, size=64, batch=2, sigma=1.0)],
            "sequence": stage.sequence.model_copy(update={"frames": 3}),
        }
    )
    part = "train" if dataset == "penn-action" else "train1"
    clips = [source.model_copy(update={"dataset": dataset, "part": part}) for source in smoke.clips]
    run = RunConfig.model_validate(smoke.model_dump() | {"stages": [stage.model_dump()], "clips": clips})
    network = replace(KIMNET_R18, input_size=64)
    return WholeScale(network if dataset == "penn-action" else replace(network, skeleton=JHMDB_15), run)


def _paper(dataset: str, data: Path, state: Path) -> WholePaper:
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    said: list[str] = []
    return WholePaper(_tiny(dataset), fabric, data, state, said.append)


@pytest.fixture
def penn(tmp_path: Path) -> Path:
    """Penn Action with a clip to train on and one to measure."""
    clips = {"0001": made_up.penn_labels(4, 1), "0002": made_up.penn_labels(3, -1)}
    made_up.penn_tree(tmp_path / "data" / "Penn_Action", clips)
    return tmp_path / "data"


def test_rows_are_trained_and_measured_on_penn_action(penn: Path, tmp_path: Path) -> None:
    """13 joints, one division; the page has Table I with our row beside the printed ones."""
    paper = _paper("penn-action", penn, tmp_path / "state")
    chosen = [row("kimnet"), row("kimnet-heatmap"), row("frame-by-frame")]
    paper.run(chosen, [PENN_FOLD], [0])
    made, [result] = results.read(paper.folder(row("kimnet"), PENN_FOLD, 0))
    assert (made.skeleton, result.joints.shape) == ("kinepose13", (3, 13, 2))
    found = measure([one.key for one in chosen], lambda key, f, s: paper.folder(row(key), f, s), [PENN_FOLD], [0])
    assert found is not None
    text = markdown(gpu_page({"penn-action": found}, "kinepose-train paper"))
    assert "**KIMNet** | **99.7**" in text
    assert "## Table II:" not in text


def test_rows_are_trained_on_15_joints(tmp_path: Path) -> None:
    """A fold of sub-JHMDB; what is there is not trained again."""
    made_up.jhmdb_tree(tmp_path / "JHMDB", ["walk/one", "walk/two"], frames=4)
    (tmp_path / "JHMDB" / "sub_splits").mkdir()
    (tmp_path / "JHMDB" / "sub_splits" / "walk_test_split_1.txt").write_text("one.avi 1\ntwo.avi 2\n")
    paper = _paper("sub-jhmdb-15", tmp_path, tmp_path / "state")
    paper.run([row("rpstn")], [1], [0])
    made, [result] = results.read(paper.folder(row("rpstn"), 1, 0))
    assert (made.skeleton, result.joints.shape) == ("jhmdb15", (4, 15, 2))
    written = (paper.folder(row("rpstn"), 1, 0) / "last.pt").stat().st_mtime_ns
    paper.run([row("rpstn")], [1], [0])
    assert (paper.folder(row("rpstn"), 1, 0) / "last.pt").stat().st_mtime_ns == written


@pytest.mark.parametrize("one", [*ROWS, *ENCODER_ROWS], ids=lambda one: one.key)
def test_every_row_is_a_network_at_gpu_scale(one: Row) -> None:
    """With the paper's encoders and 15 joints, or 13."""
    for dataset, joints in (("penn-action", 13), ("sub-jhmdb-15", 15)):
        scale = replace(gpu_scale(dataset, Path("nowhere"), 0), checkpoints=None)
        with torch.device("meta"):
            network = new_network(scale, one, 0)
        assert network.config.joints == joints


def test_the_gpu_scale_is_the_papers_setting() -> None:
    """No limit on gradients, no averaging, float32, Adam at its rates, five frames at 256 pixels."""
    for dataset, rate, batch in (("penn-action", 5e-3, 16), ("sub-jhmdb-15", 1e-3, 8)):
        scale = gpu_scale(dataset, Path("nowhere"), 0)
        [stage] = scale.run.stages
        assert (stage.optimizer.clip, scale.run.average, scale.run.precision) == (None, 0, "32-true")
        assert (stage.optimizer.rate, stage.phases[0].batch, stage.phases[0].size) == (rate, batch, 256)
        assert scale.run.clips[0].dataset == dataset


def test_official_checkpoints_fill_encoder_and_initialiser(tmp_path: Path) -> None:
    """By the encoder's name; an encoder that has none starts from nothing, and a missing file is an error."""
    scale = replace(smoke_scale(), checkpoints=tmp_path)
    with pytest.raises(FileNotFoundError):
        new_network(scale, row("resnet50"), 0)
    encoder = SimpleBaseline(50, joints=16).state_dict()
    initialiser = SimpleBaseline(101, joints=16).state_dict()
    torch.save(
        {key: torch.ones_like(value) for key, value in encoder.items()}, tmp_path / "pose_resnet_50_256x256.pth.tar"
    )
    torch.save(initialiser, tmp_path / "pose_resnet_101_256x256.pth.tar")
    network = new_network(scale, row("resnet50"), 0)
    assert bool((network.encoder.state_dict()["conv1.weight"] == 1).all())
    torch.testing.assert_close(network.initialiser.state_dict()["conv1.weight"], initialiser["conv1.weight"])
    small = new_network(scale, row("resnet18"), 0)
    torch.testing.assert_close(small.initialiser.state_dict()["conv1.weight"], initialiser["conv1.weight"])
