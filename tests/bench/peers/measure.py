"""What a frame, a start and a process cost: subjects in turn, round by round."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tests.bench.peers.footage import TestClip
from tests.bench.peers.subjects import Subject

_RSS_EVERY = 50
_SETTLED = 50
"""Frames after which intervals between lines count."""


@dataclass(frozen=True, slots=True)
class Run:
    """One clip through one process.

    Attributes:
        cpu_s: of all its threads, user and system.
        first_s: from its start to its first line.
        wall_s: to its end.
        rss_mb: the most that was resident.
        intervals_s: between one line and the next, after the first ones.
    """

    frames: int
    cpu_s: float
    first_s: float
    wall_s: float
    rss_mb: float
    intervals_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over rounds. `cpu_spread`: the least and the largest of them."""

    cpu_ms: float
    cpu_spread: tuple[float, float]
    wall_ms: float
    interval_p50_ms: float
    interval_p99_ms: float
    first_s: float
    start_cpu_s: float
    rss_mb: float

    def as_json(self) -> dict[str, object]:
        """Rounded."""
        return {
            name: [round(part, 3) for part in value] if isinstance(value, tuple) else round(value, 3)
            for name, value in asdict(self).items()
        }


def measure(subjects: Sequence[Subject], clips: Sequence[TestClip], threads: int, rounds: int) -> dict[str, Figures]:
    """Figures of each subject by name. `clips`: the long one, the short one."""
    runs: dict[str, list[tuple[Run, Run]]] = {subject.name: [] for subject in subjects}
    for _ in range(rounds):
        for subject in subjects:
            long, short = (run(subject, clip, threads) for clip in clips)
            runs[subject.name].append((long, short))
            print(f"{threads} threads, {subject.name}: {figures([(long, short)]).as_json()}", file=sys.stderr)
    return {name: figures(pairs) for name, pairs in runs.items()}


def figures(pairs: Sequence[tuple[Run, Run]]) -> Figures:
    """Of the rounds of one subject: a long and a short run each."""
    cpu = [1000 * (long.cpu_s - short.cpu_s) / (long.frames - short.frames) for long, short in pairs]
    wall = [1000 * (long.wall_s - short.wall_s) / (long.frames - short.frames) for long, short in pairs]
    intervals = [1000 * np.percentile(long.intervals_s, (50, 99)) for long, _ in pairs]
    return Figures(
        cpu_ms=statistics.median(cpu),
        cpu_spread=(min(cpu), max(cpu)),
        wall_ms=statistics.median(wall),
        interval_p50_ms=statistics.median(float(p50) for p50, _ in intervals),
        interval_p99_ms=statistics.median(float(p99) for _, p99 in intervals),
        first_s=statistics.median(short.first_s for _, short in pairs),
        start_cpu_s=statistics.median(
            short.cpu_s - short.frames * each / 1000 for (_, short), each in zip(pairs, cpu, strict=True)
        ),
        rss_mb=statistics.median(long.rss_mb for long, _ in pairs),
    )


def run(subject: Subject, clip: TestClip, threads: int) -> Run:
    """One clip, bound to so many cores.

    Raises:
        SystemExit: it failed, or gave another number of frames.
    """
    cores = sorted(os.sched_getaffinity(0))[:threads]
    command = ["taskset", "-c", ",".join(map(str, cores)), *subject.command, str(clip.path)]
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=subject.whole_environment, cwd=Path("/")
    )
    assert process.stdout is not None
    times: list[float] = []
    rss_mb = 0.0
    with process.stdout as lines:
        for line in lines:
            if not line.startswith(b'{"clip"'):
                times.append(time.perf_counter())
            if len(times) % _RSS_EVERY == 0:
                rss_mb = max(rss_mb, _most_resident(process.pid))
    _, status, usage = os.wait4(process.pid, 0)
    end = time.perf_counter()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or len(times) != clip.frames:
        raise SystemExit(f"{subject.name}: exit code {process.returncode}, {len(times)} of {clip.frames} frames")
    intervals = tuple(np.diff(times[_SETTLED:]).tolist())
    return Run(clip.frames, usage.ru_utime + usage.ru_stime, times[0] - begin, end - begin, rss_mb, intervals)


def _most_resident(pid: int) -> float:
    """MB so far. What the kernel tells of an ended child counts this process's own memory, from which it was forked."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
