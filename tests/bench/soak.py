"""Hours in minutes: `python -m tests.bench.soak [--minutes 15] [--output FILE]`. Exit code 1 where it is not passed.

A Redis, two workers, two frontends; paced streams over gRPC and HTTP whose sessions begin and end all the time, some
clients walking away. Caches that fill slowly by design (a worker's hot states) are made small, so that what still
grows after the warm-up, a fifth of the time, is a leak. The criteria are in `criteria`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.footage import read_footage
from bench.ledger import counts, error_codes, good_frames, latencies_s, milliseconds
from bench.machine import machine
from bench.processes import Usage, usage
from bench.run import Target
from service.cli.numbers import positive, whole_number
from service.clips.output import text_output
from service.demo.__main__ import BUNDLED_CLIP
from tests.bench.criteria import MIB, files_rise, memory_trend, slows_down
from tests.bench.processes import FRONTEND_READY, WORKER_READY, Processes, processes
from tests.bench.soak_clients import Diary, run_place

FRONTENDS, WORKERS = 2, 2
HOT_STATES = "32"
SAMPLE_EVERY_S = 5.0
WARM_UP_SHARE = 0.2
WINDOW_S = 60.0
LEAST_WINDOWS = 5
GENERATOR = "load generator"


@dataclass(slots=True)
class Samples:
    """What the processes used over time.

    Attributes:
        at_s: seconds since the begin.
        by_process: one Usage for each of them, by name of the process.
    """

    at_s: list[float] = field(default_factory=list)
    by_process: dict[str, list[Usage]] = field(default_factory=dict)

    def since(self, seconds: float) -> int:
        """The first sample taken then or later."""
        return next((number for number, at in enumerate(self.at_s) if at >= seconds), len(self.at_s))


def main() -> int:
    """Run it, print and write the report; 0 where all criteria are met."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, processes(Path(folder)) as started:
        targets = _deployment(started)
        report = asyncio.run(_soak(started, targets, arguments))
    if arguments.output is not None:
        with text_output(arguments.output) as file:
            file.write(json.dumps(report, indent=2) + "\n")
    _print(report)
    return 0 if report["passed"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=positive, default=15.0, help="default: 15")
    parser.add_argument("--streams", type=whole_number, default=12, help="side by side (default: 12)")
    parser.add_argument("--rate", type=positive, default=2.0, help="frames/s of each (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the sessions' lengths and ends (default: 0)")
    parser.add_argument(
        "--most-mb-per-hour", type=positive, default=20.0, help="growth of a process's memory (default: 20)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the report as JSON")
    return parser.parse_args()


def _deployment(started: Processes) -> list[Target]:
    url = started.redis("loopback")
    shared = {"redis_url": url, "hot_states": HOT_STATES}
    workers = [started.service(f"worker {number}", "worker", **shared) for number in range(WORKERS)]
    frontends = [started.service(f"frontend {number}", "serve", **shared) for number in range(FRONTENDS)]
    for worker in workers:
        worker.wait_until_ready(WORKER_READY)
    for frontend in frontends:
        frontend.wait_until_ready(FRONTEND_READY)
    over_grpc = [Target("grpc", (frontend.addresses["grpc"],)) for frontend in frontends]
    return over_grpc + [Target("http", (frontend.addresses["http"],)) for frontend in frontends]


async def _soak(started: Processes, targets: list[Target], arguments: argparse.Namespace) -> dict[str, Any]:
    footage, diary, samples = read_footage(BUNDLED_CLIP), Diary(), Samples()
    begin = time.monotonic()
    until = begin + 60 * arguments.minutes
    pids = {one.name: one.pid for one in started.running} | {GENERATOR: os.getpid()}
    async with asyncio.TaskGroup() as group:
        group.create_task(_sample(pids, begin, until, samples))
        for number in range(arguments.streams):
            group.create_task(run_place(number, targets, footage, arguments.rate, until, diary, arguments.seed))
    return _report(begin, diary, samples, arguments)


async def _sample(pids: dict[str, int], begin: float, until: float, samples: Samples) -> None:
    """Look at every process now and then. RuntimeError where one has ended: that ends the soak."""
    while time.monotonic() < until:
        await asyncio.sleep(SAMPLE_EVERY_S)
        samples.at_s.append(time.monotonic() - begin)
        for name, pid in pids.items():
            samples.by_process.setdefault(name, []).append(_usage(name, pid))
        print(f"{samples.at_s[-1]:.0f} s", file=sys.stderr)


def _usage(name: str, pid: int) -> Usage:
    try:
        return usage(pid)
    except OSError as error:
        raise RuntimeError(f"{name} has ended") from error


# -- what comes out ---------------------------------------------------------------------------------------


def _report(begin: float, diary: Diary, samples: Samples, arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = 60 * arguments.minutes
    frames = counts(diary.ledgers)
    broken = [ledger.failure for ledger in diary.ledgers if ledger.failure is not None]
    used = _processes(samples, WARM_UP_SHARE * seconds, arguments.most_mb_per_hour)
    windows = _windows(begin, diary, seconds)
    after = [window["p99"] for window in windows if window["begin_s"] >= WARM_UP_SHARE * seconds]
    checks = {
        "every frame has an outcome": frames["lost"] == 0 and frames["unexpected"] == 0,
        "no frame failed": frames["error"] == 0,
        "no session broke off": not broken,
        "memory is flat": not any(one["memory_rises"] for one in used.values()),
        "open files are flat": not any(one["files_rise"] for one in used.values()),
        "p99 is stable": None not in after and not slows_down(after),
    }
    return {
        "measures": "resident memory and open files by process; latency of good frames from when they were due",
        "machine": machine(),
        "plan": {**{k: v for k, v in vars(arguments).items() if k != "output"}, "hot_states": int(HOT_STATES)},
        "sessions": len(diary.ledgers),
        "sessions_left_by_their_client": sum(ledger.left for ledger in diary.ledgers),
        "frames": frames,
        "error_codes": error_codes(diary.ledgers),
        "broken_sessions": broken,
        "latency_ms": windows,
        "generator_lag_ms": milliseconds(diary.lags),
        "processes": used,
        "samples": {"at_s": [round(at, 1) for at in samples.at_s], "by_process": _series(samples)},
        "checks": checks,
        "passed": all(checks.values()),
    }


def _processes(samples: Samples, warm_up_s: float, most_mb_per_hour: float) -> dict[str, dict[str, Any]]:
    """Trend and ends of each process; the load generator keeps every frame's times, so its memory is not judged."""
    first = samples.since(warm_up_s)
    at, found = samples.at_s[first:], {}
    for name, series in samples.by_process.items():
        memory, files = [one.resident_bytes for one in series[first:]], [one.open_files for one in series[first:]]
        trend = memory_trend(at, memory)
        judged = name != GENERATOR
        found[name] = {
            "resident_mb": {"first": round(memory[0] / MIB, 1), "last": round(memory[-1] / MIB, 1)},
            "mb_per_hour": round(trend.mb_per_hour, 1),
            "scatter_mb": round(trend.scatter_mb, 2),
            "memory_rises": judged and trend.rises(most_mb_per_hour),
            "open_files": {"first": files[0], "last": files[-1], "max": max(files)},
            "files_rise": judged and files_rise(files),
            "cpu_s": round(series[-1].cpu_s - series[0].cpu_s, 1),
        }
    return found


def _windows(begin: float, diary: Diary, seconds: float) -> list[dict[str, Any]]:
    """Latencies of each minute (or of each fifth of a shorter run)."""
    length = min(WINDOW_S, seconds / LEAST_WINDOWS)
    windows: list[list[float]] = [[] for _ in range(int(seconds / length))]
    good = list(good_frames(diary.ledgers))
    for record, latency in zip(good, latencies_s(good)[0], strict=True):
        windows[min(int((record.due - begin) / length), len(windows) - 1)].append(latency)
    return [
        {"begin_s": round(number * length, 1), "frames": len(window), **milliseconds(window)}
        for number, window in enumerate(windows)
    ]


def _series(samples: Samples) -> dict[str, dict[str, list[Any]]]:
    return {
        name: {
            "resident_mb": [round(one.resident_bytes / MIB, 1) for one in series],
            "open_files": [one.open_files for one in series],
        }
        for name, series in samples.by_process.items()
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    table = Table("process", "memory MB", "MB/h", "scatter MB", "open files", "CPU s")
    for name, one in report["processes"].items():
        memory, files = one["resident_mb"], one["open_files"]
        row = (f"{memory['first']} -> {memory['last']}", str(one["mb_per_hour"]), str(one["scatter_mb"]))
        table.add_row(name, *row, f"{files['first']} -> {files['last']}", str(one["cpu_s"]))
    console.print(table)
    console.print("p99 ms by window:", *(window["p99"] for window in report["latency_ms"]))
    console.print("frames:", ", ".join(f"{name} {count}" for name, count in report["frames"].items() if count))
    console.print(f"sessions: {report['sessions']}, {report['sessions_left_by_their_client']} left by their client")
    for name, passed in report["checks"].items():
        console.print(f"{'yes' if passed else 'NO '}  {name}")
    console.print("passed" if report["passed"] else "not passed")


if __name__ == "__main__":
    sys.exit(main())
