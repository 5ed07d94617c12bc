"""What a frontend hears from workers: the answers to its frames.

A channel forgets what nobody hears, so an answer may be lost when a connection breaks: who waits looks from time to
time whether its frame is still under way, and asks again where it is not. The store has the answer then.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.contract.messages import FrameResult
from service.errors import KineposeError
from service.redis.queue.codec import REPLY_ID_BYTES, decode_answer
from service.redis.sessions.codec import RecordError

log = logging.getLogger(__name__)

LISTEN_S = 1.0
AGAIN_S = 0.2


class PendingReply:
    """A frame that waits for its answer."""

    def __init__(self) -> None:
        self.id = secrets.token_bytes(REPLY_ID_BYTES)
        self._delivered = asyncio.Event()
        self._answer: FrameResult | KineposeError | None = None

    def deliver(self, answer: FrameResult | KineposeError | None) -> None:
        """Its answer; None where it had better look."""
        self._answer = self._answer or answer
        self._delivered.set()

    async def answer(self, wait_s: float) -> FrameResult | None:
        """Wait at most so long; None where there is none yet. Raises the error that was the answer."""
        try:
            async with asyncio.timeout(wait_s):
                await self._delivered.wait()
        except TimeoutError:
            return None
        self._delivered.clear()
        if isinstance(self._answer, KineposeError):
            raise self._answer
        return self._answer


class ReplyChannel:
    """The channel of one frontend.

    Args:
        client: of the deployment's Redis.
        channel: its name.

    Attributes:
        heard: answers are heard now.
    """

    def __init__(self, client: Redis, channel: str) -> None:
        self._client = client
        self._open: dict[bytes, PendingReply] = {}
        self.channel = channel
        self.heard = False

    @contextmanager
    def expected(self) -> Iterator[PendingReply]:
        """A request whose answer is listened for as long as the block lasts."""
        reply = PendingReply()
        self._open[reply.id] = reply
        try:
            yield reply
        finally:
            del self._open[reply.id]

    async def listen(self) -> None:
        """Hear until cancelled, over every loss of connection."""
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.subscribe(self.channel)
                    while True:
                        message = await channel.get_message(timeout=LISTEN_S)
                        if message is not None:
                            self._hear(message)
            except (RedisError, OSError):
                self.heard = False
                await asyncio.sleep(AGAIN_S)

    def _hear(self, message: dict[str, object]) -> None:
        data = message["data"]
        if message["type"] != "message" or not isinstance(data, bytes):
            # The channel is open, perhaps anew: what came before may have been missed.
            self.heard = True
            for reply in self._open.values():
                reply.deliver(None)
            return
        try:
            reply_id, answer = decode_answer(data)
        except RecordError:
            log.exception("an answer that cannot be read")
            return
        waiting = self._open.get(reply_id)
        if waiting is not None:
            waiting.deliver(answer)
