"""`kinepose-train inspect`: what a dataset on disk holds, and a contact sheet of it to look at."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from model.values import Array
from training.contact_sheets.contact import Tile, contact_sheet, person_tile
from training.datasets.catalog import DATASETS, DatasetError, read
from training.datasets.person import Clip
from training.datasets.summary import Summary

WRONG_LAYOUT = 2
"""Exit status where the dataset is not as its official layout says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("dataset", metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/, LSPET/, Penn_Action/, LSP/")
    parser.add_argument("--part", help="such as train (default: all parts)")
    parser.add_argument("--sheet", type=Path, help="PNG to write: random people with their joints")
    parser.add_argument("--count", type=_positive, default=24, help="people on the sheet (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which people are drawn (default %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Print the counts, draw the sheet; exit status 2 and one line on stderr where the layout is wrong."""
    try:
        _inspect(args)
    except DatasetError as error:
        print(f"kinepose-train inspect: {error}", file=sys.stderr)
        raise SystemExit(WRONG_LAYOUT) from None


def _inspect(args: argparse.Namespace) -> None:
    parts = [args.part] if args.part or args.dataset not in DATASETS else DATASETS[args.dataset].parts
    drawn = RandomPeople(args.count if args.sheet else 0, np.random.default_rng(args.seed))
    summaries = {part: _summarise(read(args.data, args.dataset, part), drawn) for part in parts}
    Console().print(table(args.dataset, summaries))
    if args.sheet:
        title = f"{args.dataset} {' '.join(parts)}: {len(drawn.tiles)} of {drawn.seen} frames, seed {args.seed}"
        _save(args.sheet, contact_sheet(drawn.tiles, title))
        print(f"wrote {args.sheet}")


def _summarise(clips: Iterator[Clip], drawn: "RandomPeople") -> Summary:
    summary = Summary()
    for clip in clips:
        summary.add(clip)
        drawn.offer(clip)
    return summary


@dataclass(slots=True)
class RandomPeople:
    """`count` frames drawn evenly from all that are offered, each cut at once (reservoir sampling).

    Attributes:
        tiles: those drawn so far.
        seen: frames offered so far.
    """

    count: int
    rng: np.random.Generator
    tiles: list[Tile] = field(default_factory=list)
    seen: int = 0

    def offer(self, clip: Clip) -> None:
        """Let each frame of the clip take its chance."""
        for t in range(len(clip)):
            self.seen += 1
            place = self.seen - 1 if self.seen <= self.count else int(self.rng.integers(self.seen))
            if place < self.count:
                self.tiles[place : place + 1] = [person_tile(clip, t)]


def table(dataset: str, summaries: dict[str, Summary]) -> Table:
    """One column a part; percentages are of frames."""
    result = Table("", title=dataset)
    for part in summaries:
        result.add_column(part, justify="right")
    columns = [_facts(summary) for summary in summaries.values()]
    # A part may lack an action that another has: rows are all keys, in the order in which they first come.
    for key in dict.fromkeys(key for facts in columns for key in facts):
        result.add_row(key, *(facts.get(key, "0") for facts in columns))
    return result


def _facts(summary: Summary) -> dict[str, str]:
    """Row names and values of a part."""
    smallest, median, largest = summary.person_sizes()
    facts = {
        "clips": str(summary.clips),
        "frames": str(summary.frames),
        "person, px (min / median / max)": f"{smallest:.0f} / {median:.0f} / {largest:.0f}",
    }
    shares = zip(summary.skeleton.joints, summary.labelled_percent(), strict=True)
    facts |= {f"labelled {joint}": f"{percent:.1f} %" for joint, percent in shares}
    return facts | {f"clips of {action}": str(count) for action, count in sorted(summary.actions.items())}


def _save(path: Path, sheet: Array) -> None:
    if path.suffix.lower() != ".png" or not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise DatasetError(f"{path}: the sheet cannot be written there; expected a .png in a folder that exists")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {value}")
    return value
