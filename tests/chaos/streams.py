"""A live stream as a careful client runs it: paced, one frame at a time, and never in doubt about the last one."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kinepose_client import Picture, Unreachable
from service.contract.messages import FrameResult, ModelInfo, Outcome
from service.errors import KineposeError, PoisonFrame, SeqOutOfOrder
from tests.chaos.checks import Answer, Record
from tests.chaos.connections import Connection, opened
from tests.chaos.films import Film
from tests.chaos.fleet import Address
from tests.chaos.fragile_worker import poisoned

log = logging.getLogger("chaos.clients")

REFUSALS = frozenset(
    {"deadline_passed", "draining", "no_worker", "queue_full", "stale_commit", "store_unavailable", "worker_failed"}
)
"""Codes after which a frame is sent again. Whether it was taken in all the same, the session tells. No deadline is
sent: one that passed is the client's own."""
BROKEN = frozenset({"NoFrontend", "TimeoutError", "Unreachable"})
"""No connection, or none any more."""
GRPC_BROKEN = "Internal error from Core"
"""grpc.aio's own words, without any of a server, where a connection breaks while it sends."""
MOST_ODD = 5
"""Other errors after which a stream is given up."""
STUCK_S = 120.0
"""A frame that has no answer after so long never gets one."""
SENT_AGAIN = 0.05
"""Share of answered frames that are sent once more."""
SPREAD = 0.3
"""Share of the time from frame to frame within which all streams send theirs."""
LAST_FRAMES = 2
"""Frames that each stream sends when all is calm again."""
CUT_WITHIN_S = 0.06
"""A dropped client hears no answer that takes longer than a part of this."""
PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(slots=True)
class Tally:
    """Figures of one stream.

    Attributes:
        latencies_s: from the first sending of a frame to its answer, one a frame.
        answered_at: monotonic times of the answers.
        replays: frames sent again on purpose. repeated: those whose answer had been lost on the way.
        reconnects, cuts: connections made anew; those that the client itself cut.
        refused: by code.
        poison_sent: how often a frame was sent that ends its workers.
    """

    latencies_s: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    replays: int = 0
    repeated: int = 0
    reconnects: int = 0
    cuts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    poison_sent: int = 0


class NoFrontend(Unreachable):
    """There is nobody to connect to now."""


class Stuck(Exception):
    """The stream cannot go on."""


class LiveStream:
    """One stream.

    Args:
        film: what it shows.
        way: one of `connections.WAYS`.
        addresses: frontends that are up now.
        interval_s: from one frame to the next.
        seed: of the run.
    """

    def __init__(
        self, film: Film, way: str, addresses: Callable[[], list[Address]], interval_s: float, seed: int
    ) -> None:
        self.way = way
        self.record = Record(film.number)
        self.tally = Tally()
        self._film = film
        self._addresses = addresses
        self._interval_s = interval_s
        self._dice = random.Random(f"{seed}/{film.number}/stream")
        self._calm = asyncio.Event()
        self._connection: Connection | None = None
        self._avoided: Address | None = None
        self._cut = False
        self._poison = False
        self.ended = False
        self._taken_in = False
        self._odd_errors = 0

    def drop(self) -> None:
        """Cut the connection while the next frame is on its way."""
        self._cut = True

    def poison(self) -> None:
        """Let the next frame be one that ends its workers."""
        self._poison = True

    def calm(self) -> None:
        """All disturbances are over: send the last frames."""
        self._calm.set()

    async def open(self) -> None:
        """Begin the session, before anything goes wrong."""
        self._connection = await opened(self.way, self._dice.choice(self._addresses()))
        self.record.session_id = (await self._connection.create_session(self._film.people)).session_id

    async def run(self) -> None:
        """Send frames until all is calm, and a few more."""
        try:
            left = LAST_FRAMES
            while left:
                left -= self._calm.is_set()
                await self._beat()
                await self._frame(self.record.sent)
            await self._finish()
            self.record.survived = True
        except Stuck as stuck:
            self.record.faults.append(str(stuck))
        finally:
            self.ended = True
            await self._disconnect()

    async def _frame(self, seq: int) -> None:
        begin = time.monotonic()
        self.record.sent = seq + 1
        picture = self._film.picture(seq)
        if self._poison:
            self._poison = False
            self.record.poison.add(seq)
            picture = replace(picture, image=poisoned(picture.image))
        await self._answered(picture)
        now = time.monotonic()
        self.tally.latencies_s.append(now - begin)
        self._say(seq, f"answered after {now - begin:.2f} s")
        self.tally.answered_at.append(now)
        if self._dice.random() < SENT_AGAIN:
            self.tally.replays += 1
            await self._answered(picture)

    async def _beat(self) -> None:
        """Wait for the next frame's time, which is nearly the same for all streams: then queues are seldom empty."""
        now = time.monotonic()
        await asyncio.sleep(self._interval_s * (1 - now / self._interval_s % 1 + self._dice.uniform(0, SPREAD)))

    async def _answered(self, picture: Picture) -> None:
        """Send a frame until it has an answer."""
        assert picture.seq is not None
        self._taken_in = False
        begin, attempt = time.monotonic(), 0
        while True:
            try:
                connection = self._connection or await self._reconnected(picture.seq)
                if self._cut:
                    await self._cut_off(connection, picture)
                    continue
                result = await self._exchanged(connection, picture)
                self._check_refusal(result)
                self.record.answers.append(Answer(picture.seq, result))
                return
            except (KineposeError, Unreachable, TimeoutError) as error:
                await self._after(error, picture.seq, attempt)
            attempt += 1
            if time.monotonic() - begin > STUCK_S:
                raise Stuck(f"frame {picture.seq}: no answer in {STUCK_S:.0f} s")

    async def _exchanged(self, connection: Connection, picture: Picture) -> FrameResult:
        """The answer, as a result also where it is the error of a poisonous frame: a call by itself raises it."""
        assert picture.seq is not None
        self.tally.poison_sent += picture.seq in self.record.poison
        try:
            return await connection.exchange(self.record.session_id, picture)
        except PoisonFrame as error:
            return _poison_result(self.record.session_id, picture, error)

    async def _reconnected(self, seq: int) -> Connection:
        """A connection to a frontend that is up, the one that failed last only where there is no other."""
        known = self._addresses()
        if not known:
            raise NoFrontend("no frontend is up")
        address = self._dice.choice([one for one in known if one != self._avoided] or known)
        self._avoided = address
        self._connection = connection = await opened(self.way, address)
        self.tally.reconnects += 1
        self._say(seq, f"connects to {address.http_url}, {address.grpc_target}")
        next_seq = (await connection.session(self.record.session_id)).next_seq
        self._taken_in = next_seq == seq + 1
        if self._taken_in:
            self.tally.repeated += 1  # What is sent now is a replay.
        elif next_seq != seq:
            raise Stuck(f"frame {seq} is next here, and the session expects {next_seq}")
        return connection

    async def _cut_off(self, connection: Connection, picture: Picture) -> None:
        """Send a frame and hang up, as a rule before its answer; an answer that was faster is kept for comparison."""
        self._cut = False
        self.tally.cuts += 1
        assert picture.seq is not None
        self._say(picture.seq, "sent and hung up")
        sending = asyncio.create_task(self._exchanged(connection, picture))
        await asyncio.wait({sending}, timeout=self._dice.uniform(0, CUT_WITHIN_S))
        sending.cancel()
        [heard] = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(heard, FrameResult) and heard.outcome is Outcome.OK:
            self.record.answers.append(Answer(picture.seq, heard))
        await self._disconnect()
        await asyncio.sleep(self._dice.uniform(*PAUSES_S[:: len(PAUSES_S) - 1]))

    def _check_refusal(self, result: FrameResult) -> None:
        """Raise what a stream tells in a frame's place although the frame was not taken in."""
        if self._taken_in or result.outcome is Outcome.OK:
            return
        if result.error_code in {*REFUSALS, SeqOutOfOrder.code}:
            error = KineposeError(result.error_detail or "")
            error.code = result.error_code  # type: ignore[misc]
            raise error

    async def _after(self, error: Exception, seq: int, attempt: int) -> None:
        """Count the failure, and get ready to try again elsewhere."""
        code = _code(error)
        self._say(seq, f"{code}: {error}")
        self.tally.refused[code] += 1
        if code not in REFUSALS and code not in BROKEN:
            self._odd_errors += 1
            self.record.faults.append(f"frame {seq}: {code}: {error}")
            if self._odd_errors == MOST_ODD:
                raise Stuck(f"given up after {MOST_ODD} errors of no known kind") from error
        await self._disconnect()
        await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)] * self._dice.uniform(0.5, 1.5))

    def _say(self, seq: int, what: str) -> None:
        log.info(
            "stream %d, %s, session %s frame %d: %s", self.record.number, self.way, self.record.session_id, seq, what
        )

    async def _finish(self) -> None:
        if self._connection is not None:
            self.record.answers += [Answer(None, result) for result in await self._connection.finish()]
            self._connection = None

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()


def _poison_result(session_id: str, picture: Picture, error: PoisonFrame) -> FrameResult:
    """What a stream would have told; the model's name is not in an error."""
    assert picture.seq is not None
    nobody = ModelInfo("", "", "")
    return FrameResult(session_id, picture.seq, picture.pts_us, Outcome.ERROR, nobody, "", (), error_code=error.code)


def _code(error: Exception) -> str:
    """What a failure is counted as: the server's code, or the name of the client's own error."""
    if not isinstance(error, KineposeError):
        return type(error).__name__
    return Unreachable.__name__ if error.detail == GRPC_BROKEN else error.code
