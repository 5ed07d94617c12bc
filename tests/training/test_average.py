"""The moving average of weights and running statistics."""

import torch
from torch import nn

from training.loop.average import moving_average


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def _filled(network: nn.Module, value: float) -> nn.Module:
    """Every weight and running statistic has that value; counters count it."""
    for tensor in network.state_dict().values():
        tensor.fill_(value)
    return network


def test_average_of_constant_weights_is_those_weights() -> None:
    """The young average is not pulled towards zero."""
    layer = nn.Linear(3, 3)
    average = moving_average(layer)
    for _ in range(5):
        average.update_parameters(layer)
    torch.testing.assert_close(average.module.weight, layer.weight)


def test_the_memory_grows_to_the_decay() -> None:
    """Against the sum written out: the share of what was is 3/12, 4/13, ... and never above the decay."""
    network = _network()
    average = moving_average(network, decay=0.3)
    expected = 0.0
    for step in range(4):
        value = float(step + 1)
        average.update_parameters(_filled(network, value))
        kept = min(0.3, (2 + step) / (11 + step)) if step else 0.0
        expected = kept * expected + (1 - kept) * value
    for key, tensor in average.module.state_dict().items():
        wanted = 4.0 if key.endswith("num_batches_tracked") else expected
        torch.testing.assert_close(tensor, torch.full_like(tensor, wanted))


def test_running_statistics_are_averaged_too() -> None:
    """An average that only copied them would have other activations than its weights were averaged for."""
    network = _network()
    average = moving_average(network)
    for value in (0.0, 1.0):
        average.update_parameters(_filled(network, value))
    for name in ("running_mean", "running_var"):
        assert 0.5 < float(average.module.state_dict()[f"1.{name}"][0]) < 1.0


def test_shared_weights_move_once_a_step() -> None:
    """One projection under two names, as with `share_qk`, is one weight."""
    once = nn.Linear(1, 1)
    network = nn.ModuleDict({"query": once, "key": once})
    average = moving_average(network)
    average.update_parameters(_filled(network, 0.0))
    average.update_parameters(_filled(network, 1.0))
    twin = average.module.state_dict()
    torch.testing.assert_close(twin["query.weight"], torch.tensor([[0.75]]))
    torch.testing.assert_close(twin["key.weight"], twin["query.weight"])


def test_the_average_is_not_trained() -> None:
    """It takes no gradient, and its norms use running statistics."""
    average = moving_average(_network().train())
    assert not average.module.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
