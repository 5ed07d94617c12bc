"""What a run starts from: a run's weights, SimpleBaseline checkpoints, and what is missing for it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.config import CONFIGS
from model.encoders.simple_baseline import SimpleBaseline
from model.kimnet import KIMNet
from training.config import RunConfig
from training.starts.start import Weights, start

CONFIG = RunConfig.model_validate(
    {
        "model": "kimnet-r18",
        "start": "file",
        "clips": [{"dataset": "sub-jhmdb", "part": "train1"}],
        "stages": [
            {
                "name": "one",
                "kind": "clips",
                "optimizer": {"rate": 1e-3},
                "phases": [{"steps": 1, "size": 64, "batch": 1}],
            }
        ],
    }
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """SimpleBaseline's official form: an encoder, and a whole network of MPII's 16 joints."""
    folder = tmp_path_factory.mktemp("official")
    torch.manual_seed(1)
    torch.save(SimpleBaseline(18).state_dict(), folder / "encoder.pth.tar")
    torch.save(SimpleBaseline(18, joints=16).state_dict(), folder / "whole.pth.tar")
    return Weights(folder / "encoder.pth.tar", folder / "whole.pth.tar")


def _equal(state: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, expected[key]) for key, value in state.items())


def test_a_resnet_starts_from_both_checkpoints(checkpoints: Weights) -> None:
    """Encoder and initialiser hold what the files hold."""
    network = start(CONFIG, checkpoints)
    assert checkpoints.network is not None
    assert checkpoints.initialiser is not None
    assert _equal(network.encoder.state_dict(), torch.load(checkpoints.network, weights_only=True))
    whole = torch.load(checkpoints.initialiser, weights_only=True)
    assert torch.equal(network.initialiser.state_dict()["conv1.weight"], whole["conv1.weight"])


def test_a_first_frame_without_weights_is_an_error(checkpoints: Weights) -> None:
    """A random network for frame 1 would train on, and say nothing: the option is named."""
    with pytest.raises(ValueError, match="--start-initialiser"):
        start(CONFIG, Weights(network=checkpoints.network))


def test_a_resnet_starts_from_the_checkpoint_of_a_run(tmp_path: Path) -> None:
    """`last.pt` of another run of the same network: its averaged weights, all of them, and no other file is needed."""
    torch.manual_seed(2)
    state = KIMNet(CONFIGS["kimnet-r18"]).state_dict()
    torch.save({"network": {}, "average": state, "progress": {"stage": 0, "step": 1}}, tmp_path / "last.pt")
    assert _equal(start(CONFIG, Weights(network=tmp_path / "last.pt")).state_dict(), state)


def test_weights_of_others_are_for_resnets_alone(checkpoints: Weights) -> None:
    """Another network takes the checkpoint of a run of its own."""
    config = CONFIG.model_copy(update={"model": "kimnet-lite"})
    with pytest.raises(ValueError, match=r"expected the last\.pt of a run of kimnet-lite"):
        start(config, checkpoints)


def test_a_start_that_does_not_go_with_its_network_is_refused() -> None:
    """ImageNet's weights are those of EfficientNet-Lite0."""
    with pytest.raises(ValueError, match="kimnet-r18 is not built on EfficientNet-Lite0"):
        start(CONFIG.model_copy(update={"start": "imagenet"}), Weights())
