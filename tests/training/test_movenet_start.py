"""MoveNet's published form into our network: against MoveNet's own graph on OpenVINO."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import KIMNET, KIMNET_LITE, KIMNetConfig
from model.encoders.movenet import WIDTHS, MoveNetBody
from model.kimnet import KIMNet
from model.values import Array
from tests.training import made_up_movenet
from tests.training.real_data import MOVENET, needs_movenet
from training.config import RunConfig
from training.starts.movenet import load_movenet
from training.starts.start import Weights, start
from training.teacher.movenet import GraphError, build, read_topology, read_weights, weight_files

SOURCES = {"clips": [{"dataset": "jhmdb", "part": "train"}]}
STAGES = [
    {
        "name": "one",
        "kind": "pictures",
        "optimizer": {"rate": 1e-3},
        "phases": [{"steps": 1, "size": 64, "batch": 1}],
    }
]


def picture(side: int) -> Array:
    """Noise, smooth and rough."""
    rng = np.random.default_rng(1)
    rough = rng.integers(0, 256, (side, side, 3))
    smooth = np.linspace(0, 255, side)[:, None, None] + np.zeros((side, side, 3))
    return np.where(np.arange(side)[None, :, None] < side // 2, rough, smooth).astype(np.uint8)


def by_the_graph(path: Path, rgb: Array) -> list[Array]:
    """The trunk's maps and the hidden layer [h, w, C] of the graph itself."""
    topology = read_topology(path)
    weights = read_weights(topology, path.parent)
    return build(topology["modelTopology"]["node"], weights, made_up_movenet.OUTPUTS, len(rgb))(rgb)


@torch.no_grad()
def by_the_body(body: MoveNetBody, rgb: Array) -> list[Array]:
    """The same of ours."""
    maps, hidden = body.eval()(torch.from_numpy(rgb).permute(2, 0, 1)[None])
    return [x[0].permute(1, 2, 0).numpy() for x in (*maps, hidden)]


def assert_alike(ours: list[Array], theirs: list[Array], tolerance: float) -> None:
    """Every map, by its own largest value."""
    assert len(ours) == len(theirs) == len(made_up_movenet.OUTPUTS)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape
        assert wanted.std() > 0.01 * np.abs(wanted).max()
        assert np.abs(mine - wanted).max() <= tolerance * np.abs(wanted).max()


def test_the_body_computes_what_movenets_graph_computes(tmp_path: Path) -> None:
    """A narrow one with random weights: strides, padding, shortcuts, the pyramid's order and all names."""
    path = made_up_movenet.write(tmp_path / "movenet.json", width=0.25, side=64)
    body = MoveNetBody(0.25)
    load_movenet(body, path)
    assert_alike(by_the_body(body, picture(64)), by_the_graph(path, picture(64)), 1e-4)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    """Lightning's into Thunder's body: the error names the file."""
    path = made_up_movenet.write(tmp_path / "movenet.json", width=0.25)
    with pytest.raises(GraphError, match=r"movenet\.json: does not fit this network"):
        load_movenet(MoveNetBody(0.5), path)


def test_weights_that_lack_one_are_refused(tmp_path: Path) -> None:
    """Half a network would train and say nothing."""
    missing = f"{made_up_movenet.TRUNK}block_7_expand/Conv2D_weights"
    path = made_up_movenet.write(tmp_path / "movenet.json", without=missing)
    with pytest.raises(GraphError, match=r"not MoveNet's weights, .*block_7_expand/Conv2D_weights is missing"):
        load_movenet(MoveNetBody(0.25), path)


def test_a_run_starts_from_them(tmp_path: Path) -> None:
    """The whole network's backbone holds MoveNet's numbers; the layers of KIMNet are fresh."""
    path = made_up_movenet.write(tmp_path / "movenet.json", width=WIDTHS["movenet_lightning"])
    config = RunConfig.model_validate({"model": "kimnet-lite", "start": "movenet", "stages": STAGES, **SOURCES})
    network = start(config, Weights(movenet=path))
    body = MoveNetBody(WIDTHS["movenet_lightning"])
    load_movenet(body, path)
    ours = network.encoder.backbone.state_dict()  # type: ignore[union-attr]
    for key, value in body.state_dict().items():
        torch.testing.assert_close(ours[key], value, rtol=0, atol=0)


def test_a_run_that_needs_movenet_says_so() -> None:
    """The option is named; a network on another trunk cannot take it."""
    given = {"model": "kimnet-lite", "start": "movenet", "stages": STAGES, **SOURCES}
    with pytest.raises(ValueError, match="--movenet"):
        start(RunConfig.model_validate(given), Weights())
    with pytest.raises(ValueError, match="kimnet-r18 is not built on MoveNet"):
        start(RunConfig.model_validate(given | {"model": "kimnet-r18"}), Weights())


def test_the_files_beside_the_graph_are_known(tmp_path: Path) -> None:
    """A run's record has the digests of all of them."""
    path = made_up_movenet.write(tmp_path / "movenet.json")
    assert weight_files(path) == [tmp_path / "movenet.bin"]


@torch.no_grad()
@pytest.mark.parametrize("config", [KIMNET, KIMNET_LITE], ids=lambda config: config.name)
def test_features_lie_at_stride_4(config: KIMNetConfig) -> None:
    """The encoder on MoveNet's trunk gives D channels at a quarter of the input's side, none below zero."""
    with torch.device("meta"):
        network = KIMNet(config).eval()
        features = network.encoder(torch.zeros(2, 3, 64, 96, dtype=torch.uint8))
    assert features.shape == (2, config.dim, 16, 24)


def test_the_early_part_ends_at_stride_4() -> None:
    """The first convolution and three blocks, the last of which makes the map of stride 4."""
    body = MoveNetBody(0.25)
    parts = body.early_parts()
    assert list(parts) == [body.trunk.stem, *list(body.trunk.blocks)[:3]]


@needs_movenet
@pytest.mark.parametrize(("name", "side"), [("thunder", 256), ("lightning", 192)])
def test_the_real_networks_are_taken_over(name: str, side: int) -> None:
    """MoveNet's own files, at the size that they are published for."""
    path = MOVENET / f"movenet-{name}.json"
    body = MoveNetBody(WIDTHS[f"movenet_{name}"])
    load_movenet(body, path)
    assert_alike(by_the_body(body, picture(side)), by_the_graph(path, picture(side)), 2e-3)
