"""A whole network: features of pictures, initial maps, and a temporal method on them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from model.baselines.build import build_recurrence
from model.baselines.recurrence import Features, Recurrence, State, grey_of
from model.config import KIMNetConfig
from model.encoders.build import build_encoder
from model.initialisers import initial_maps, make_initialiser


class PoseNetwork(nn.Module):
    """Encoder F, initialiser P and a method. Pictures are RGB in 0..255, [B, 3, S, S].

    Args:
        config: the encoder, the initialiser and the switches of the method.
        method: a name of `model.baselines.build.METHODS`.
    """

    def __init__(self, config: KIMNetConfig, method: str) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder, config.dim)
        self.initialiser = make_initialiser(config)
        self.recurrence = build_recurrence(method, config)

    def features(self, images: Tensor, fresh: Tensor | None = None) -> Features:
        """What the frames contribute; a separate initialiser runs on `fresh` rows only (None: all)."""
        f = self.encoder(images)
        p = initial_maps(self.config, self.initialiser, images, f, fresh)
        return Features(f, p, grey_of(images.to(f.dtype)))


def unroll(
    recurrence: Recurrence, frames: Sequence[Features], move: Callable[[Tensor, int], Tensor] = lambda maps, t: maps
) -> Tensor:
    """Maps [B, T, K, h, w] of T frames; `move(maps, t)` takes maps from the crop of frame t - 1 to that of frame t."""
    m, state = recurrence.first(frames[0])
    maps = [m]
    for t, features in enumerate(frames[1:], start=1):
        m, state = recurrence.next(features, _moved(state, move, t))
        maps.append(m)
    return torch.stack(maps, dim=1)


def _moved(state: State, move: Callable[[Tensor, int], Tensor], t: int) -> State:
    return state.moved(lambda maps: move(maps, t))
