"""Sessions side by side against a running server, each frame sent when it is due."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from websockets.exceptions import WebSocketException

from bench.footage import Footage
from bench.ledger import SessionLedger
from bench.pacing import Pacer, due_times
from bench.transports import Carrier, Transport, over_grpc, over_http, over_websocket
from kinepose_client import AsyncClient, Picture
from service.contract.messages import SessionOptions
from service.errors import KineposeError

HEAD_START_S = 0.1
"""Between the plan's making and its first frame."""
SESSIONS_A_CLIENT = 64
"""A client holds so many connections at most; a session that waited for one would be measured late."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes: sessions are dealt out over the addresses in turn.

    Attributes:
        addresses: gRPC targets for the transport `grpc`, base URLs otherwise; at least one.
        api_key: sent with every call, if any.
        root_certificates: PEM of who may vouch for the server; None takes this machine's.
        tls: whether gRPC is encrypted; for the others the URL says so.
    """

    transport: Transport
    addresses: tuple[str, ...]
    api_key: str | None = field(default=None, repr=False)
    root_certificates: bytes | None = field(default=None, repr=False)
    tls: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What says who is asking, over HTTP."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much load.

    Attributes:
        sessions: side by side.
        frames_per_s: of each session.
        seconds: how long each session sends.
        footage: sessions play these in turn; at least one.
        options: of every session.
        deadline_ms: of every frame, or None.
        patience_s: how long answers are waited for after the last frame was due.
    """

    sessions: int
    frames_per_s: float
    seconds: float
    footage: tuple[Footage, ...]
    options: SessionOptions = field(default_factory=SessionOptions)
    deadline_ms: int | None = None
    patience_s: float = 30.0


@dataclass(slots=True, eq=False)
class LoadRun:
    """What a run gave.

    Attributes:
        begin: when the first frame was due, seconds of `time.monotonic`.
        seconds: from then to the last answer.
        ledgers: one a session.
        lags: how late this process itself released each frame, seconds.
        cpu_s: processor time that this process used, seconds.
    """

    begin: float
    seconds: float
    ledgers: list[SessionLedger]
    lags: list[float]
    cpu_s: float


async def drive(target: Target, plan: Plan) -> LoadRun:
    """Run all sessions to their ends; one that breaks off is noted in its ledger, the others go on."""
    lags: list[float] = []
    frames = len(due_times(0.0, 0, plan.sessions, plan.frames_per_s, plan.seconds))
    footage = [one.pictures(frames, plan.frames_per_s, plan.deadline_ms) for one in plan.footage]
    async with Connections(target) as connections:
        carriers = [connections.carrier(index, plan.options) for index in range(plan.sessions)]
        cpu_begin, begin = time.process_time(), time.monotonic() + HEAD_START_S
        async with asyncio.TaskGroup() as group:
            tasks = []
            for index, carrier in enumerate(carriers):
                due = due_times(begin, index, plan.sessions, plan.frames_per_s, plan.seconds)
                session = run_session(carrier, due, footage[index % len(footage)], lags, plan.patience_s)
                tasks.append(group.create_task(session))
        end, cpu_end = time.monotonic(), time.process_time()
    return LoadRun(begin, end - begin, [task.result() for task in tasks], lags, cpu_end - cpu_begin)


async def run_session(
    carrier: Carrier,
    due: Sequence[float],
    pictures: Sequence[Picture],
    lags: list[float],
    patience_s: float,
) -> SessionLedger:
    """One session from its first due time until its last answer, or until it breaks off."""
    ledger = SessionLedger(planned=len(due))
    await fill_ledger(ledger, carrier, due, pictures, lags, patience_s)
    return ledger


async def fill_ledger(
    ledger: SessionLedger,
    carrier: Carrier,
    due: Sequence[float],
    pictures: Sequence[Picture],
    lags: list[float],
    patience_s: float,
) -> None:
    """As `run_session`; who cancels it keeps what is in the ledger so far."""
    await asyncio.sleep(max(0.0, due[0] - time.monotonic()))
    pacer = Pacer(due, pictures, lags)
    pacing = asyncio.create_task(pacer.run())
    try:
        async with asyncio.timeout_at(due[-1] + patience_s):  # the event loop's clock is time.monotonic
            await carrier(pacer.frames(), ledger)
    except TimeoutError:
        ledger.broke_off("no answer in time")
    except KineposeError as error:
        ledger.broke_off(error.code)
    except (OSError, WebSocketException) as error:  # Unreachable is an OSError, too
        ledger.broke_off(f"{type(error).__name__}: {error}")
    finally:
        pacing.cancel()
        await asyncio.gather(pacing, return_exceptions=True)


class Connections:
    """Clients of the target's addresses, opened as they are needed: `async with Connections(target) as connections`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._clients: dict[tuple[str, int], AsyncClient] = {}

    async def __aenter__(self) -> "Connections":
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    def carrier(self, index: int, options: SessionOptions) -> Carrier:
        """What carries session number `index`."""
        target = self._target
        address = target.addresses[index % len(target.addresses)]
        client = self._client(address, index // (len(target.addresses) * SESSIONS_A_CLIENT))
        if target.transport == "grpc":
            return over_grpc(client, options)
        if target.transport == "http":
            return over_http(client, options)
        return over_websocket(client, address, target.headers, options, self._context(address))

    def _context(self, address: str) -> ssl.SSLContext | None:
        """Who may vouch for the server of a WebSocket; None takes the default of its URL."""
        pem = self._target.root_certificates
        if pem is None or not address.startswith("https:"):
            return None
        return ssl.create_default_context(cadata=pem.decode("ascii"))

    def _client(self, address: str, number: int) -> AsyncClient:
        if (address, number) not in self._clients:
            self._clients[address, number] = self._open(address)
        return self._clients[address, number]

    def _open(self, address: str) -> AsyncClient:
        target = self._target
        is_grpc = target.transport == "grpc"
        return AsyncClient(
            None if is_grpc else address,
            address if is_grpc else None,
            api_key=target.api_key,
            root_certificates=target.root_certificates,
            tls=target.tls if is_grpc else None,
        )
