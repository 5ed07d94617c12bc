"""`kinepose-train paper`: the KIMNet paper's tables and figures, trained and measured. After a kill it goes on."""

import argparse
from pathlib import Path

import torch
from lightning_fabric import Fabric

from training.loop.machine import fitting_precision, keep_memory
from training.paper.rows import ROWS, row
from training.paper.runner import Paper, only_one
from training.paper.settings import CPU


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--scale", choices=("cpu", "gpu"), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/, LSPET/, Penn_Action/")
    parser.add_argument("--movenet", type=Path, required=True, help="movenet-thunder.json, the frozen trunk")
    parser.add_argument("--state", type=Path, required=True, help="folder of runs and kept features, some 20 GB")
    parser.add_argument(
        "--row", dest="rows", action="append", choices=[one.key for one in ROWS], help="only these rows"
    )
    parser.add_argument("--folds", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3))
    parser.add_argument("--seeds", type=int, default=1, help="runs a row and fold (default %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Train what is missing, and measure it."""
    torch.set_num_threads(1)
    keep_memory()
    fabric = Fabric(accelerator="cpu", devices=1, precision=fitting_precision("bf16-mixed", "cpu"))
    paper = Paper(CPU, fabric, args.data, args.movenet, args.state, lambda text: print(text, flush=True))
    rows = [row(key) for key in args.rows] if args.rows else ROWS
    with only_one(args.state):
        paper.run(rows, args.folds, range(args.seeds))
