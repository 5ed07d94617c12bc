"""`kinepose-train paper`: the KIMNet paper's tables and figures, trained and measured. After a kill it goes on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from training.loop.machine import fitting_precision, keep_memory
from training.paper import occluded
from training.paper.compose import CPU_TABLES, cpu_page
from training.paper.illustrate import BESIDE, illustrate, illustrate_people
from training.paper.measured import measure
from training.paper.page import write
from training.paper.published import TABLES
from training.paper.rows import ROWS, Row, row
from training.paper.runner import Paper, only_one
from training.paper.settings import CPU

_FIGURES = ("fig4", "fig6", "fig7", "fig8", "fig9", "fig10")


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
    parser.add_argument(
        "--only", nargs="+", choices=[*TABLES, *_FIGURES], default=[], help="only these tables and figures"
    )
    parser.add_argument("--pictures", type=Path, help="folder for the figures drawn over people of the test clips")
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
            if 9 in _wanted(args) and 1 in args.folds:
                paper.hide(rows)
    if args.out:
        _write(args, paper, rows)
    if args.pictures:
        illustrate_people(paper, args.pictures, _wanted(args))


def _rows(args: argparse.Namespace) -> list[Row]:
    """Those that are asked for, in the order of `ROWS`."""
    wanted = set(args.rows or [])
    for name in args.only:
        if name in TABLES:
            wanted |= {key for entry in TABLES[name].entries for key in (entry.row, entry.against) if key}
        elif name != "fig9":
            wanted |= set(BESIDE)
    return [one for one in ROWS if not wanted or one.key in wanted]


def _write(args: argparse.Namespace, paper: Paper, rows: Sequence[Row]) -> None:
    def folder(key: str, fold: int, seed: int) -> Path:
        return paper.folder(row(key), fold, seed)

    measured = measure([one.key for one in rows], folder, args.folds, range(args.seeds))
    if measured is None:
        raise SystemExit(f"kinepose-train paper: nothing has been run in {args.state}")
    curves = paper.hidden(rows) if 9 in _wanted(args) else {}
    figures = illustrate(paper, args.out, _wanted(args))
    figures += [occluded.figure(curves)] if curves else []
    tables = [name for name in args.only if name in TABLES] if args.only else list(CPU_TABLES)
    page = cpu_page(measured, CPU, command_text(args), tables, figures, [occluded.section(curves)] if curves else [])
    for path in write(page, args.out):
        print(f"wrote {path}")


def _wanted(args: argparse.Namespace) -> set[int]:
    """Numbers of the figures that are asked for."""
    names = [name for name in args.only if name in _FIGURES] if args.only else _FIGURES
    return {int(name.removeprefix("fig")) for name in names}


def command_text(args: argparse.Namespace) -> str:
    """The command without folders of this machine."""
    words = ["kinepose-train paper", f"--scale {args.scale}", "--data DATA", "--movenet MOVENET/movenet-thunder.json"]
    words += ["--state RUNS", f"--seeds {args.seeds}", "--out docs/paper"]
    return " ".join(words)
