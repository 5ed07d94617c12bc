"""Exponential moving average of weights and running statistics."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(network: nn.Module, decay: float = 0.998) -> AveragedModel:
    """A frozen averaged twin of a network, in eval mode; its `update_parameters` moves it towards the present weights.

    It begins as the weights after the first step, and is young then: its memory grows with the steps made.
    """
    average = AveragedModel(network, multi_avg_fn=_towards(decay), use_buffers=True)
    average.module.eval().requires_grad_(False)
    return average


def _towards(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    @torch.no_grad()
    def update(averaged: Sequence[Tensor], present: Sequence[Tensor], steps: Tensor | int) -> None:
        share = 1 - min(decay, (2 + int(steps)) / (11 + int(steps)))
        for mine, theirs in zip(averaged, present, strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, share)
            else:
                mine.copy_(theirs)  # counters

    return update
