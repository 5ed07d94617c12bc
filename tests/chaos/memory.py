"""How much memory processes and their children have had together, from Linux's /proc."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.processes import Place

EVERY_S = 0.5
MIB = 1024 * 1024


@dataclass(slots=True)
class Memory:
    """The most that was seen of each place, MiB by its name; pages that processes share are counted once."""

    places: Sequence[Place]
    most_mib: dict[str, float] = field(default_factory=dict)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            children = _children()
            for place in self.places:
                if (pid := place.pid) is not None:
                    now = sum(_pss_mib(one) for one in _with_descendants(pid, children))
                    self.most_mib[place.name] = max(now, self.most_mib.get(place.name, 0.0))
            await asyncio.sleep(EVERY_S)


def _children() -> dict[int, list[int]]:
    """Process ids by that of their parent."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # It has just ended.
        # The name in parentheses may hold anything; what follows it does not.
        children[int(text.rpartition(")")[2].split()[1])].append(int(stat.parent.name))
    return children


def _with_descendants(pid: int, children: dict[int, list[int]]) -> list[int]:
    return [pid, *(one for child in children.get(pid, ()) for one in _with_descendants(child, children))]


def _pss_mib(pid: int) -> float:
    """Its proportional share of memory; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")) / MIB
