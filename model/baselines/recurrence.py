"""What every temporal method is: a first frame, and a next frame from what the last one left behind."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

GREY_CHANNELS = 4
"""A cell of the grey picture is 2 x 2 brightnesses: half of the network's input, or twice the heatmap."""

_LUMA = (0.299, 0.587, 0.114)


class Features(NamedTuple):
    """What one frame contributes, for every method alike.

    Attributes:
        f: features [B, D, h, w].
        p: raw initial maps [B, K, h, w], meaningful in rows that start a session.
        grey: brightness [B, 4, h, w], 0..255, see `grey_of`.
    """

    f: Tensor
    p: Tensor
    grey: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that a frame leaves behind. Both parts lie in the frame's crop, and move with it.

    Attributes:
        m: joint maps [B, K, h, w].
        memory: what else the method keeps [B, C, h, w].
    """

    m: Tensor
    memory: Tensor

    def moved(self, move: Callable[[Tensor], Tensor]) -> "State":
        """The state read in another crop; `move` takes maps [B, C, h, w] there."""
        return State(move(self.m), move(self.memory) if self.memory.shape[1] else self.memory)


class Recurrence(nn.Module, ABC):
    """A temporal method. Nothing recurrent stays on the module.

    Attributes:
        memory_channels: C of its states.
    """

    memory_channels: int

    @abstractmethod
    def first(self, features: Features) -> tuple[Tensor, State]:
        """Maps [B, K, h, w] of a session's first frame, and its state."""

    @abstractmethod
    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        """Maps [B, K, h, w] of a later frame, and its state; the state before it lies in this frame's crop."""


def grey_of(images: Tensor) -> Tensor:
    """Brightness [B, 4, S/4, S/4] of pictures RGB [B, 3, S, S] at half their size, 2 x 2 values a cell."""
    weights = images.new_tensor(_LUMA)[None, :, None, None]
    grey = (images * weights).sum(dim=1, keepdim=True)  # [B, 1, S, S]
    return F.pixel_unshuffle(F.avg_pool2d(grey, 2), 2)
