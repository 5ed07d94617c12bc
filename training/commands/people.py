"""`kinepose-train people`: several people followed, pictures of nobody, one person found; prints tables."""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from model.config import CONFIGS
from model.tracker import Tracker
from training.commands import subject
from training.datasets import catalog
from training.evaluation.identities import Identities
from training.evaluation.run import READERS, with_reader
from training.people.measure import FRAMES_OF_A_PICTURE, Shares, Taken, false_people, followed, found, taken
from training.people.nobody import beside_people, nobodies
from training.people.scenes import WITH_OTHERS, scenes

_PARTS = ("composed", "nobody", "one", "first")
_MOST = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/")
    parser.add_argument("--part", choices=("train", "val", "test"), default="test", help="default %(default)s")
    parser.add_argument("--model", choices=sorted(CONFIGS), default="kimnet-lite")
    parser.add_argument("--weights", type=Path, help="folder of the weights (default: those of the package)")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--reader", choices=READERS, default="recurrent", help="with or without memory of a person")
    parser.add_argument("--max-people", type=int, default=_MOST, help="of composed scenes (default %(default)s)")
    parser.add_argument("--only", choices=_PARTS, nargs="+", default=_PARTS, help="which tables")


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    if args.part == "train" and [*args.only] != ["first"]:
        raise SystemExit("kinepose-train people: nobody looked for other people in clips of train: --only first")
    tracker, clips = _tracker(args), list(catalog.read(args.data, "jhmdb", args.part))
    single = [clip for clip in clips if clip.name not in WITH_OTHERS]
    print(f"{args.model}, {args.reader}, JHMDB {args.part}: {len(clips)} clips, {len(single)} with one person\n")
    if "composed" in args.only:
        print(identities_table(followed(tracker, scenes(single), args.max_people)), "\n")
    if "nobody" in args.only:
        pictures = [*nobodies(), *beside_people(single)]
        print(false_table({most: false_people(tracker, pictures, most) for most in (1, _MOST)}), "\n")
    if "one" in args.only:
        print(found_table({most: found(tracker, clips, most) for most in (1, _MOST)}))
    if "first" in args.only:
        sets = {f"JHMDB {args.part}": clips}
        if args.part == "val":
            sets["COCO val"] = list(catalog.read(args.data, "coco", "val"))
        print("\n" + taken_table({name: taken(tracker, people) for name, people in sets.items()}))
    print(f"\n{time.process_time():.0f} s of CPU")


def identities_table(figures: Mapping[str, Identities]) -> str:
    """Markdown: a row for each kind of scene, and one for all."""
    rows = {**figures, "all": sum(figures.values(), Identities())}
    lines = ["| scene | people x frames | missed, % | false | id switches | IDF1, % |", "|---|---|---|---|---|---|"]
    for kind, one in rows.items():
        missed = 100 * one.missed / max(1, one.true)
        lines.append(f"| {kind} | {one.true} | {missed:.1f} | {one.false} | {one.switches} | {100 * one.idf1:.1f} |")
    return "\n".join(lines)


def false_table(figures: Mapping[int, Mapping[str, Shares]]) -> str:
    """Markdown: a row for each kind of picture, and one for all; false people a hundred frames."""
    rows = [{**kinds, "all": sum(kinds.values(), Shares())} for kinds in figures.values()]
    head = [f"false people a 100 frames, `max_people` {most}" for most in figures]
    lines = [f"| pictures of nobody | {' | '.join(['pictures', *head])} |", "|---|---|" + "---|" * len(head)]
    for kind, first in rows[0].items():
        cells = [f"{row[kind].percent:.2f} ({row[kind].count})" for row in rows]
        lines.append(f"| {kind} | {first.frames // FRAMES_OF_A_PICTURE} | {' | '.join(cells)} |")
    return "\n".join(lines)


def found_table(figures: Mapping[int, Shares]) -> str:
    """Markdown: a row for each number of people that may be followed."""
    lines = ["| no region, `max_people` | frames | person found, % |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {most} | {one.frames} | {one.percent:.2f} |" for most, one in figures.items())])


def taken_table(figures: Mapping[str, Taken]) -> str:
    """Markdown: a row for each set of frames that are read as first ones."""
    lines = [
        "| first frames, one person | frames | PCK by person | labelled person, % | nobody |",
        "|---|---|---|---|---|",
    ]
    for name, one in figures.items():
        lines.append(f"| {name} | {one.right.frames} | {100 * one.pck:.1f} | {one.right.percent:.1f} | {one.nobody} |")
    return "\n".join(lines)


def _tracker(args: argparse.Namespace) -> Tracker:
    return with_reader(subject.tracker_of(subject.open_subject(args)), args.reader)
