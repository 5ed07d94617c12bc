"""One attempt to send a webhook."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import httpx

from service.config import Settings
from service.webhooks.destination import Address, Destination
from service.webhooks.signing import BadSecrets, Secrets, signatures

GONE: Final = 410


class Outcome(StrEnum):
    """What became of a webhook, or of one attempt."""

    DELIVERED = "delivered"
    GONE = "gone"
    """The receiver wants no more of it (410)."""
    FAILED = "failed"
    """This attempt; another one may succeed."""
    GIVEN_UP = "given_up"
    """After the last attempt."""
    LOST = "lost"
    """The server ended before."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent; the id and the body are the same in every attempt."""

    id: str
    destination: Destination
    body: bytes


class Sender:
    """Sends signed messages.

    Args:
        http: see `open_http`.
        secrets_file: read anew for each attempt, so that secrets change without a restart.
        timeout_s: how long an attempt may take.
    """

    def __init__(self, http: httpx.AsyncClient, secrets_file: Path, timeout_s: float) -> None:
        self._http = http
        self._secrets_file = secrets_file
        self._timeout_s = timeout_s

    async def attempt(self, message: Message, number: int) -> tuple[Outcome, str]:
        """Try, for the `number`-th time from 0: DELIVERED, GONE or FAILED, and why, for the log."""
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._post(message, number)
        except TimeoutError:
            return Outcome.FAILED, f"no answer within {self._timeout_s:g} s"
        except (OSError, httpx.HTTPError, BadSecrets) as error:
            return Outcome.FAILED, f"{type(error).__name__}: {error}"
        if 200 <= status < 300:
            return Outcome.DELIVERED, str(status)
        return Outcome.GONE if status == GONE else Outcome.FAILED, str(status)

    async def _post(self, message: Message, number: int) -> int:
        secrets = (await asyncio.to_thread(Secrets.read, self._secrets_file)).of(message.destination.url.host)
        if not secrets:
            raise BadSecrets(f"{self._secrets_file}: no secret for {message.destination.url.host}")
        addresses = await message.destination.addresses()
        request = self._request(message, addresses[number % len(addresses)], secrets)
        # Nothing is read of the answer's body, whatever its length.
        response = await self._http.send(request, stream=True)
        await response.aclose()
        return response.status_code

    def _request(self, message: Message, address: Address, secrets: list[bytes]) -> httpx.Request:
        url, now = message.destination.url, int(time.time())
        headers = {
            "host": url.netloc.decode("ascii"),
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signatures(secrets, message.id, now, message.body),
        }
        # The certificate is that of the name, while the connection goes to the address that was checked.
        extensions: dict[str, Any] = {} if _is_address(url.host) else {"sni_hostname": url.host}
        pinned = url.copy_with(host=str(address))
        return self._http.build_request("POST", pinned, content=message.body, headers=headers, extensions=extensions)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def open_http(settings: Settings, connections: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client for webhooks: no proxy of the environment, no redirects, each connection used once.

    Used once, for its certificate was checked for one name, and others may be at the same address.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=0)
    timeout = httpx.Timeout(settings.webhook_timeout_s)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # It would log whole URLs.
    trust = ssl.create_default_context()  # The system's roots, or those of SSL_CERT_FILE.
    async with httpx.AsyncClient(
        limits=limits, timeout=timeout, verify=trust, trust_env=False, follow_redirects=False
    ) as http:
        yield http
