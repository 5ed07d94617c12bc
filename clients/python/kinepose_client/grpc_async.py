"""Calls over gRPC that await."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

import grpc

from kinepose_client import grpc_form, wire_pb
from kinepose_client.calls import Access, AsyncClipAnswers, ClipFile, ClipRequest, Picture
from kinepose_client.cards import ModelCard
from kinepose_client.messages import FrameResult, SessionInfo, SessionOptions
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub


class AsyncGrpcCalls:
    """The gRPC interface of one server, over one channel. Belongs to one event loop."""

    def __init__(self, target: str, access: Access) -> None:
        credentials = grpc_form.credentials(access)
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, grpc_form.CHANNEL_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, grpc_form.CHANNEL_OPTIONS)
        self._stub = PoseServiceStub(self._channel)
        self._metadata = grpc_form.metadata(access)
        self._timeout_s = access.timeout_s

    async def aclose(self) -> None:
        """Close the channel; calls under way end."""
        await self._channel.close()

    async def create_session(self, options: SessionOptions) -> SessionInfo:
        """PoseService.CreateSession."""
        request = pb.CreateSessionRequest(options=wire_pb.options_to_pb(options))
        with grpc_form.typed_errors():
            return wire_pb.session_from_pb(
                await self._stub.CreateSession(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    async def session(self, session_id: str) -> SessionInfo:
        """PoseService.GetSession."""
        request = pb.GetSessionRequest(session_id=session_id)
        with grpc_form.typed_errors():
            return wire_pb.session_from_pb(
                await self._stub.GetSession(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    async def close_session(self, session_id: str) -> SessionInfo:
        """PoseService.CloseSession."""
        request = pb.CloseSessionRequest(session_id=session_id)
        with grpc_form.typed_errors():
            return wire_pb.session_from_pb(
                await self._stub.CloseSession(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    async def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """PoseService.EstimateFrame."""
        request = grpc_form.frame(picture, session_id)
        with grpc_form.typed_errors():
            return wire_pb.result_from_pb(
                await self._stub.EstimateFrame(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    async def models(self) -> list[ModelCard]:
        """PoseService.ListModels."""
        with grpc_form.typed_errors():
            listed = await self._stub.ListModels(
                pb.ListModelsRequest(), timeout=self._timeout_s, metadata=self._metadata
            )
        return [wire_pb.card_from_pb(card) for card in listed.models]

    async def stream(
        self, pictures: AsyncIterable[Picture], session_id: str | None, options: SessionOptions | None
    ) -> AsyncGenerator[FrameResult, None]:
        """PoseService.StreamPose."""
        feed = _Feed(pictures, grpc_form.Opening(session_id, options))
        call = self._stub.StreamPose(aiter(feed), metadata=self._metadata)
        try:
            with grpc_form.typed_errors():
                async for message in call:
                    yield wire_pb.result_from_pb(message)
        finally:
            call.cancel()
        feed.raise_failure()

    async def clip(self, file: ClipFile, asked: ClipRequest) -> AsyncClipAnswers:
        """PoseService.EstimateClip."""
        await asyncio.to_thread(file.measure)  # a missing file is reported here: grpc would only log it
        upload = grpc_form.Upload()
        chunks = _chunks(file, grpc_form.clip_options(asked), upload)
        call = self._stub.EstimateClip(chunks, metadata=self._metadata)
        upload.started(call)
        try:
            with upload.failures(), grpc_form.typed_errors():
                async for message in call:
                    answer = grpc_form.clip_answer(message)
                    file.answered(answer)
                    yield answer
        finally:
            call.cancel()


class _Feed:
    """Messages of pictures. If the pictures fail, the stream ends in order first: sent frames get their results."""

    def __init__(self, pictures: AsyncIterable[Picture], opening: grpc_form.Opening) -> None:
        self._pictures = pictures
        self._opening = opening
        self._failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[pb.Frame]:
        try:
            async for picture in self._pictures:
                yield self._opening.frame(picture)
        except Exception as failure:  # raised again by the task that reads the results
            self._failure = failure

    def raise_failure(self) -> None:
        """What the pictures raised, if they did."""
        if self._failure is not None:
            raise self._failure


async def _chunks(file: ClipFile, first: pb.Chunk, upload: grpc_form.Upload) -> AsyncIterator[pb.Chunk]:
    try:
        yield first
        async for piece in file.async_pieces():
            yield pb.Chunk(data=piece)
    except Exception as failure:  # raised again by the task that reads the results
        upload.fail(failure)
