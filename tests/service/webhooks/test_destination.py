"""Where webhooks may go."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.config import Settings
from service.errors import WebhookRefused
from service.webhooks.destination import AddressRefused, Destinations, _public, _usable


def listed(*hosts: str, inside: tuple[str, ...] = ()) -> Destinations:
    """The destinations of a server with these settings."""
    return Destinations(Settings(webhook_hosts=hosts, webhook_inside_hosts=inside, webhook_secrets_file=Path("x")))


@pytest.mark.parametrize("entry", ["hooks.example.com", "https://hooks.example.com", "HOOKS.example.com:443"])
@pytest.mark.parametrize("url", ["https://hooks.example.com/a?b=c", "https://Hooks.Example.com:443/a"])
def test_a_listed_host_is_taken_however_it_is_written(entry: str, url: str) -> None:
    """Without a scheme it is https, and without a port the scheme's own."""
    destination = listed(entry).checked(url)
    assert (destination.origin, destination.inside) == ("https://hooks.example.com:443", False)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://evil.example/hooks.example.com",
        "https://hooks.example.com.evil.example/",
        "https://hooks.example.com@evil.example/",
        "https://user@hooks.example.com/",
        "https://evil.example\\@hooks.example.com/",
        "https://hooks.example.com/#a",
        "https:///a",
        "file:///etc/passwd",
        "ftp://hooks.example.com/",
        "hooks.example.com",
        "https://hooks.example.com/\r\nx: y",
        "https://[::1/",
        "https://hooks.example.com/" + "a" * 2048,
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    """Also what only looks like it."""
    with pytest.raises(WebhookRefused):
        listed("hooks.example.com").checked(url)


def test_without_a_list_there_are_none() -> None:
    """And the error names the setting."""
    with pytest.raises(WebhookRefused, match="KINEPOSE_WEBHOOK_HOSTS"):
        Destinations(Settings()).checked("https://hooks.example.com/")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_addresses_of_the_inside_are_not_public(address: str) -> None:
    """Also where they are written into one of IPv6."""
    assert not _public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_other_addresses_are(address: str) -> None:
    """Of both families."""
    assert _public(ip_address(address))


def test_a_host_of_the_inside_may_be_anywhere_but_nowhere_and_everywhere() -> None:
    """Loopback and private addresses; not multicast."""
    assert _usable(ip_address("127.0.0.1"))
    assert _usable(ip_address("10.0.0.1"))
    assert not _usable(ip_address("224.0.0.1"))
    assert not _usable(ip_address("0.0.0.0"))


async def test_a_name_is_looked_up_and_refused_where_it_stands_for_this_machine() -> None:
    """Unless the operator lists it as one of the inside."""
    outside, inside = listed("localhost"), listed(inside=("localhost",))
    with pytest.raises(AddressRefused, match="localhost stands for"):
        await outside.checked("https://localhost/").addresses()
    assert all(address.is_loopback for address in await inside.checked("https://localhost/").addresses())


@pytest.mark.parametrize("host", ["", "*", "https://*.example.com", "https://a.example/path", "ftp://a.example", "a@b"])
def test_a_setting_that_is_no_host_fails_the_start(host: str) -> None:
    """With the name of the setting."""
    with pytest.raises(ValidationError, match="webhook_hosts"):
        Settings(webhook_hosts=(host,), webhook_secrets_file=Path("x"))


def test_hosts_without_secrets_fail_the_start() -> None:
    """There are no unsigned webhooks."""
    with pytest.raises(ValidationError, match="webhook_secrets_file"):
        Settings(webhook_hosts=("a.example",))
