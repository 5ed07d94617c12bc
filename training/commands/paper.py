"""`kinepose-train paper`: the KIMNet paper's tables and figures, trained and measured. After a kill it goes on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from training.loop.machine import fitting_precision, keep_memory
from training.paper.compose import cpu_page
from training.paper.measured import measure
from training.paper.page import write
from training.paper.published import TABLES
from training.paper.rows import ROWS, Row, row
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
    parser.add_argument("--out", type=Path, help="folder of the page, docs/paper (default: none is written)")
    parser.add_argument("--only", nargs="+", choices=sorted(TABLES), default=[], help="only these tables")
    parser.add_argument("--no-train", action="store_true", help="write the page of what has been run so far")
    parser.add_argument("--folds", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3))
    parser.add_argument("--seeds", type=int, default=1, help="runs a row and fold (default %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Train what is missing, and measure it."""
    torch.set_num_threads(1)
    keep_memory()
    fabric = Fabric(accelerator="cpu", devices=1, precision=fitting_precision("bf16-mixed", "cpu"))
    paper = Paper(CPU, fabric, args.data, args.movenet, args.state, lambda text: print(text, flush=True))
    rows = _rows(args)
    if not args.no_train:
        with only_one(args.state):
            paper.run(rows, args.folds, range(args.seeds))
    if args.out:
        _write(args, paper, rows)


def _rows(args: argparse.Namespace) -> list[Row]:
    """Those that are asked for, in the order of `ROWS`."""
    wanted = set(args.rows or [])
    for number in args.only:
        entries = TABLES[number].entries
        wanted |= {key for entry in entries for key in (entry.row, entry.against) if key}
    return [one for one in ROWS if not wanted or one.key in wanted]


def _write(args: argparse.Namespace, paper: Paper, rows: Sequence[Row]) -> None:
    def folder(key: str, fold: int, seed: int) -> Path:
        return paper.folder(row(key), fold, seed)

    measured = measure([one.key for one in rows], folder, args.folds, range(args.seeds))
    if measured is None:
        raise SystemExit(f"kinepose-train paper: nothing has been run in {args.state}")
    page = cpu_page(measured, CPU, command_text(args), args.only)
    for path in write(page, args.out):
        print(f"wrote {path}")


def command_text(args: argparse.Namespace) -> str:
    """The command without folders of this machine."""
    words = ["kinepose-train paper", f"--scale {args.scale}", "--data DATA", "--movenet MOVENET/movenet-thunder.json"]
    words += ["--state RUNS", f"--seeds {args.seeds}", "--out docs/paper"]
    return " ".join(words)
