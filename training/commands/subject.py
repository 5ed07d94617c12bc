"""What `evaluate` and `report` have in common: which weights on which clips, and how PCK is taken."""

import argparse
from pathlib import Path
from typing import get_args

from model import weights_file
from model.config import CONFIGS
from model.engines.choose import open_engine
from model.finder.finder import MultiPoseFinder
from model.tracker import Tracker
from training.evaluation.metrics import MetricOptions
from training.evaluation.metrics.options import Impl, TorsoInvalid, Visibility
from training.report.measure import Subject


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of both commands."""
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/, LSPET/, Penn_Action/ ...")
    parser.add_argument("--dataset", default="jhmdb", help="jhmdb (default), sub-jhmdb, sub-jhmdb-15 or penn-action")
    parser.add_argument("--part", default="test", help="default %(default)s; of sub-JHMDB test1, test2 or test3")
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: those of the package)")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--alpha", type=float, default=0.2, help="tolerance, share of the normaliser")
    parser.add_argument("--impl", choices=get_args(Impl), default="clean", help="clean protocol, or RPSTN's own code")
    parser.add_argument("--torso-invalid", choices=get_args(TorsoInvalid), default="legacy")
    parser.add_argument("--visibility", choices=get_args(Visibility), default="visible")


def open_subject(args: argparse.Namespace) -> Subject:
    """The weights under measurement, in the engine that serves them."""
    network, card = weights_file.load(args.model, args.weights)
    return Subject(network, card, open_engine(network, precision=args.precision), args.precision)


def tracker_of(subject: Subject) -> Tracker:
    """The tracker as served."""
    return Tracker(subject.engine, subject.card.sha256[:16], MultiPoseFinder(threads=1))


def metric_options(args: argparse.Namespace) -> MetricOptions:
    """The switches of the metric."""
    return MetricOptions(args.alpha, args.impl, args.torso_invalid, args.visibility)
