"""`kinepose-train paper`: the KIMNet paper's tables and figures, trained and measured. After a kill it goes on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from training.loop.machine import fitting_precision, keep_memory
from training.paper import cost, occluded
from training.paper.compose import CPU_TABLES, PENN_TABLES, cpu_page, gpu_page
from training.paper.illustrate import BESIDE, illustrate, illustrate_people
from training.paper.measured import Measured, measure
from training.paper.page import write
from training.paper.published import TABLES
from training.paper.rows import ENCODER_ROWS, ROWS, Row, row
from training.paper.runner import Paper, only_one
from training.paper.settings import CPU
from training.paper.whole_runner import PENN_FOLD, WholePaper, gpu_scale, smoke_scale

_FIGURES = ("fig4", "fig6", "fig7", "fig8", "fig9", "fig10")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    names, keys = [*TABLES, *_FIGURES], [one.key for one in (*ROWS, *ENCODER_ROWS)]
    parser.add_argument("--scale", choices=("cpu", "gpu"), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/, LSPET/, Penn_Action/")
    parser.add_argument("--state", type=Path, required=True, help="folder of runs and kept features, some 25 GB")
    parser.add_argument("--movenet", type=Path, help="cpu: movenet-thunder.json, the frozen trunk")
    parser.add_argument("--checkpoints", type=Path, help="gpu: folder of the official MPII checkpoints")
    parser.add_argument("--only", nargs="+", choices=names, default=[], help="only these tables and figures")
    parser.add_argument("--row", dest="rows", action="append", choices=keys, help="only these rows")
    parser.add_argument("--folds", type=int, nargs="+", choices=(1, 2, 3), default=(1, 2, 3))
    parser.add_argument("--seeds", type=int, default=1, help="runs a row and fold (default %(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="gpu: processes that prepare batches")
    parser.add_argument("--out", type=Path, help="folder of the page, docs/paper (default: none is written)")
    parser.add_argument("--pictures", type=Path, help="cpu: folder for the figures drawn over people of the test clips")
    parser.add_argument("--cost", action="store_true", help="cpu: measure the methods' cost; nothing else should run")
    parser.add_argument("--no-train", action="store_true", help="write the page of what has been run so far")


def run(args: argparse.Namespace) -> None:
    """Train what is missing, measure it, and write the page."""
    keep_memory()
    if args.scale == "gpu":
        _run_gpu(args)
    else:
        _run_cpu(args)


def _run_cpu(args: argparse.Namespace) -> None:
    if args.movenet is None:
        raise SystemExit("kinepose-train paper: --scale cpu needs --movenet, the JSON file of MoveNet Thunder")
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=1, precision=fitting_precision("bf16-mixed", "cpu"))
    paper = Paper(CPU, fabric, args.data, args.movenet, args.state, _say)
    smoke = WholePaper(smoke_scale(), fabric, args.data, args.state / "smoke", _say)
    if not args.no_train:
        with only_one(args.state):
            rows = _rows(args, ROWS)
            paper.run(rows, args.folds, range(args.seeds))
            if 9 in _figures(args):
                paper.hide(rows)
            smoke.run(_rows(args, ENCODER_ROWS), [1], [0])
    if args.out:
        _write_cpu(args, paper, smoke)
    if args.pictures:
        illustrate_people(paper, args.pictures, _figures(args))


def _run_gpu(args: argparse.Namespace) -> None:
    if args.checkpoints is None:
        raise SystemExit("kinepose-train paper: --scale gpu needs --checkpoints, a folder of official MPII checkpoints")
    fabric = Fabric(accelerator="cuda", devices=1, precision="32-true")
    found: dict[str, Measured] = {}
    for dataset, numbers, folds in (("penn-action", PENN_TABLES, (PENN_FOLD,)), ("sub-jhmdb-15", ("II",), args.folds)):
        rows = [one for one in _rows(args, (*ROWS, *ENCODER_ROWS)) if one.key in _keys(_tables(args, numbers))]
        paper = WholePaper(gpu_scale(dataset, args.checkpoints, args.workers), fabric, args.data, args.state, _say)
        if not args.no_train:
            with only_one(args.state):
                paper.run(rows, folds, range(args.seeds))
        measured = _measured(paper, rows, folds, args.seeds)
        if measured is not None:
            found[dataset] = measured
    if args.out and found:
        for path in write(gpu_page(found, command_text(args)), args.out):
            _say(f"wrote {path}")


def _write_cpu(args: argparse.Namespace, paper: Paper, smoke: WholePaper) -> None:
    rows = _rows(args, ROWS)
    measured = _measured(paper, rows, args.folds, args.seeds)
    tried = _measured(smoke, _rows(args, ENCODER_ROWS), [1], 1)
    if measured is None and tried is None:
        raise SystemExit(f"kinepose-train paper: nothing has been run in {args.state}")
    curves = paper.hidden(rows) if 9 in _figures(args) else {}
    figures = illustrate(paper, args.out, _figures(args))
    figures += [occluded.figure(curves)] if curves else []
    more = [occluded.section(curves)] if curves else []
    more += [cost.section(CPU, rows)] if args.cost else []
    page = cpu_page(measured, CPU, command_text(args), _tables(args, CPU_TABLES), tried, figures, more)
    for path in write(page, args.out):
        _say(f"wrote {path}")


def _measured(paper: Paper | WholePaper, rows: Sequence[Row], folds: Sequence[int], seeds: int) -> Measured | None:
    def folder(key: str, fold: int, seed: int) -> Path:
        return paper.folder(row(key), fold, seed)

    return measure([one.key for one in rows], folder, folds, range(seeds))


def _rows(args: argparse.Namespace, among: Sequence[Row]) -> list[Row]:
    """Those of `among` that are asked for, in their order."""
    wanted = set(args.rows or []) | _keys([name for name in args.only if name in TABLES])
    if any(name in _FIGURES and name != "fig9" for name in args.only):
        wanted |= set(BESIDE)
    asked = bool(args.rows) or bool(set(args.only) - {"fig9"})
    return [one for one in among if not asked or one.key in wanted]


def _keys(numbers: Sequence[str]) -> set[str]:
    entries = [entry for number in numbers for entry in TABLES[number].entries]
    return {key for entry in entries for key in (entry.row, entry.against) if key}


def _tables(args: argparse.Namespace, among: Sequence[str]) -> list[str]:
    return [number for number in among if not args.only or number in args.only]


def _figures(args: argparse.Namespace) -> set[int]:
    """Numbers of the figures that are asked for."""
    names = [name for name in args.only if name in _FIGURES] if args.only else _FIGURES
    return {int(name.removeprefix("fig")) for name in names}


def _say(text: str) -> None:
    print(text, flush=True)


def command_text(args: argparse.Namespace) -> str:
    """The command without folders of this machine."""
    start = "--movenet MOVENET/movenet-thunder.json" if args.scale == "cpu" else "--checkpoints MPII"
    words = ["kinepose-train paper", f"--scale {args.scale}", "--data DATA", start, "--state RUNS"]
    words += [f"--seeds {args.seeds}"] if args.seeds != 1 else []
    words += [f"--only {' '.join(args.only)}"] if args.only else []
    return " ".join([*words, "--cost" if args.cost else "", "--out docs/paper"]).replace("  ", " ")
