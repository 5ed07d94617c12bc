"""`python -m tests.chaos.run`: live streams while processes are killed; prints what came of it. Exit code 0 or 1."""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.chaos import figures
from tests.chaos.chaos import Chaos, unleash
from tests.chaos.plan import Shape, make_plan


def main() -> int:
    """Make the plan, print it, carry it out, judge."""
    arguments = _arguments()
    shape = Shape(arguments.streams, arguments.frontends, arguments.workers)
    plan = make_plan(arguments.seed, arguments.seconds, shape, clock_jumps=arguments.clock_jumps)
    console = Console(width=120)
    for disturbance in plan:
        console.print(str(disturbance), highlight=False)
    folder = arguments.logs or Path(tempfile.mkdtemp(prefix="chaos-"))
    console.print(f"logs: {folder}", highlight=False)
    _log_to(folder)
    chaos = Chaos(
        arguments.seed,
        arguments.seconds,
        shape,
        plan,
        arguments.frames_per_s,
        tolerance_px=arguments.tolerance_px,
        appendfsync=arguments.appendfsync,
        strangers=arguments.strangers,
        cluster=arguments.cluster,
        people=range(1, arguments.people + 1),
    )
    result = figures.judged_by_time(asyncio.run(unleash(chaos, folder)))
    figures.show(result, console)
    if arguments.json is not None:
        figures.write(result, arguments.json)
    return 0 if result.passed else 1


def _log_to(folder: Path) -> None:
    """What clients saw goes beside the processes' logs, with the same kind of times: a frame's way can be followed."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "clients.log")
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03dZ %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.Formatter.converter = time.gmtime
    logging.getLogger("chaos").addHandler(handler)
    logging.getLogger("chaos").setLevel(logging.INFO)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the plan and of all that streams do by chance")
    parser.add_argument("--seconds", type=float, default=60.0, help="in which things go wrong (default: 60)")
    parser.add_argument("--streams", type=int, default=40, help="default: 40")
    parser.add_argument("--frontends", type=int, default=2, help="default: 2")
    parser.add_argument("--workers", type=int, default=3, help="default: 3; 0: frontends compute themselves")
    parser.add_argument("--frames-per-s", type=float, default=0.6, help="of each stream (default: 0.6)")
    parser.add_argument("--tolerance-px", type=float, default=0.0, help="of joints (default: 0, not a bit)")
    parser.add_argument("--appendfsync", choices=("always", "everysec"), default="always", help="default: always")
    parser.add_argument("--people", type=int, default=4, help="streams follow 1 to so many (default: 4)")
    parser.add_argument("--strangers", action="store_true", help="others send what costs much all the while")
    parser.add_argument("--clock-jumps", action="store_true", help="of Redis's wall clock; takes a C compiler")
    parser.add_argument("--cluster", action="store_true", help="Redis is a cluster: three masters and a replica each")
    parser.add_argument("--logs", type=Path, help="a new folder for the processes' logs (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


if __name__ == "__main__":
    # As in the processes: torch threads that spin against each other are far slower than one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
