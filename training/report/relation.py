"""The temporal-correlation map W_r, averaged over pairs of consecutive frames (KIMNet eqs. 6-9, Fig. 4)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from model.coords import crop_input, region_to_transform, resample_maps
from model.kimnet import Encoded, KIMNet
from model.values import Array, Frame, FrameTransform
from training.datasets.person import Clip


def relation_map(
    network: KIMNet, clips: Sequence[Clip], stride: int = 1, progress: Callable[[int], None] = lambda done: None
) -> Array | None:
    """Mean W_r float64 [K, K] over every stride-th pair of frames; None where no clip has two frames.

    Rows are current joints, columns previous joints, rows sum to 1. Each frame is cropped to its true box, and the
    previous frame's maps are moved into the current crop, as in tracking. With `heatmap_relation` the previous maps
    are those of a first frame.
    """
    maps = []
    for done, clip in enumerate(clips, start=1):
        maps += [_pair(network, clip, t) for t in range(1, len(clip), stride)]
        progress(done)
    return np.stack(maps).astype(np.float64).mean(axis=0) if maps else None


@torch.inference_mode()
def _pair(network: KIMNet, clip: Clip, t: int) -> Array:
    """W_r [K, K] of frames t - 1 and t."""
    (before, old), (now, new) = _encoded(network, clip, t - 1), _encoded(network, clip, t)
    moved = torch.from_numpy(resample_maps(before.q[0].float().numpy(), old, new))[None]
    weights: Tensor = network.weights(moved, now.k.float(), moved)
    return weights[0].numpy()


def _encoded(network: KIMNet, clip: Clip, t: int) -> tuple[Encoded, FrameTransform]:
    transform = region_to_transform(clip.region(t), network.config.input_size)
    image = torch.from_numpy(crop_input(Frame(clip.frames[t]), transform))
    return network.encode(image.permute(2, 0, 1)[None].float()), transform
