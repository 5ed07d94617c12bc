"""Kinepose beside its peers on one machine: `make bench-peers`, or `python -m tests.bench.peers --tools out/peers`.

Every subject reads the same two clips, one of them longer, in a process of its own; subjects take turns, round by
round. What a frame costs is the slope between the clips, so that no start is in it. With --data, PCK of each on the
test clips of JHMDB, too. Writes JSON, and prints a Markdown table whose first columns are ratios.
"""

import argparse
import json
from pathlib import Path

from bench.machine import machine
from tests.bench.peers.footage import make_clips
from tests.bench.peers.measure import Figures, measure
from tests.bench.peers.score import scores
from tests.bench.peers.subjects import REFERENCE, subjects
from tests.bench.peers.table import table

LONG, SHORT = 750, 150


def main() -> None:
    """Measure, write and print."""
    args = _parser().parse_args()
    chosen = subjects(args.tools, dict(args.also), tuple(args.only))
    report = {
        "measures": f"CPU and wall ms a frame: slope between clips of {LONG} and {SHORT} frames, 640x360, decoding"
        " included; medians of rounds; a process is bound to as many cores as it has threads",
        "note": args.note,
        "machine": machine(),
        "reference": REFERENCE,
        "rounds": args.rounds,
        "runs": [],
        "pck": {},
    }
    if args.rounds:
        clips = make_clips(args.tools, LONG, SHORT)
        runs = {threads: measure(chosen, clips, threads, args.rounds) for threads in args.threads}
        report["runs"] = [_row(name, threads, run) for threads, of in runs.items() for name, run in of.items()]
    if args.data:
        report["pck"] = scores(chosen, args.data, args.tools)
    args.output.write_text(json.dumps(report, indent=2) + "\n")
    print(table(report))


def _row(name: str, threads: int, figures: Figures) -> dict[str, object]:
    return {"name": name, "threads": threads, **figures.as_json()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="what `python -m tests.bench.peers.prepare` made")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    parser.add_argument("--data", type=Path, help="folder that holds JHMDB/")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s; 0 measures PCK alone")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these subjects")
    parser.add_argument("--note", default="", help="what is to be known of the machine, such as who else used it")
    parser.add_argument(
        "--also",
        type=_checkout,
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="another checkout of Kinepose",
    )
    return parser


def _checkout(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder).resolve()


if __name__ == "__main__":
    main()
