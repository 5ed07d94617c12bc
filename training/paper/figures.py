"""Figures 4, 6, 7, 8 and 10, of any clip of five frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from model.baselines.kimnet import KIMNetRecurrence
from model.coords import crop_input, region_to_transform, resample_maps
from model.pck import person_size
from model.tracker import Tracker
from model.values import Array, Frame
from training.datasets.person import Clip
from training.evaluation.occlusion import OcclusionOptions, cover, hidden_joints
from training.paper import drawings
from training.paper.page import Figure
from training.paper.reading import read_clips
from training.paper.rows import row
from training.paper.shared import Tail
from training.report.charts import relation_chart

_COLUMNS = [f"frame {t}" for t in range(1, 6)]
_BLANK = 0.03
"""Shares that Figure 4 leaves blank."""

_HIDDEN = 2
"""Joints hidden in a frame of Figures 7 and 8, as there."""


class Unrolled:
    """KIMNet over a clip, with what it says in between.

    Attributes:
        relations: W_r of frames 2..5, float32 [4, K, K].
        priors, maps: m^p and m of all frames, float32 [5, K, h, w].
    """

    def __init__(self, tail: Tail, kept: Callable[[Array], Array], clip: Clip) -> None:
        assert isinstance(tail.recurrence, KIMNetRecurrence)
        head, size = tail.recurrence.head, tail.config.input_size
        relations, priors, maps = [], [], []
        before: tuple[torch.Tensor, torch.Tensor] | None = None
        transform = region_to_transform(clip.region(0), size)
        with torch.inference_mode():
            for t in range(len(clip)):
                old, transform = transform, region_to_transform(clip.region(t), size)
                features = tail.features(
                    torch.from_numpy(kept(crop_input(Frame(clip.frames[t]), transform)).copy())[None]
                )
                now = head.relate(features.f, features.p)
                if before is None:
                    found = head.start(features.p)
                else:
                    q, m = (torch.from_numpy(resample_maps(x[0].numpy(), old, transform))[None] for x in before)
                    found = head.recur(q, now.k, now.g, m)
                    relations.append(head.weights(q, now.k, m)[0].numpy())
                before = (now.q, found.carry)
                priors.append(found.prior[0].numpy())
                maps.append(found.m[0].numpy())
        self.relations, self.priors, self.maps = np.stack(relations), np.stack(priors), np.stack(maps)


def figure_4(unrolled: Unrolled, clip: Clip, folder: Path) -> Figure:
    """W_r of frames 2 to 5 as maps, and its strongest lines over the pictures."""
    joints = clip.skeleton.joints
    charts = [
        relation_chart(f"figure-4-{t}", f"W_r of frame {t}, %", weights.tolist(), joints, _BLANK)
        for t, weights in enumerate(unrolled.relations, start=2)
    ]
    tiles = [drawings.with_relation(clip, t, weights) for t, weights in enumerate(unrolled.relations, start=1)]
    drawings.save(folder / "figure-4.webp", drawings.grid([("strongest", tiles)], _COLUMNS[1:]))
    words = (
        "Rows are joints of the present frame, columns of the frame before; shares below 3 % are left blank. Below, "
        "the strongest lines between different joints, from where a joint is to where the other was."
    )
    return Figure("figure-4", "Figure 4: temporal relations", words, tuple(charts), "figure-4.webp")


def figure_6(unrolled: Unrolled, clip: Clip, folder: Path) -> Figure:
    """Pictures, truth, m^p and m."""
    frames = range(len(clip))
    rows = [
        ("picture", [drawings.crop(clip, t) for t in frames]),
        ("truth", [drawings.with_pose(clip, t, clip.joints[t], clip.labelled[t]) for t in frames]),
        ("m^p", [drawings.with_heat(clip, t, unrolled.priors[t]) for t in frames]),
        ("m", [drawings.with_heat(clip, t, unrolled.maps[t]) for t in frames]),
    ]
    drawings.save(folder / "figure-6.webp", drawings.grid(rows, _COLUMNS))
    words = "The largest of all joints' maps: m^p is what the last frame says of this one, m what comes out."
    return Figure("figure-6", "Figure 6: priors and results", words, picture="figure-6.webp")


def figure_of_methods(
    number: int, title: str, words: str, trackers: Mapping[str, Tracker], clip: Clip, folder: Path
) -> Figure:
    """The truth and what each row reads, side by side."""
    frames = range(len(clip))
    rows = [("truth", [drawings.with_pose(clip, t, clip.joints[t], clip.labelled[t]) for t in frames])]
    for key, tracker in trackers.items():
        [result] = read_clips(tracker, [clip])
        rows.append((row(key).title, [drawings.with_pose(clip, t, result.joints[t]) for t in frames]))
    name = f"figure-{number}.webp"
    drawings.save(folder / name, drawings.grid(rows, _COLUMNS))
    return Figure(f"figure-{number}", f"Figure {number}: {title}", words, picture=name)


def occluded(clip: Clip, frames: Sequence[int], seed: int = 0) -> Clip:
    """The clip with two labelled joints hidden in each of these frames."""
    sizes, patch = person_size(clip.boxes), OcclusionOptions().patch
    pictures = [np.array(frame) for frame in clip.frames]
    for t in frames:
        mask = hidden_joints(clip, t, _HIDDEN, seed)
        pictures[t] = cover(pictures[t], clip.joints[t, mask], patch * float(sizes[t]))
    return replace(clip, frames=np.stack(pictures))


def figures_7_8_10(trackers: Mapping[str, Tracker], clip: Clip, folder: Path) -> list[Figure]:
    """Hidden joints in one frame, in frames 2 to 5, and none."""
    kinds: tuple[tuple[int, str, str, list[int]], ...] = (
        (7, "two joints hidden in one frame", "Frame 3 is covered; the others are clear.", [2]),
        (8, "two joints hidden in frames 2 to 5", "Each frame hides two joints of its own.", [1, 2, 3, 4]),
        (10, "nothing hidden", "The same frames as they are.", []),
    )
    return [
        figure_of_methods(number, title, words, trackers, occluded(clip, frames), folder)
        for number, title, words, frames in kinds
    ]
