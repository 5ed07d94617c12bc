"""Where webhooks may go: to origins that the operator lists, at addresses that are not of the inside.

What a client names is matched with the list when it asks. Which address the name stands for is looked up for each
attempt, checked, and connected to as it is: a name that stands for another address a moment later changes nothing.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx

from service.config import Settings
from service.errors import WebhookRefused

MOST_CHARACTERS: Final = 2048
PORTS: Final = {"https": 443, "http": 80}
NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class AddressRefused(OSError):
    """The host's name stands for an address that webhooks do not go to."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one webhook goes.

    Attributes:
        url: what the client gave; its path and query may hold secrets of the receiver.
        inside: whether the operator lets it be at a private, loopback or link-local address.
    """

    url: httpx.URL
    inside: bool

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be logged."""
        return _origin(self.url)

    async def addresses(self) -> list[Address]:
        """What the host's name stands for now. OSError where nothing; AddressRefused where one is not gone to."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.url.host, None, type=socket.SOCK_STREAM)
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        for address in addresses:
            if not (_usable(address) if self.inside else _public(address)):
                raise AddressRefused(f"{self.url.host} stands for {address}, where webhooks do not go")
        return addresses


class Destinations:
    """The operator's list."""

    def __init__(self, settings: Settings) -> None:
        self._inside = frozenset(settings.webhook_inside_hosts)
        self._all = self._inside | frozenset(settings.webhook_hosts)

    def __bool__(self) -> bool:
        return bool(self._all)

    def checked(self, text: str) -> Destination:
        """The destination that a client names. Raises WebhookRefused."""
        if not self._all:
            raise WebhookRefused("webhook: this server sends none (KINEPOSE_WEBHOOK_HOSTS)")
        url = _parsed(text)
        if url.scheme not in PORTS or not url.host or url.userinfo or url.fragment:
            raise WebhookRefused("webhook: expected https://HOST/PATH, without a user or a fragment")
        origin = _origin(url)
        if origin not in self._all:
            raise WebhookRefused(f"webhook: {origin[:200]} is not among the hosts that this server's operator lists")
        return Destination(url, inside=origin in self._inside)


def _parsed(text: str) -> httpx.URL:
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise WebhookRefused(f"webhook: not a URL of at most {MOST_CHARACTERS} characters") from None


def _origin(url: httpx.URL) -> str:
    """As the settings have it: with the port, also where it is the scheme's own."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}:{url.port or PORTS[url.scheme]}"


def _usable(address: Address) -> bool:
    address = _embedded(address)
    return not (address.is_multicast or address.is_unspecified)


def _public(address: Address) -> bool:
    address = _embedded(address)
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded(address: Address) -> Address:
    """The IPv4 address that packets to an IPv6 address may end at."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
