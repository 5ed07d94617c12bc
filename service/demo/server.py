"""The service as a process of its own, on free loopback ports."""

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 40.0
COMMAND = (sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
READY = re.compile(r"ready: HTTP on (?P<http>\S+), gRPC on (?P<grpc>\S+)")
LAST_LINES = 20


class ServerFailed(RuntimeError):
    """The service did not start; its last log lines are in the message."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service listens."""

    http_url: str
    grpc_target: str


@contextmanager
def running_service() -> Iterator[Address]:
    """Start the service, wait until /readyz says yes, and stop it however the block ends."""
    # Its log tells the ports: the kernel chose them.
    environment = os.environ | {"KINEPOSE_LOG_LEVEL": "INFO"}
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        address = _wait_for_address(process)
        httpx.get(f"{address.http_url}/readyz", timeout=START_TIMEOUT_S).raise_for_status()
        yield address
    finally:
        _stop(process)


def _wait_for_address(process: subprocess.Popen[str]) -> Address:
    log: deque[str] = deque(maxlen=LAST_LINES)
    found: list[Address] = []
    known = threading.Event()

    def read() -> None:
        # To the end, so that the service never blocks on a full pipe.
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                log.append(line)
                ready = READY.search(line)
                if ready:
                    found.append(Address(ready["http"], ready["grpc"]))
                    known.set()
        known.set()

    threading.Thread(target=read, name="service-log", daemon=True).start()
    in_time = known.wait(START_TIMEOUT_S)
    if found:
        return found[0]
    how = "ended" if in_time else f"was not ready after {START_TIMEOUT_S:.0f} s"
    raise ServerFailed(f"the service {how}:\n{''.join(log)}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
