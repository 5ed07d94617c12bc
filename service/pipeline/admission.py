"""How many frames the server takes on at once, and what a session may ask for."""

import asyncio
import re
from collections import deque

from service.config import Settings
from service.errors import BadRequest, QueueFull

SHORTEST_RETRY_MS = 20
LONGEST_RETRY_MS = 5000
SMOOTHING = 0.1
SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


class InFlight:
    """Counts the server's frames in flight: when it is full, `take` refuses and `wait` waits in line."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._line: deque[asyncio.Future[None]] = deque()
        self._mean_s = SHORTEST_RETRY_MS / 1000
        self.count = 0

    def take(self) -> None:
        """Take a place, or raise QueueFull."""
        if self.count >= self._most or self._line:
            raise QueueFull(
                f"the server has {self.count} frames in flight, its limit",
                retry_after_ms=self.retry_after_ms(),
            )
        self.count += 1

    async def wait(self) -> None:
        """Take a place, waiting for one, first come first served."""
        if self.count < self._most and not self._line:
            self.count += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave_line(turn)
            raise

    def release(self, seconds: float | None = None) -> None:
        """Give a place back; `seconds` is how long a frame held it, None where it was not used."""
        if seconds is not None:
            self._mean_s += SMOOTHING * (seconds - self._mean_s)
        self._pass_on()

    def retry_after_ms(self) -> int:
        """When trying again makes sense: after about as long as a frame lately took."""
        return int(min(max(1000 * self._mean_s, SHORTEST_RETRY_MS), LONGEST_RETRY_MS))

    def _pass_on(self) -> None:
        # The place goes to the head of the line without becoming free in between, so nobody overtakes.
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.count -= 1

    def _leave_line(self, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._pass_on()  # It got its place in the same moment that its caller went away.
        elif turn in self._line:
            self._line.remove(turn)


def checked_session_id(session_id: str) -> str:
    """An id that a client chose. Raises BadRequest."""
    if not SESSION_ID.fullmatch(session_id):
        raise BadRequest("a session id is 1 to 128 of A-Z a-z 0-9 _ . : - and begins with a letter or digit")
    return session_id


def checked_ttl_s(ttl_s: float | None, settings: Settings) -> float:
    """A session's TTL, seconds; the server's own where the client asks for none. Raises BadRequest."""
    if ttl_s is None:
        return settings.session_ttl_s
    if not 0 < ttl_s <= settings.max_session_ttl_s:
        most = settings.max_session_ttl_s
        raise BadRequest(f"ttl_s: expected more than 0 and at most {most:g}, got {ttl_s}")
    return ttl_s
