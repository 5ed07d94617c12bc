"""What Redis adds to a frame: `python -m tests.bench.redis_cost [--output FILE]`.

One embedded server (everything in one process), and one frontend with one worker and a real redis-server between them
(state and queue; append-only file, written to disk every second). Both are up all the time and are loaded in turn,
A/B/A/B, with the same frames: paced gRPC streams whose frame 0 carries the person's region. Latency counts from when
a frame was due. Nothing is pinned to a core.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.footage import read_footage
from bench.ledger import SessionLedger, counts, error_codes, good_frames, latencies_s, milliseconds
from bench.machine import machine
from bench.pacing import SATURATED_LAG_S
from bench.processes import cpu_seconds, machine_cpu_seconds
from bench.run import Plan, Target, drive
from service.cli.numbers import positive, whole_number
from service.clips.output import text_output
from service.demo.__main__ import BUNDLED_CLIP
from tests.bench.processes import FRONTEND_READY, WORKER_READY, Processes, Running, processes

ALLOWED_MS = {"p50": 2.0, "p99": 6.0}
WARM_UP_S = 2.0
"""Of each round: sessions are opened and connections made."""
QUIET_CORES = 0.1
"""Where others use more than this, the figures are theirs as well."""
SETTLE_S = 1.0
"""Between rounds, so that one's last work is not in the other's time."""


@dataclass(slots=True)
class Mode:
    """One of the two deployments.

    Attributes:
        parts: its processes; the first is the one that clients speak to.
        rounds: latencies of each round, seconds from due.
        cpu_s, idle_cpu_s: processor time by process, while it was loaded and while the other one was.
        elsewhere_s: processor time, meanwhile, of processes that have nothing to do with the measurement.
    """

    name: str
    parts: Sequence[Running]
    rounds: list[list[float]] = field(default_factory=list)
    ledgers: list[SessionLedger] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    generator_cpu_s: float = 0.0
    elsewhere_s: float = 0.0
    busy_s: float = 0.0
    idle_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    idle_cpu_s: dict[str, float] = field(default_factory=dict)

    def cpu(self) -> dict[str, float]:
        """Processor time of each process so far, seconds."""
        return {part.name: cpu_seconds(part.pid) for part in self.parts}


def main() -> int:
    """Measure, print and write; 1 where frames were lost or streams broke off."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, processes(Path(folder)) as started:
        modes = _deployments(started, arguments.redis)
        report = asyncio.run(_measure(modes, arguments))
    if arguments.output is not None:
        with text_output(arguments.output) as file:
            file.write(json.dumps(report, indent=2) + "\n")
    _print(report)
    return 0 if report["sound"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.redis_cost", description=__doc__)
    parser.add_argument("--streams", type=whole_number, default=16, help="default: 16")
    parser.add_argument("--rate", type=positive, default=2.0, help="frames/s of each (default: 2)")
    parser.add_argument("--rounds", type=whole_number, default=4, help="of each deployment (default: 4)")
    parser.add_argument("--seconds", type=positive, default=30.0, help="a round (default: 30)")
    parser.add_argument("--redis", choices=("unix", "loopback"), default="loopback", help="default: loopback")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the report as JSON")
    return parser.parse_args()


def _deployments(started: Processes, way: Any) -> tuple[Mode, Mode]:
    embedded = started.service("embedded", "serve")
    embedded.wait_until_ready(FRONTEND_READY)
    url = started.redis(way)
    redis = started.running[-1]
    worker = started.service("worker", "worker", redis_url=url)
    worker.wait_until_ready(WORKER_READY)
    frontend = started.service("frontend", "serve", redis_url=url)
    frontend.wait_until_ready(FRONTEND_READY)
    return Mode("embedded", [embedded]), Mode("redis", [frontend, worker, redis])


async def _measure(modes: tuple[Mode, Mode], arguments: argparse.Namespace) -> dict[str, Any]:
    plan = Plan(arguments.streams, arguments.rate, arguments.seconds, (read_footage(BUNDLED_CLIP),))
    warm = Plan(arguments.streams, arguments.rate, 3 * WARM_UP_S, plan.footage)
    for mode in modes:
        await drive(_target(mode), warm)
    for number in range(arguments.rounds):
        for mode, other in (modes, modes[::-1]):
            await asyncio.sleep(SETTLE_S)
            print(f"round {number + 1} of {arguments.rounds}: {mode.name}", file=sys.stderr)
            await _round(mode, other, plan)
    return _report(modes, arguments)


def _target(mode: Mode) -> Target:
    return Target("grpc", (mode.parts[0].addresses["grpc"],))


async def _round(mode: Mode, other: Mode, plan: Plan) -> None:
    busy, idle, everyone = mode.cpu(), other.cpu(), machine_cpu_seconds()
    done = await drive(_target(mode), plan)
    busy_after, idle_after = mode.cpu(), other.cpu()
    _add(mode.cpu_s, busy, busy_after)
    _add(other.idle_cpu_s, idle, idle_after)
    ours_s = sum(busy_after.values()) - sum(busy.values()) + sum(idle_after.values()) - sum(idle.values())
    mode.elsewhere_s += machine_cpu_seconds() - everyone - ours_s - done.cpu_s
    mode.rounds.append(latencies_s(list(good_frames(done.ledgers, done.begin + WARM_UP_S)))[0])
    mode.ledgers += done.ledgers
    mode.lags += done.lags
    mode.generator_cpu_s += done.cpu_s
    mode.busy_s += done.seconds
    other.idle_s += done.seconds


def _add(sums: dict[str, float], before: Mapping[str, float], after: Mapping[str, float]) -> None:
    for name, seconds in after.items():
        sums[name] = sums.get(name, 0.0) + seconds - before[name]


# -- what comes out ---------------------------------------------------------------------------------------


def _report(modes: tuple[Mode, Mode], arguments: argparse.Namespace) -> dict[str, Any]:
    embedded, redis = (_mode_report(mode) for mode in modes)
    added = {name: round(redis["latency_ms"][name] - embedded["latency_ms"][name], 3) for name in ALLOWED_MS}
    sound = all(mode["frames"]["lost"] == 0 and not mode["broken_sessions"] for mode in (embedded, redis))
    return {
        "measures": "milliseconds from when a frame was due until its answer, of all rounds together; added = redis"
        " less embedded",
        "machine": machine(),
        "plan": {
            "streams": arguments.streams,
            "frames_per_s_a_stream": arguments.rate,
            "rounds": arguments.rounds,
            "seconds_a_round": arguments.seconds,
            "warm_up_s_a_round": WARM_UP_S,
            "redis": f"{arguments.redis}, appendonly, appendfsync everysec",
        },
        "embedded": embedded,
        "redis": redis,
        "added_ms": added,
        "added_p50_ms_by_round": [
            round(mine["p50"] - other["p50"], 3)
            for mine, other in zip(redis["rounds"], embedded["rounds"], strict=True)
        ],
        "allowed_ms": ALLOWED_MS,
        "met": all(added[name] <= most for name, most in ALLOWED_MS.items()),
        "sound": sound,
    }


def _mode_report(mode: Mode) -> dict[str, Any]:
    frames = counts(mode.ledgers)
    return {
        "latency_ms": milliseconds([seconds for one in mode.rounds for seconds in one]),
        "rounds": [milliseconds(one) for one in mode.rounds],
        "frames": frames,
        "error_codes": error_codes(mode.ledgers),
        "broken_sessions": [ledger.failure for ledger in mode.ledgers if ledger.failure is not None],
        "cpu_ms_a_frame": {name: round(1000 * seconds / frames["sent"], 3) for name, seconds in mode.cpu_s.items()},
        "idle_cpu_percent": {name: round(100 * s / mode.idle_s, 2) for name, s in mode.idle_cpu_s.items()},
        "cores_used_elsewhere": round(max(0.0, mode.elsewhere_s / mode.busy_s), 3),
        "generator": {
            "cpu_ms_a_frame": round(1000 * mode.generator_cpu_s / frames["sent"], 3),
            "lag_ms": milliseconds(mode.lags),
            "saturated": bool(np.percentile(mode.lags, 99) > SATURATED_LAG_S),
        },
    }


def _print(report: dict[str, Any]) -> None:
    table = Table("", "p50 ms", "p95", "p99", "max", "CPU ms a frame, by process")
    for name in ("embedded", "redis"):
        mode = report[name]
        cpu = ", ".join(f"{part} {figure:.1f}" for part, figure in mode["cpu_ms_a_frame"].items())
        table.add_row(name, *(f"{figure:.1f}" for figure in mode["latency_ms"].values()), cpu)
    added = report["added_ms"]
    table.add_row("added", f"{added['p50']:.1f}", "", f"{added['p99']:.1f}", "", "")
    console = Console()
    console.print(table)
    allowed = f"allowed: p50 {ALLOWED_MS['p50']:g} ms, p99 {ALLOWED_MS['p99']:g} ms"
    console.print(f"{allowed}: {'met' if report['met'] else 'not met'}")
    for name in ("embedded", "redis"):
        mode = report[name]
        if mode["frames"]["lost"] or mode["error_codes"] or mode["broken_sessions"]:
            faults = f"errors {mode['error_codes']}, broken {mode['broken_sessions']}"
            console.print(f"{name}: {mode['frames']['lost']} frames lost, {faults}")
        if mode["cores_used_elsewhere"] > QUIET_CORES:
            console.print(f"{name}: not quiet, other processes used {mode['cores_used_elsewhere']} cores meanwhile")
        if mode["generator"]["saturated"]:
            console.print(f"{name}: the load generator itself was late; use less load")


if __name__ == "__main__":
    sys.exit(main())
