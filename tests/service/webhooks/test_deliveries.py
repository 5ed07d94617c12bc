"""Webhooks on their way to a real receiver."""

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from service.auth.api_keys import ANYONE
from service.config import Settings
from service.observability.metrics import Metrics
from service.webhooks.deliveries import Webhooks, open_webhooks
from tests.support.keys import make_certificate
from tests.support.pipelines import until
from tests.support.receiver import BROKEN, GONE, SECRET, SILENCE, Received, Receiver, receiving, secrets_file

BODY = b'{"type":"clip.done"}'


class Sending:
    """Webhooks that may go to a receiver, and what became of them."""

    def __init__(self, webhooks: Webhooks, metrics: Metrics, url: str) -> None:
        self.webhooks = webhooks
        self._metrics = metrics
        self._url = url

    def send(self) -> None:
        """One message."""
        self.webhooks.ticket(self._url, ANYONE).send("msg_1", BODY)

    def count(self, outcome: str) -> float:
        """How many ended so."""
        return self._metrics.registry.get_sample_value("kinepose_webhooks_total", {"outcome": outcome}) or 0.0

    async def ended(self, outcome: str) -> None:
        """Wait until the message has ended so, and left nothing behind."""
        await until(lambda: self.count(outcome) == 1)
        await until(lambda: self.webhooks.room.total == 0)
        assert self._metrics.registry.get_sample_value("kinepose_webhooks_pending") == 0


@asynccontextmanager
async def sending(receiver: Receiver, folder: Path, url: str = "", **changes: Any) -> AsyncIterator[Sending]:
    """Webhooks to a receiver, tried again soon where they fail."""
    url = url or f"http://127.0.0.1:{receiver.port}"
    chosen: dict[str, Any] = {
        "webhook_inside_hosts": (url,),
        "webhook_secrets_file": secrets_file(folder),
        "webhook_retry_s": 0.001,
        "webhook_attempts": 3,
    }
    metrics = Metrics()
    async with open_webhooks(Settings(**chosen | changes), metrics) as webhooks:
        yield Sending(webhooks, metrics, f"{url}/hook?token=abc")


def verified(received: Received) -> Any:
    """The message, once another's implementation of the scheme has found its signature right."""
    return Webhook(SECRET).verify(received.body, received.headers)


async def test_a_message_is_signed_and_delivered_and_its_path_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The path may hold a secret of the receiver."""
    caplog.set_level(logging.INFO)
    async with receiving() as receiver, sending(receiver, tmp_path) as one:
        one.send()
        await one.ended("delivered")
        received = receiver.requests.get_nowait()

    assert received.line == "POST /hook?token=abc HTTP/1.1"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["webhook-id"] == "msg_1"
    assert verified(received) == {"type": "clip.done"}
    assert f"webhook msg_1 to http://127.0.0.1:{receiver.port}: delivered" in caplog.text
    assert "token" not in caplog.text


async def test_a_receiver_that_fails_is_tried_again_with_the_same_message(tmp_path: Path) -> None:
    """One id and one body."""
    async with receiving(BROKEN) as receiver, sending(receiver, tmp_path) as one:
        one.send()
        await one.ended("delivered")
        first, second = receiver.requests.get_nowait(), receiver.requests.get_nowait()

    assert verified(first) == verified(second)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize(
    ("answers", "outcome", "requests"),
    [
        ((BROKEN,) * 3, "given_up", 3),
        ((GONE,), "gone", 1),
        (("nonsense\r\n\r\n",) * 3, "given_up", 3),
        ((SILENCE,) * 3, "given_up", 3),
    ],
    ids=["always broken", "gone", "no HTTP", "silent"],
)
async def test_a_webhook_ends(tmp_path: Path, answers: tuple[str, ...], outcome: str, requests: int) -> None:
    """After as many attempts as the settings say, or at once where the receiver wants no more."""
    timeout_s = 0.1 if SILENCE in answers else 10.0
    async with receiving(*answers) as receiver, sending(receiver, tmp_path, webhook_timeout_s=timeout_s) as one:
        one.send()
        await one.ended(outcome)
    assert receiver.requests.qsize() == requests


async def test_no_attempt_is_made_once_the_results_are_gone(tmp_path: Path) -> None:
    """A pause that would end later is not begun."""
    late: dict[str, Any] = {"webhook_retry_s": 1000.0, "clip_result_ttl_s": 1.0}
    async with receiving(BROKEN) as receiver, sending(receiver, tmp_path, **late) as one:
        one.send()
        await one.ended("given_up")
    assert receiver.requests.qsize() == 1


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Wherever it leads: it is an attempt that failed."""
    async with receiving() as other:
        away = f"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n"
        async with receiving(away, away, away) as receiver, sending(receiver, tmp_path) as one:
            one.send()
            await one.ended("given_up")
    assert other.requests.empty()


async def test_an_answer_without_end_is_not_read(tmp_path: Path) -> None:
    """Its status is all that counts."""
    endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    async with receiving(endless) as receiver, sending(receiver, tmp_path) as one:
        one.send()
        await one.ended("delivered")


async def test_a_proxy_of_the_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would connect to addresses that nobody checked."""
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with sending(receiver, tmp_path) as one:
            one.send()
            await one.ended("delivered")
    assert proxy.requests.empty()


async def test_secrets_change_without_a_restart(tmp_path: Path) -> None:
    """The next attempt is signed with what the file holds by then."""
    async with receiving() as receiver, sending(receiver, tmp_path) as one:
        secrets_file(tmp_path, f"elsewhere.example {SECRET}")
        one.send()
        await one.ended("given_up")  # no secret for this host
        assert receiver.requests.empty()
        secrets_file(tmp_path, f"127.0.0.1 {SECRET}")
        one.send()
        await one.ended("delivered")
    assert verified(receiver.requests.get_nowait()) == {"type": "clip.done"}


@pytest.mark.parametrize(("trusted", "outcome"), [(True, "delivered"), (False, "given_up")])
async def test_a_certificate_is_checked_for_the_name_while_the_address_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, outcome: str
) -> None:
    """It is of `localhost`, and the connection goes to the address that this stands for."""
    folders = [tmp_path / "ours", tmp_path / "another's"]
    for folder in folders:
        folder.mkdir()
    shown, other = map(make_certificate, folders)
    monkeypatch.setenv("SSL_CERT_FILE", str((shown if trusted else other).cert_file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown.cert_file, shown.key_file)
    async with (
        receiving(tls=context) as receiver,
        sending(receiver, tmp_path, f"https://localhost:{receiver.port}") as one,
    ):
        one.send()
        await one.ended(outcome)


async def test_a_name_that_stands_for_this_machine_is_never_connected_to(tmp_path: Path) -> None:
    """Where the operator lists it as a host outside."""
    async with receiving() as receiver:
        url = f"http://localhost:{receiver.port}"
        async with sending(receiver, tmp_path, url, webhook_hosts=(url,), webhook_inside_hosts=()) as one:
            one.send()
            await one.ended("given_up")
    assert receiver.requests.empty()


@pytest.mark.parametrize(
    ("answers", "outcome"), [((BROKEN,), "delivered"), ((BROKEN, BROKEN), "lost"), ((BROKEN, SILENCE), "lost")]
)
async def test_a_shutdown_gives_what_waits_one_more_attempt(
    tmp_path: Path, answers: tuple[str, ...], outcome: str
) -> None:
    """However long its pause had still to last; what is not taken then is counted as lost."""
    timeout_s = 0.2 if SILENCE in answers else 10.0
    async with receiving(*answers) as receiver:
        async with sending(receiver, tmp_path, webhook_retry_s=1000.0, webhook_timeout_s=timeout_s) as one:
            one.send()
            await until(lambda: one.count("failed") == 1)
        await one.ended(outcome)
    assert receiver.requests.qsize() == 2
