"""`kinepose-train evaluate`: whole clips, or single pictures, through the tracker; prints a table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from model import zoo
from model.cards import card_to_markdown
from model.publish import publish
from training import provenance
from training.box_mode import BOX_MODES, BoxMode
from training.commands import subject
from training.datasets import catalog
from training.datasets.person import Clip
from training.evaluation.metrics import MetricOptions
from training.evaluation.peer import MoveNetReader
from training.evaluation.run import Scores, evaluate, score
from training.report.measure import Subject
from training.report.table import table
from training.report.words import dataset_name
from training.teacher.blend import read_pseudo_labels, restyle_clips

SEEDS = 5
"""Runs that a tracked figure is the mean of."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    subject.add_arguments(parser)
    parser.add_argument("--reader", choices=("recurrent", "frame by frame"), default="recurrent")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="noise seeds of tracked figures (default %(default)s)")
    parser.add_argument(
        "--restyle", type=Path, metavar="NPZ", help="move COCO's labels to JHMDB's places first (pseudo-labels' file)"
    )
    parser.add_argument("--movenet", type=Path, help="movenet-thunder.json: its own reading of the true boxes, beside")
    parser.add_argument("--write-card", action="store_true", help="write the figures into the model card")


def run(args: argparse.Namespace) -> None:
    """Measure and print; with --write-card the card of the weights says it, too."""
    options = subject.metric_options(args)
    as_served = (options, args.reader, args.precision) == (MetricOptions(), "recurrent", "f32")
    if args.write_card and not as_served:
        raise SystemExit(
            "kinepose-train evaluate: a card holds figures of the default protocol: leave out the switches"
        )
    measured = subject.open_subject(args)
    clips = _clips(args)
    scores = _scores(args, measured, clips, options)
    measured_on = f"{dataset_name(args.dataset)} {args.part}{', labels in JHMDB style' if args.restyle else ''}"
    print(table(scores, measured_on, options.alpha))
    if args.movenet:
        style = read_pseudo_labels(args.restyle).style if args.restyle else None
        peer = score(MoveNetReader(args.movenet, style).run(clips), options)
        print("\nMoveNet Thunder, true box each frame\n")
        print(table({"box": peer}, measured_on, options.alpha))
    if args.write_card:
        _write_card(args, measured, scores, measured_on)


def _clips(args: argparse.Namespace) -> list[Clip]:
    clips = list(catalog.read(args.data, args.dataset, args.part))
    return restyle_clips(clips, args.restyle) if args.restyle else clips


def _scores(
    args: argparse.Namespace, measured: Subject, clips: Sequence[Clip], options: MetricOptions
) -> dict[BoxMode, Scores]:
    """All three box modes for clips; pictures have no track to follow, so each is read in its true box."""
    tracker = subject.tracker_of(measured)
    pictures = all(len(clip) == 1 for clip in clips)
    modes: tuple[BoxMode, ...] = ("box",) if pictures else BOX_MODES
    return {mode: evaluate(tracker, clips, mode, args.reader, options, args.seeds) for mode in modes}


def _write_card(args: argparse.Namespace, measured: Subject, scores: dict[BoxMode, Scores], measured_on: str) -> None:
    folder = args.weights or zoo.BUNDLED
    figures = provenance.with_figures(measured.card, scores, measured_on)
    updated = publish(measured.network, folder / f"{args.model}.safetensors", figures)
    (folder / f"{args.model}.md").write_text(card_to_markdown(updated))
