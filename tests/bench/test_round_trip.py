"""The measurement of an answer that computes nothing."""

from pathlib import Path

from bench.round_trip import measure
from tests.support.server import free_ports
from tests.support.weights import save_random_lite


async def test_every_transport_is_measured_against_a_bare_socket(tmp_path: Path) -> None:
    """In one run, each with its ratio."""
    report = await measure(free_ports(save_random_lite(tmp_path)), count=2)

    assert set(report["transports"]) == {"http", "websocket", "grpc"}
    assert all(found["ratio"] == found["ms"] / report["bare_socket_ms"] for found in report["transports"].values())
