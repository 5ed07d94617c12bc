"""Fills a report: every number in it is measured here, on the clips that are handed in.

The cost is that of the frames read: a pass with true boxes and, for each noise seed, one with a region on frame 0 and
one without; three passes frame by frame; and for the other parts what `Effort` chooses.
"""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from model.cards import ModelCard
from model.engines.base import Engine
from model.finder.finder import MultiPoseFinder
from model.kimnet import KIMNet
from model.pck import PCK
from model.region import PRESENT
from model.tracker import Tracker
from model.values import Array
from training.box_mode import BOX_MODES, BoxMode
from training.datasets.person import Clip
from training.evaluation.blur import LENGTHS, blur_curves
from training.evaluation.metrics import NORMALISERS, ClipResult, MetricOptions, Normaliser, in_words, pck_of
from training.evaluation.occlusion import KINDS, WINDOW, Curves, OcclusionOptions, occlusion_curves
from training.evaluation.presence import THRESHOLDS, presence_rates
from training.evaluation.run import Reader, evaluate_stills, mean_scores, noise_seeds, run_clip, score
from training.loop.machine import machine_name
from training.report.content import Content, Head, Presence, Table, WorstClip
from training.report.relation import relation_map

ALPHAS = tuple(round(0.01 * step, 2) for step in range(1, 51))
WORST_CLIPS, WORST_FRAMES = 10, 4
WORST_MODE: BoxMode = "region"

Progress = Callable[[str, int, int], None]
"""Told what is being measured, how many clips of it are done, and how many there are."""

Results = dict[BoxMode, list[ClipResult]]
Runs = dict[BoxMode, list[list[ClipResult]]]
"""Box mode -> a list of results for each noise seed; the first of them is without noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The weights under measurement: the network, its card, and the engine that runs it in this precision."""

    network: KIMNet
    card: ModelCard
    engine: Engine
    precision: str = "f32"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What only the caller knows of a measurement; see `Head`."""

    dataset: str
    part: str
    split: str
    command: str


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is read for the costly parts: of the occlusion curve and of the relation map every stride-th place.

    With 3 the occlusion curve of the 58 clips of 2,054 frames needs some 18,000 passes; 0 leaves a part out. `seeds` is
    how many runs a tracked figure is the mean of.
    """

    occlusion_stride: int = 3
    relation_stride: int = 5
    blur_stride: int = 2
    presence_stride: int = 5
    seeds: int = 5


def measure(
    subject: Subject,
    clips: Sequence[Clip],
    stills: Mapping[str, Sequence[Clip]],
    conditions: Conditions,
    options: MetricOptions | None = None,
    effort: Effort | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Content:
    """A whole report of these clips and of named sets of still pictures.

    Raises:
        ValueError: there is no clip.
        EngineError: the device failed.
    """
    if not clips:
        raise ValueError("measure: expected at least one clip, got none")
    chosen, work, skeleton = options or MetricOptions(), effort or Effort(), clips[0].skeleton
    tracker = Tracker(subject.engine, subject.card.sha256[:16], MultiPoseFinder(threads=1))
    modes = _run(tracker, clips, "recurrent", work.seeds, progress)
    alone = _run(tracker, clips, "frame by frame", 1, progress)
    first = {mode: runs[0] for mode, runs in modes.items()}
    return Content(
        head=_head(subject, clips, first["box"], conditions, chosen),
        joints=list(skeleton.joints),
        bones=list(skeleton.bones),
        modes={mode: _mean_table(runs, chosen) for mode, runs in modes.items()},
        frame_by_frame={mode: _mean_table(runs, chosen) for mode, runs in alone.items()},
        alphas=list(ALPHAS),
        curves={mode: _curves(results, chosen) for mode, results in first.items()},
        actions=_actions(first, chosen),
        occlusion=_occlusion(tracker, clips, work, chosen, progress),
        relation=_relation(subject, clips, work, progress),
        worst=_worst(modes[WORST_MODE][0], clips, chosen),
        stills=_stills(tracker, stills, chosen, progress),
        notes=_notes(chosen, work),
        blur_lengths=list(LENGTHS) if work.blur_stride else [],
        blur=_blur(tracker, clips, work, chosen, progress),
        presence=_presence(subject.engine, clips, work, progress),
    )


def _run(tracker: Tracker, clips: Sequence[Clip], reader: Reader, seeds: int, progress: Progress) -> Runs:
    runs: Runs = {}
    for mode in BOX_MODES:
        noise = noise_seeds(mode, seeds)
        runs[mode] = []
        for seed in noise:
            runs[mode].append([])
            for clip in clips:
                runs[mode][-1].append(run_clip(tracker, clip, mode, reader, seed))
                done = sum(map(len, runs[mode]))
                progress(f"{reader}, {mode}", done, len(noise) * len(clips))
    return runs


def _blur(
    tracker: Tracker, clips: Sequence[Clip], effort: Effort, options: MetricOptions, progress: Progress
) -> dict[str, list[float]]:
    if not effort.blur_stride:
        return {}
    curves = blur_curves(tracker, clips, effort.blur_stride, options)
    progress("blurred frames", 1, 1)
    return {str(reader): curve for reader, curve in curves.items()}


def _presence(engine: Engine, clips: Sequence[Clip], effort: Effort, progress: Progress) -> Presence | None:
    if not effort.presence_stride:
        return None
    rates = presence_rates(engine, clips, effort.presence_stride)
    progress("person score", 1, 1)
    return Presence(
        people=rates.people,
        empty=rates.empty,
        thresholds=list(THRESHOLDS),
        missed=list(rates.missed.values()),
        false=list(rates.false.values()),
        calibration=rates.calibration,
        served=PRESENT,
    )


def _head(
    subject: Subject, clips: Sequence[Clip], results: list[ClipResult], conditions: Conditions, options: MetricOptions
) -> Head:
    return Head(
        model=subject.card.name,
        version=subject.card.version,
        sha256=subject.card.sha256,
        dataset=conditions.dataset,
        part=conditions.part,
        split=conditions.split,
        clips=len(clips),
        frames=sum(map(len, clips)),
        joints=pck_of(results, "person", options).joints,
        alpha=options.alpha,
        normalisers=in_words(options),
        visibility=options.visibility,
        impl=options.impl,
        torso_invalid=options.torso_invalid,
        engine=f"{type(subject.engine).__name__} on {subject.engine.device}, {subject.precision}",
        command=conditions.command,
        machine=machine_name(torch.device(subject.engine.device)),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _mean_table(runs: Sequence[Sequence[ClipResult]], options: MetricOptions) -> Table:
    """The mean over noise seeds, with its deviation where there are several."""
    mean = mean_scores([score(results, options) for results in runs])
    table = _as_table({"person": mean.person, "torso": mean.torso})
    spread = zip(NORMALISERS, mean.deviation, strict=True)
    deviation: dict[str, float] = {n: d for n, d in spread if n in table.mean and mean.runs > 1}
    return replace(table, deviation=deviation, jitter=None if math.isnan(mean.jitter) else mean.jitter)


def _table(results: Sequence[ClipResult], options: MetricOptions) -> Table:
    return _as_table({normaliser: pck_of(results, normaliser, options) for normaliser in NORMALISERS})


def _as_table(measured: Mapping[Normaliser, PCK]) -> Table:
    known: dict[str, PCK] = {normaliser: pck for normaliser, pck in measured.items() if not math.isnan(pck.mean)}
    return Table({n: pck.mean for n, pck in known.items()}, {n: pck.per_joint for n, pck in known.items()})


def _curves(results: Sequence[ClipResult], options: MetricOptions) -> dict[str, list[float]]:
    counted = _table(results, options).mean
    return {
        normaliser: [pck_of(results, normaliser, replace(options, alpha=alpha)).mean for alpha in ALPHAS]
        for normaliser in NORMALISERS
        if normaliser in counted
    }


def _actions(modes: Results, options: MetricOptions) -> dict[str, dict[str, dict[str, float]]]:
    names = sorted({result.action for result in modes["box"]} - {""})
    return {
        action: {
            mode: _table([result for result in results if result.action == action], options).mean
            for mode, results in modes.items()
        }
        for action in names
    }


def _occlusion(
    tracker: Tracker, clips: Sequence[Clip], effort: Effort, options: MetricOptions, progress: Progress
) -> Curves:
    if not effort.occlusion_stride:
        return {}
    done: list[str] = []

    def one_more(clip: str) -> None:
        done.append(clip)
        progress("hidden joints", len(done), len(clips))

    chosen = OcclusionOptions(stride=effort.occlusion_stride, alpha=options.alpha)
    return occlusion_curves(tracker, clips, chosen, one_more)


def _relation(subject: Subject, clips: Sequence[Clip], effort: Effort, progress: Progress) -> list[list[float]]:
    if not effort.relation_stride:
        return []

    def clips_done(done: int) -> None:
        progress("relation map", done, len(clips))

    found = relation_map(subject.network, clips, effort.relation_stride, clips_done)
    return [] if found is None else [[float(weight) for weight in row] for row in found]


def _stills(
    tracker: Tracker, stills: Mapping[str, Sequence[Clip]], options: MetricOptions, progress: Progress
) -> dict[str, Table]:
    tables = {}
    for done, (name, pictures) in enumerate(stills.items(), start=1):
        scores = evaluate_stills(tracker, pictures, options)
        tables[name] = _as_table({"person": scores.person, "torso": scores.torso})
        progress("still pictures", done, len(stills))
    return tables


def _worst(results: Sequence[ClipResult], clips: Sequence[Clip], options: MetricOptions) -> list[WorstClip]:
    """The clips of the lowest PCK by person size, worst first; those without a counted joint are left out."""
    rows = [(_table([result], options).mean, result, clip) for result, clip in zip(results, clips, strict=True)]
    ranked = sorted((row for row in rows if "person" in row[0]), key=lambda row: row[0]["person"])
    return [_worst_clip(pck, result, clip) for pck, result, clip in ranked[:WORST_CLIPS]]


def _worst_clip(pck: dict[str, float], result: ClipResult, clip: Clip) -> WorstClip:
    picked = np.unique(np.linspace(0, len(result) - 1, WORST_FRAMES).round().astype(int))
    height, width = clip.frames[0].shape[:2]
    return WorstClip(
        name=result.name,
        action=result.action,
        mode=WORST_MODE,
        pck=pck,
        frames=[int(t) for t in picked],
        size=(int(width), int(height)),
        truth=_points(result.truth[picked]),
        predicted=_points(result.joints[picked]),
    )


def _points(joints: Array) -> list[list[list[float]]]:
    """Joints [n, K, 2] to a tenth of a pixel."""
    return [[[round(float(x), 1), round(float(y), 1)] for x, y in pose] for pose in joints]


def _notes(options: MetricOptions, effort: Effort) -> list[str]:
    patch = OcclusionOptions().patch
    notes = [
        "Frame by frame means the same weights with every frame read as a first frame; the box is followed as served.",
    ]
    if effort.occlusion_stride:
        notes.append(
            f"Hidden joints: grey squares of {patch:g} of the person's size on random labelled joints, true boxes; "
            f'"{KINDS[0]}" hides every {WINDOW}th frame after clear ones, "{KINDS[1]}" hides joints anew in the '
            f"last {WINDOW - 1} of {WINDOW} frames; every {_ordinal(effort.occlusion_stride)} such place is taken."
        )
    if effort.seeds > 1:
        notes.append(
            f"Tracked figures are the mean of {effort.seeds} runs that differ by noise below a unit in the last place "
            "of half precision, with their deviation: on hard clips that grows into another track. Frame by frame "
            "was run once, without noise."
        )
    if effort.relation_stride:
        notes.append(
            f"W_r is the mean over every {_ordinal(effort.relation_stride)} pair of consecutive frames, true boxes."
        )
    if options.impl == "rpstn":
        notes.append("PCK is taken as in RPSTN's published code and compares with nothing else.")
    return notes


def _ordinal(stride: int) -> str:
    return {1: "single", 2: "second", 3: "third"}.get(stride, f"{stride}th")
