"""What local processes use, read from /proc (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment.

    Attributes:
        cpu_s: processor time since it began, seconds, of all its threads.
        resident_bytes: memory that it holds.
        open_files: file descriptors.
    """

    cpu_s: float
    resident_bytes: int
    open_files: int


def usage(pid: int) -> Usage:
    """What a process uses now. OSError where there is none of this number, or where it is another user's."""
    folder = Path("/proc") / str(pid)
    resident_pages = int((folder / "statm").read_text().split()[1])
    return Usage(cpu_seconds(pid), resident_pages * PAGE_BYTES, sum(1 for _ in (folder / "fd").iterdir()))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process since it began, seconds. FileNotFoundError where there is none."""
    # The name in parentheses may hold blanks; what is counted comes after it.
    numbers = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    user, system = int(numbers[11]), int(numbers[12])
    return (user + system) / TICKS_PER_S


def machine_cpu_seconds() -> float:
    """Processor time that all processes of the machine have used since it began, stolen time included, seconds."""
    # cpu user nice system idle iowait irq softirq steal ...
    ticks = [int(text) for text in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS_PER_S
