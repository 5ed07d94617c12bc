"""What processes count of themselves, read from /metrics while they live: proof that the rare ways were taken."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence

import httpx

from tests.chaos.processes import Place

EVERY_S = 1.0
TIMEOUT_S = 3.0
ASKED_AGAIN = "frames asked for again"
COUNTED = {
    "kinepose_frames_claimed_total": "frames taken over from dead workers",
    "kinepose_frames_asked_again_total": ASKED_AGAIN,
    "kinepose_state_cas_conflicts_total": "commits that lost a race",
}
_SAMPLE = re.compile(rf"^({'|'.join(COUNTED)}) (\S+)$", re.MULTILINE)


class Counters:
    """Sums over all processes; of one that was killed, what it had counted when it was last looked at."""

    def __init__(self, places: Sequence[Place], headers: dict[str, str]) -> None:
        self._places = places
        self._headers = headers
        self._seen: dict[tuple[str, int, str], float] = {}

    async def watch(self) -> None:
        """Look until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S, headers=self._headers) as client:
            while True:
                for place in self._places:
                    await self._look(client, place)
                await asyncio.sleep(EVERY_S)

    async def _look(self, client: httpx.AsyncClient, place: Place) -> None:
        url = place.addresses.get("http")
        if url is None or not place.up.is_set():
            return
        process = (place.name, place.starts)
        try:
            text = (await client.get(f"{url}/metrics")).text
        except httpx.TransportError:
            return  # It has just ended; what was seen of it stays.
        for name, value in _SAMPLE.findall(text):
            self._seen[*process, name] = float(value)

    def totals(self) -> dict[str, int]:
        """How often each came about, at least."""
        sums: Counter[str] = Counter()
        for (_, _, name), value in self._seen.items():
            sums[name] += round(value)
        return {found: sums[name] for name, found in COUNTED.items()}
