"""`kinepose-train`: train, evaluate and export the served weights.

single    stage 1: single pictures         -> RUN/last.pt
clips     stage 2: clips of five frames    -> RUN/last.pt
export    averaged weights of runs         -> model/weights/NAME.safetensors and its model card
evaluate  exported weights on JHMDB        -> PCK tables, optionally into the model card
"""

import argparse
from pathlib import Path

from model.config import CONFIGS
from training import commands


def main() -> None:
    """Parse the command line and run one command."""
    args = _parser().parse_args()
    args.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kinepose-train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    _single(_training(subparsers.add_parser("single", help="stage 1: single pictures"), 80.0, 1.5e-3))
    _clips(_training(subparsers.add_parser("clips", help="stage 2: clips of five frames"), 20.0, 5e-4))
    _export(subparsers.add_parser("export", help="a run's averaged weights to safetensors and a model card"))
    _evaluate(subparsers.add_parser("evaluate", help="PCK of exported weights on JHMDB"))
    return parser


def _training(parser: argparse.ArgumentParser, minutes: float, rate: float) -> argparse.ArgumentParser:
    _data(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log; resumes from it")
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument("--minutes", type=float, default=minutes, help="training time (default %(default)s)")
    parser.add_argument("--rate", type=float, default=rate, help="peak learning rate (default %(default)s)")
    return parser


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/ and LSPET/")


def _single(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=commands.single)


def _clips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start", type=Path, required=True, help="last.pt of stage 1")
    parser.set_defaults(run=commands.clips)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", dest="checkpoints", type=Path, action="append", required=True, help="last.pt; several are averaged"
    )
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument("--to", type=Path, required=True, help="folder, model/weights for the served model")
    parser.add_argument("--version", required=True)
    parser.set_defaults(run=commands.export)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    _data(parser)
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: those of the package)")
    parser.add_argument("--part", choices=("val", "test"), default="test", help="part of the project's split")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--write-card", action="store_true", help="write the figures into the model card")
    parser.set_defaults(run=commands.evaluate)


if __name__ == "__main__":
    main()
