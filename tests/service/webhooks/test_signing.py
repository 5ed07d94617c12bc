"""Signatures of webhooks, and the file of their secrets."""

import base64
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook  # an implementation of others

from service.webhooks.signing import BadSecrets, Secrets, signatures
from tests.support.receiver import OTHER_SECRET, SECRET, secrets_file


def test_a_signature_is_that_of_the_scheme() -> None:
    """The example that the scheme's authors give with their libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signatures([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
def test_each_secret_of_a_rotation_verifies_the_message(tmp_path: Path, known: str) -> None:
    """A receiver may have the old one or the new one."""
    secrets = Secrets.read(secrets_file(tmp_path, SECRET, OTHER_SECRET)).of("hooks.example.com")
    now = int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": signatures(secrets, "msg_1", now, b"{}"),
    }
    assert Webhook(known).verify(b"{}", headers) == {}


def test_a_host_has_its_own_secrets_or_those_for_all(tmp_path: Path) -> None:
    """Who knows one host's secret cannot sign for another host."""
    secrets = Secrets.read(secrets_file(tmp_path, SECRET, f"B.example {OTHER_SECRET}"))
    assert secrets.of("a.example") == [bytes(range(32))]
    assert secrets.of("b.example") == [bytes(range(32, 64))]


@pytest.mark.parametrize(
    "line",
    ["bare", "whsec_", "whsec_AAAA", f"whsec_{base64.b64encode(bytes(65)).decode()}", f"a b {SECRET}", "whsec_é"],
)
def test_a_line_that_is_no_secret_is_refused_without_being_quoted(tmp_path: Path, line: str) -> None:
    """By its number."""
    with pytest.raises(BadSecrets, match=r"line 2: expected") as refused:
        Secrets.read(secrets_file(tmp_path, line))
    assert line not in str(refused.value) or line == "whsec_"  # which is told


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(BadSecrets, match="missing: No such file"):
        Secrets.read(tmp_path / "missing")
