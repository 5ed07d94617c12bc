"""Where samples are drawn from: people by source, each source with its weight."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.datasets.person import Clip


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The people of one source, in memory or read at each use.

    Attributes:
        weight: how often it is drawn from, against other pools.
    """

    clips: list[Clip]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Pools:
    """All that a run learns from: pools of single pictures and pools of clips."""

    stills: list[Pool]
    clips: list[Pool]


def draw(pools: Sequence[Pool], rng: np.random.Generator) -> Clip:
    """A random clip of a random pool; pools without clips are left out.

    Raises:
        ValueError: no pool has a clip.
    """
    filled = [pool for pool in pools if pool.clips]
    if not filled:
        raise ValueError("every pool is empty")
    weights = np.array([pool.weight for pool in filled])
    pool = filled[int(rng.choice(len(filled), p=weights / weights.sum()))]
    return pool.clips[int(rng.integers(len(pool.clips)))]
