"""`kinepose-train folds`: weights of sub-JHMDB's three folds (reconstructed), their mean beside the paper's rows."""

import argparse
from pathlib import Path
from statistics import fmean

from model import weights_file
from model.config import CONFIGS
from model.engines.choose import open_engine
from model.pck import PCK
from model.tracker import Tracker
from training.datasets import catalog
from training.datasets.jhmdb_splits import FOLDS
from training.evaluation.run import READERS, Reader, Scores, evaluate
from training.report import published
from training.report.words import percent

_NORMALISERS = ("person", "torso")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/")
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument(
        "--weights", type=Path, action="append", required=True, help="folder of a fold's weights: three, in order"
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write besides")


def run(args: argparse.Namespace) -> None:
    """Measure each fold on its own test part, the person's true box given each frame as in the papers."""
    if len(args.weights) != len(FOLDS):
        raise SystemExit(f"kinepose-train folds: expected --weights {len(FOLDS)} times, got {len(args.weights)}")
    scores: dict[Reader, list[Scores]] = {reader: [] for reader in READERS}
    for fold, folder in zip(FOLDS, args.weights, strict=True):
        network, card = weights_file.load(args.model, folder)
        tracker = Tracker(open_engine(network), card.sha256[:16])
        clips = list(catalog.read(args.data, "sub-jhmdb", f"test{fold}"))
        for reader in READERS:
            scores[reader].append(evaluate(tracker, clips, "box", reader))
    text = markdown(args.model, scores)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


def markdown(model: str, scores: dict[Reader, list[Scores]]) -> str:
    """The tables of both normalisers, with a caption that says how the list differs from the official one."""
    measured = next(iter(scores.values()))
    clips = ", ".join(str(score.clips) for score in measured)
    caption = (
        f"PCK@{published.ALPHA:g} in % on **sub-JHMDB (reconstructed)**, mean of three folds, true box each frame, "
        f"whole videos, clean protocol, 13 joints. The list is not the official one: {clips} test clips where the "
        "official folds have 89, 80 and 92, rebuilt from those clips of twelve actions whose bodies are whole and "
        "inside the picture. The published rows are of the official folds and 15 joints: the two are no ranking."
    )
    return "\n\n".join([caption, *(_table(model, scores, normaliser) for normaliser in _NORMALISERS)])


def _table(model: str, scores: dict[Reader, list[Scores]], normaliser: str) -> str:
    rows = [[f"by {normaliser} size" if normaliser == "person" else "by torso", "mean", *published.GROUPS]]
    rows.append(["---", *["---:"] * (len(rows[0]) - 1)])
    for reader, folds in scores.items():
        results = [_of(score, normaliser) for score in folds]
        rows += [_row(f"{model}, {reader}, fold {k}", [one]) for k, one in zip(FOLDS, results, strict=True)]
        rows.append(_row(f"**{model}, {reader}, mean**", results))
    for row in published.SUB_JHMDB.rows[normaliser]:
        rows.append([f"{row.name} (published)", percent(row.mean), *(percent(value) for value in row.groups)])
    width = len(rows[0])
    return "\n".join("| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows)


def _row(name: str, results: list[PCK]) -> list[str]:
    """The mean over folds; a group counts in those folds that have a labelled joint of it."""
    groups = [published.group_means(result.per_joint) for result in results]
    columns = [[value for group in groups if (value := group[column]) is not None] for column in published.GROUPS]
    means = [fmean(values) if values else None for values in columns]
    return [name, percent(fmean(result.mean for result in results)), *(percent(value) for value in means)]


def _of(score: Scores, normaliser: str) -> PCK:
    return score.person if normaliser == "person" else score.torso
