"""`python -m tests.chaos.neighbours`: live streams alone, and beside strangers who send what costs much; as a table.

One frontend and one worker, Redis between them, keys as in production: the streams have one, the strangers another.
Exit code 1 where a frame was lost or took twice as long at its 99th percentile, or a process had more memory than its
manifest in `deploy/k8s` allows it.
"""

import argparse
import asyncio
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.footage import read_footage
from bench.ledger import counts, good_frames, latencies_s, milliseconds
from bench.run import LoadRun, Plan, Target, drive
from service.demo.__main__ import BUNDLED_CLIP
from tests.chaos.fleet import UP_TIMEOUT_S, Fleet, running_fleet
from tests.chaos.memory import Memory
from tests.chaos.plan import Shape
from tests.chaos.processes import LOOK_EVERY_S
from tests.chaos.strangers import make_costly, send_for
from tests.support.keys import Keys, make_keys

STREAMS, FRAMES_PER_S = 8, 1.0
WARM_UP_S = 5.0
LIMIT_MIB = 3 * 1024
"""Of frontends and workers in `deploy/k8s/base`."""
MOST_RATIO = 2.0


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What a run came to: streams alone, streams beside strangers, what these were answered, memory in MiB by place."""

    alone: LoadRun
    beside: LoadRun
    answered: Counter[tuple[str, str]]
    most_mib: dict[str, float]


def main() -> int:
    """Run it and judge it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of both parts (default: 60)")
    parser.add_argument("--frames-per-s", type=float, default=FRAMES_PER_S, help=f"default: {FRAMES_PER_S:g}")
    parser.add_argument("--transport", choices=("grpc", "http", "websocket"), default="grpc", help="default: grpc")
    parser.add_argument("--only", metavar="WORDS", help="strangers whose kind has these words (default: all)")
    parser.add_argument("--model", default="kimnet", help="default: kimnet")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="neighbours-"))
    console = Console(width=120)
    console.print(f"logs: {folder}", highlight=False)
    run = asyncio.run(_measure(arguments, folder))
    faults = _faults(run)
    _show(run, console)
    for fault in faults:
        console.print(f"fault: {fault}", markup=False, highlight=False)
    console.print("FAILED" if faults else "passed")
    return 1 if faults else 0


async def _measure(arguments: argparse.Namespace, folder: Path) -> Neighbourhood:
    keys = make_keys(folder / "keys.json", live={}, stranger={})
    costly = await asyncio.to_thread(make_costly)
    settings = {"api_keys_file": str(keys.file), "model": arguments.model, "device": "cpu"}
    plan = Plan(STREAMS, arguments.frames_per_s, arguments.seconds, (read_footage(BUNDLED_CLIP),))
    async with running_fleet(Shape(STREAMS, 1, 1), folder, settings) as fleet:
        await _ready(fleet)
        target = _target(fleet, keys, arguments.transport)
        memory = Memory(fleet.places)
        watching = asyncio.create_task(memory.watch())
        alone = await drive(target, plan)
        # In a process of their own: what they cost to play must not be measured with the streams.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
            loop, [address] = asyncio.get_running_loop(), fleet.addresses()
            await loop.run_in_executor(elsewhere, int)  # it has started
            key, words = keys.by_name["stranger"], arguments.only or ""
            sending = loop.run_in_executor(elsewhere, send_for, plan.seconds, address, key, costly, words)
            beside = await drive(target, plan)
            answered = await sending
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return Neighbourhood(alone, beside, answered, memory.most_mib)


async def _ready(fleet: Fleet) -> None:
    """Wait until the frontend knows its worker."""
    ready = f"{fleet.addresses()[0].http_url}/readyz"
    async with asyncio.timeout(UP_TIMEOUT_S), httpx.AsyncClient() as http:
        while (await http.get(ready)).is_error:  # noqa: ASYNC110 - a server tells only those who ask
            await asyncio.sleep(LOOK_EVERY_S)


def _target(fleet: Fleet, keys: Keys, transport: str) -> Target:
    [address] = fleet.addresses()
    where = address.grpc_target if transport == "grpc" else address.http_url
    return Target(transport, (where,), api_key=keys.by_name["live"])  # type: ignore[arg-type]


def _latency_ms(run: LoadRun) -> dict[str, float]:
    """From when a frame was due, its first seconds left out."""
    return milliseconds(latencies_s(list(good_frames(run.ledgers, run.begin + WARM_UP_S)))[0])


def _ratio(run: Neighbourhood) -> float:
    return _latency_ms(run.beside)["p99"] / _latency_ms(run.alone)["p99"]


def _faults(run: Neighbourhood) -> list[str]:
    found = []
    for name, part in (("alone", run.alone), ("beside strangers", run.beside)):
        frames = counts(part.ledgers)
        if frames["ok"] != frames["planned"]:
            found.append(f"{name}: {frames['planned']} frames were due, {frames['ok']} are ok")
        found += [f"{name}: a session broke off: {one.failure}" for one in part.ledgers if one.failure is not None]
    if (ratio := _ratio(run)) > MOST_RATIO:
        found.append(f"p99 beside strangers is {ratio:.2f} times that alone")
    found += [f"{name}: {mib:.0f} MiB" for name, mib in run.most_mib.items() if mib > LIMIT_MIB]
    return found


def _show(run: Neighbourhood, console: Console) -> None:
    table = Table("live streams", "frames due", "ok", "p50 ms", "p99 ms", "longest ms")
    for name, part in (("alone", run.alone), ("beside strangers", run.beside)):
        frames, latency = counts(part.ledgers), _latency_ms(part)
        figures = (f"{latency[column]:.0f}" for column in ("p50", "p99", "max"))
        table.add_row(name, str(frames["planned"]), str(frames["ok"]), *figures)
    console.print(table)
    table = Table("process, children included", "most memory, MiB", "its limit")
    for name, mib in run.most_mib.items():
        table.add_row(name, f"{mib:.0f}", "" if name == "redis" else str(LIMIT_MIB))
    console.print(table)
    table = Table("strangers send", "and were answered", "times")
    for (kind, answer), times in sorted(run.answered.items()):
        table.add_row(kind, answer, str(times))
    console.print(table)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
