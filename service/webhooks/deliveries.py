"""Webhooks under way: each is sent until it is delivered, refused for good, or given up.

A message waits in memory, so it ends with its process; how many there are, of all and of an API key, is bounded, and
so are the attempts, the time they may take together, and how many are under way at once.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from service.auth.access import Quota
from service.auth.api_keys import Caller
from service.config import Settings
from service.observability.metrics import Metrics
from service.webhooks.destination import Destination, Destinations
from service.webhooks.sender import Message, Outcome, Sender, open_http
from service.webhooks.signing import Secrets

AT_ONCE: Final = 16
AT_ONCE_PER_ORIGIN: Final = 4
"""So that an origin that does not answer holds up its own messages only."""
GROWTH: Final = 3.0
"""Each pause between attempts is so many times the one before."""
JITTER: Final = 0.3
"""Pauses differ by this share from that, so that what failed together is not sent again together."""

log = logging.getLogger(__name__)


class Ticket:
    """Room for one message, taken when a job is accepted and given back when its message has ended."""

    def __init__(self, webhooks: "Webhooks", caller: Caller, destination: Destination) -> None:
        self._webhooks = webhooks
        self._caller = caller
        self.destination = destination
        self._open = True

    def send(self, message_id: str, body: bytes) -> None:
        """Send it in the background; once."""
        if self._open:
            self._open = False
            self._webhooks.begin(Message(message_id, self.destination, body), self._caller)

    def release(self) -> None:
        """There will be no message. Nothing where it was sent."""
        if self._open:
            self._open = False
            self._webhooks.room.release(self._caller)


class Webhooks:
    """All webhooks of a server; see `open_webhooks`.

    Args:
        settings: limits, and where they may go.
        metrics: counts outcomes.
        sender: None where none are sent.

    Attributes:
        room: messages of jobs that were accepted, and of those that have finished.
    """

    def __init__(self, settings: Settings, metrics: Metrics, sender: Sender | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._sender = sender
        self._destinations = Destinations(settings)
        self.room = Quota("webhooks", settings.max_webhooks, settings.max_webhooks_per_key)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._by_origin: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE_PER_ORIGIN)
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        for outcome in Outcome:
            metrics.webhooks.labels(outcome.value)  # Prometheus sees no increase in what begins with 1.

    def check(self, url: str) -> Destination:
        """Where it would go. Raises WebhookRefused."""
        return self._destinations.checked(url)

    def ticket(self, url: str, caller: Caller) -> Ticket:
        """Room for a message there. Raises WebhookRefused, QueueFull."""
        destination = self.check(url)
        self.room.take(caller)
        return Ticket(self, caller, destination)

    def begin(self, message: Message, caller: Caller) -> None:
        """Deliver a message of a ticket, whose room it gives back at its end."""
        task = asyncio.create_task(self._deliver(message), name=f"webhook-{message.id}")
        self._tasks.add(task)
        self._metrics.webhooks_pending.inc()

        def ended(task: asyncio.Task[None]) -> None:
            # A callback: a task that is cancelled before its first step has no body.
            self._tasks.discard(task)
            self._metrics.webhooks_pending.dec()
            self.room.release(caller)
            if task.cancelled():
                self._tell(message, Outcome.LOST, "the server ends")

        task.add_done_callback(ended)

    async def aclose(self) -> None:
        """Give each message that is left one more attempt at once, as long as an attempt may take; the rest is lost."""
        self._closing.set()
        if not self._tasks:
            return
        tasks = tuple(self._tasks)
        _, late = await asyncio.wait(tasks, timeout=self._settings.webhook_timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- one message --------------------------------------------------------------------------------------

    async def _deliver(self, message: Message) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._settings.clip_result_ttl_s  # Later there is nothing left to fetch.
        pause_s = self._settings.webhook_retry_s
        for number in range(self._settings.webhook_attempts):
            last = self._closing.is_set()
            outcome, why = await self._attempt(message, number)
            if outcome is not Outcome.FAILED:
                self._tell(message, outcome, why)
                return
            if last:
                self._tell(message, Outcome.LOST, why)
                return
            log.info("webhook %s to %s: attempt %d: %s", message.id, message.destination.origin, number + 1, why)
            self._metrics.webhooks.labels(outcome.value).inc()
            wait_s = pause_s * random.uniform(1 - JITTER, 1 + JITTER)
            if number + 1 == self._settings.webhook_attempts or loop.time() + wait_s > ends:
                break
            await self._pause(wait_s)
            pause_s *= GROWTH
        self._tell(message, Outcome.GIVEN_UP, f"after {number + 1} attempts, the last one: {why}")

    async def _attempt(self, message: Message, number: int) -> tuple[Outcome, str]:
        assert self._sender is not None
        async with self._by_origin[message.destination.origin], self._places:
            try:
                return await self._sender.attempt(message, number)
            except Exception as error:
                log.exception("webhook %s: a bug", message.id)
                return Outcome.FAILED, type(error).__name__

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the server ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _tell(self, message: Message, outcome: Outcome, why: str) -> None:
        self._metrics.webhooks.labels(outcome.value).inc()
        level = logging.INFO if outcome is Outcome.DELIVERED else logging.WARNING
        log.log(level, "webhook %s to %s: %s (%s)", message.id, message.destination.origin, outcome.value, why)


@asynccontextmanager
async def open_webhooks(settings: Settings, metrics: Metrics) -> AsyncIterator[Webhooks]:
    """Webhooks as the settings say; closed, with what is left of them, on leaving. BadSecrets where there are none."""
    if settings.webhook_secrets_file is None:
        yield Webhooks(settings, metrics)
        return
    await asyncio.to_thread(Secrets.read, settings.webhook_secrets_file)
    async with open_http(settings, AT_ONCE) as http:
        webhooks = Webhooks(settings, metrics, Sender(http, settings.webhook_secrets_file, settings.webhook_timeout_s))
        try:
            yield webhooks
        finally:
            await webhooks.aclose()
