"""`kinepose-train evaluate`: whole clips through the tracker in all three ways; prints a table."""

import argparse

from model import zoo
from model.cards import card_to_markdown
from training import provenance
from training.commands import subject
from training.datasets import catalog
from training.evaluation.metrics import MetricOptions
from training.evaluation.run import PROTOCOLS, evaluate
from training.report.table import table
from training.report.words import dataset_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    subject.add_arguments(parser)
    parser.add_argument("--reader", choices=("recurrent", "frame by frame"), default="recurrent")
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
    tracker = subject.tracker_of(measured)
    clips = list(catalog.read(args.data, args.dataset, args.part))
    scores = {way: evaluate(tracker, clips, way, args.reader, options) for way in PROTOCOLS}
    measured_on = f"{dataset_name(args.dataset)} {args.part}"
    print(table(scores, measured_on, options.alpha))
    if args.write_card:
        folder = args.weights or zoo.BUNDLED
        figures = provenance.with_figures(measured.card, scores, measured_on)
        updated = zoo.save(measured.network, folder / f"{args.model}.safetensors", figures)
        (folder / f"{args.model}.md").write_text(card_to_markdown(updated))
