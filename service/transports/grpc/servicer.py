"""kinepose.v1.PoseService over gRPC, with health v1 and reflection. Runs in HTTP's event loop."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]

from kinepose_client import wire_json
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb import pose_pb2_grpc
from service.auth.api_keys import Caller
from service.clips.job import ClipJob
from service.clips.run import ClipOptions
from service.config import Settings
from service.contract import regions, wire
from service.contract.messages import EncodedFrame, SessionInfo
from service.errors import BadRequest, KineposeError, TooLarge, TooSlow
from service.transports import tls
from service.transports.grpc.interceptor import CallInterceptor, Context, current_caller, drain_requests
from service.transports.pace import Pace
from service.transports.services import Services

NAME = pb.DESCRIPTOR.services_by_name["PoseService"].full_name
# Room in a message for what is no picture.
OVERHEAD_BYTES = 64 * 1024
# How long calls that are over may take to send their last words.
LAST_WORDS_S = 2.0
# How long a client may go on sending a clip that is refused already.
DRAIN_REQUESTS_S = 10.0
# Clients may ping every 10 s, also while a stream is quiet or none is open; grpc's own minimum of 5 minutes would end
# their connection (too_many_pings).
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 60_000),  # a peer that does not answer a ping is gone
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),  # without a call; clients connect anew by themselves
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)
# What a stream may send before anybody reads it; grpc's own measure of the line gives megabytes to each.
WINDOWS = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 512 * 1024),
    ("grpc.max_concurrent_streams", 1024),
)
SESSION_HEADER = "kinepose-session-id"


def _deadline(context: Context) -> float | None:
    remaining = cast("float | None", context.time_remaining())  # its stub forgets the None
    return None if remaining is None else _now() + remaining


def _now() -> float:
    return asyncio.get_running_loop().time()


def _frame(message: pb.Frame, session_id: str, next_seq: int, deadline: float | None) -> EncodedFrame:
    seq = message.seq if message.HasField("seq") else next_seq
    try:
        return wire.frame_from_pb(message, session_id, seq, _now(), deadline)
    except KineposeError as error:
        return EncodedFrame(session_id, seq, b"", fault=error)


class PoseService(pose_pb2_grpc.PoseServiceServicer):
    """The service of proto/kinepose/v1/pose.proto; the contract is documented there."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pipeline = services.pipeline

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.Session:
        options = wire.options_from_pb(request.options)
        return wire.session_to_pb(await self._pipeline.sessions.create(options, caller=current_caller()))

    async def GetSession(self, request: pb.GetSessionRequest, context: Context) -> pb.Session:
        session = await self._pipeline.sessions.info(request.session_id, caller=current_caller())
        return wire.session_to_pb(session)

    async def CloseSession(self, request: pb.CloseSessionRequest, context: Context) -> pb.Session:
        session = await self._pipeline.sessions.close(request.session_id, caller=current_caller())
        return wire.session_to_pb(session)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        cards = [wire.card_to_pb(self._pipeline.card)]
        return pb.ListModelsResponse(models=cards, default_model=self._pipeline.card.name)

    async def EstimateFrame(self, request: pb.Frame, context: Context) -> pb.PoseResult:
        caller, session_id, seq = current_caller(), request.session_id, request.seq
        if not request.HasField("seq"):
            seq = (await self._pipeline.sessions.info(session_id, caller=caller)).next_seq
        frame = wire.frame_from_pb(request, session_id, seq, _now(), _deadline(context))
        with self._pipeline.incoming.holding(caller) as held:
            held.add(len(frame.image))
            return wire.result_to_pb(await self._pipeline.frames.estimate(frame, transport="grpc", caller=caller))

    # -- streams ------------------------------------------------------------------------------------------

    # Coroutines that write, where the stubs expect generators: grpcio does not close a generator whose call is
    # cancelled between two messages, and the work behind it would go on.

    async def StreamPose(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.Frame], context: Context
    ) -> None:
        caller = current_caller()
        first = await anext(aiter(request_iterator), None)
        if first is None:
            return
        session = await self._session_of(first, caller)
        await context.send_initial_metadata(((SESSION_HEADER, session.session_id),))
        incoming = self._frames(first, request_iterator, session, _deadline(context))
        policy = session.options.drop_policy
        stream = self._pipeline.frames.stream(session.session_id, incoming, policy, caller=caller)
        async with aclosing(stream) as results:
            async for result in results:
                await self._write(context, wire.result_to_pb(result))
        if not first.session_id:
            await self._pipeline.sessions.close(session.session_id, caller=caller)

    async def _session_of(self, first: pb.Frame, caller: Caller) -> SessionInfo:
        self._services.lifecycle.check_serving()
        if not first.session_id:
            return await self._pipeline.sessions.create(wire.options_from_pb(first.options), caller=caller)
        if first.HasField("options"):
            raise BadRequest("options: the session exists; they are given when it is created")
        return await self._pipeline.sessions.info(first.session_id, caller=caller)

    async def _frames(
        self,
        first: pb.Frame,
        others: AsyncIterator[pb.Frame],
        session: SessionInfo,
        deadline: float | None,
    ) -> AsyncIterator[EncodedFrame]:
        frame = _frame(first, session.session_id, session.next_seq, deadline)
        yield frame
        async for message in others:
            frame = _frame(message, session.session_id, frame.seq + 1, deadline)
            yield frame

    # -- clips --------------------------------------------------------------------------------------------

    async def EstimateClip(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.Chunk], context: Context
    ) -> None:
        jobs = self._services.jobs
        async with drain_requests(request_iterator, DRAIN_REQUESTS_S), jobs.scratch(current_caller()) as job:
            await self._receive(request_iterator, job)
            async with aclosing(jobs.lines(job)) as lines:
                async for line in lines:
                    await self._write(context, wire.result_to_pb(wire_json.result_from_json(json.loads(line))))
            assert job.info is not None
            await self._write(context, pb.PoseResult(clip=wire.clip_to_pb(job.info)))

    async def _receive(self, chunks: AsyncIterator[pb.Chunk], job: ClipJob) -> None:
        jobs, limit, pace = (
            self._services.jobs,
            self._services.settings.max_body_bytes,
            Pace.of(self._services.settings),
        )
        received = 0
        async with jobs.upload(job) as file:
            while (chunk := await pace.wait(anext(chunks, None))) is not None:
                if chunk.HasField("options"):
                    if received:
                        raise BadRequest("options: only the first chunk carries them")
                    job.options = _clip_options(chunk.options)
                received += len(chunk.data)
                if received > limit:
                    raise TooLarge.body(limit)
                pace.came(len(chunk.data))
                jobs.grow(job, len(chunk.data))
                await jobs.storage.write(file, chunk.data)

    async def _write(self, context: Context, message: pb.PoseResult) -> None:
        """Send an answer to a client who reads. Raises TooSlow."""
        seconds = self._services.settings.send_timeout_s
        try:
            async with asyncio.timeout(seconds):
                await context.write(message)
        except TimeoutError as error:
            raise TooSlow(f"the client read nothing for {seconds:g} s") from error


def _clip_options(message: pb.ClipOptions) -> ClipOptions:
    return ClipOptions(
        model=message.model or None,
        regions=regions.from_pb(message),
        strict=message.strict,
        max_people=wire.max_people_from_pb(message),
    )


class HealthService(health.aio.HealthServicer):  # type: ignore[misc]
    """Health v1: a check of the server or of PoseService asks the pipeline, which runs a forward pass."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """SERVING where a forward pass succeeds and the server is not draining."""
        if request.service in ("", NAME):
            await self.refresh()
        return await super().Check(request, context)

    async def refresh(self) -> None:
        """Set the status that checks and watchers see. Once draining, it stays NOT_SERVING."""
        states = health_pb2.HealthCheckResponse
        ready = await self._services.lifecycle.ready()
        for name in ("", NAME):
            await self.set(name, states.SERVING if ready else states.NOT_SERVING)


def _listen(server: grpc.aio.Server, settings: Settings) -> int:
    address, credentials = settings.address(settings.grpc_port), tls.for_grpc(settings)
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise OSError(f"cannot listen for gRPC on {address}") from error


@asynccontextmanager
async def serving(services: Services) -> AsyncIterator[tuple[int, HealthService]]:
    """Runs the gRPC server; yields its port and its health. OSError where the port is taken."""
    settings = services.settings
    options = [
        ("grpc.max_receive_message_length", settings.max_image_bytes + OVERHEAD_BYTES),
        ("grpc.so_reuseport", 0),
        ("grpc.server_handshake_timeout_ms", round(1000 * settings.http_head_timeout_s)),
        *KEEPALIVE,
        *WINDOWS,
    ]
    server = grpc.aio.server(options=options, interceptors=[CallInterceptor(services.keys, services.calls)])
    pose_pb2_grpc.add_PoseServiceServicer_to_server(PoseService(services), server)
    health_service = HealthService(services)
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    reflection.enable_server_reflection((NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = _listen(server, settings)
    await health_service.refresh()
    await server.start()
    try:
        yield port, health_service
    finally:
        await health_service.enter_graceful_shutdown()
        await server.stop(LAST_WORDS_S)
