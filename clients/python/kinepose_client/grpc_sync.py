"""Calls over gRPC that block."""

from collections.abc import Generator, Iterable, Iterator

import grpc

from kinepose_client import grpc_form, wire_pb
from kinepose_client.calls import Access, ClipAnswers, ClipFile, ClipRequest, Picture
from kinepose_client.cards import ModelCard
from kinepose_client.messages import FrameResult, SessionInfo, SessionOptions
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub


class GrpcCalls:
    """The gRPC interface of one server, over one channel."""

    def __init__(self, target: str, access: Access) -> None:
        credentials = grpc_form.credentials(access)
        if credentials is None:
            self._channel = grpc.insecure_channel(target, grpc_form.CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, credentials, grpc_form.CHANNEL_OPTIONS)
        self._stub = PoseServiceStub(self._channel)
        self._metadata = grpc_form.metadata(access)
        self._timeout_s = access.timeout_s

    def close(self) -> None:
        """Close the channel; calls under way end."""
        self._channel.close()

    def create_session(self, options: SessionOptions) -> SessionInfo:
        """PoseService.CreateSession."""
        request = pb.CreateSessionRequest(options=wire_pb.options_to_pb(options))
        with grpc_form.typed_errors():
            return wire_pb.session_from_pb(
                self._stub.CreateSession(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    def session(self, session_id: str) -> SessionInfo:
        """PoseService.GetSession."""
        request = pb.GetSessionRequest(session_id=session_id)
        with grpc_form.typed_errors():
            return wire_pb.session_from_pb(
                self._stub.GetSession(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    def close_session(self, session_id: str) -> SessionInfo:
        """PoseService.CloseSession."""
        request = pb.CloseSessionRequest(session_id=session_id)
        with grpc_form.typed_errors():
            return wire_pb.session_from_pb(
                self._stub.CloseSession(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """PoseService.EstimateFrame."""
        request = grpc_form.frame(picture, session_id)
        with grpc_form.typed_errors():
            return wire_pb.result_from_pb(
                self._stub.EstimateFrame(request, timeout=self._timeout_s, metadata=self._metadata)
            )

    def models(self) -> list[ModelCard]:
        """PoseService.ListModels."""
        with grpc_form.typed_errors():
            listed = self._stub.ListModels(pb.ListModelsRequest(), timeout=self._timeout_s, metadata=self._metadata)
        return [wire_pb.card_from_pb(card) for card in listed.models]

    def stream(
        self, pictures: Iterable[Picture], session_id: str | None, options: SessionOptions | None
    ) -> Generator[FrameResult, None, None]:
        """PoseService.StreamPose. `pictures` are taken in a thread of grpc's."""
        feed = _Feed(pictures, grpc_form.Opening(session_id, options))
        call = self._stub.StreamPose(iter(feed), metadata=self._metadata)
        try:
            with grpc_form.typed_errors():
                for message in call:
                    yield wire_pb.result_from_pb(message)
        finally:
            call.cancel()
        feed.raise_failure()

    def clip(self, file: ClipFile, asked: ClipRequest) -> ClipAnswers:
        """PoseService.EstimateClip. The file is read, and its progress reported, in a thread of grpc's, too."""
        file.measure()  # a missing file is reported here: grpc would only log it
        upload = grpc_form.Upload()
        chunks = _chunks(file, grpc_form.clip_options(asked), upload)
        call = self._stub.EstimateClip(chunks, metadata=self._metadata)
        upload.started(call)
        try:
            with upload.failures(), grpc_form.typed_errors():
                for message in call:
                    answer = grpc_form.clip_answer(message)
                    file.answered(answer)
                    yield answer
        finally:
            call.cancel()


class _Feed:
    """Messages of pictures. If the pictures fail, the stream ends in order first: sent frames get their results."""

    def __init__(self, pictures: Iterable[Picture], opening: grpc_form.Opening) -> None:
        self._pictures = pictures
        self._opening = opening
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[pb.Frame]:
        try:
            for picture in self._pictures:
                yield self._opening.frame(picture)
        except Exception as failure:  # raised again in the thread that reads the results
            self._failure = failure

    def raise_failure(self) -> None:
        """What the pictures raised, if they did."""
        if self._failure is not None:
            raise self._failure


def _chunks(file: ClipFile, first: pb.Chunk, upload: grpc_form.Upload) -> Iterator[pb.Chunk]:
    try:
        yield first
        for piece in file.pieces():
            yield pb.Chunk(data=piece)
    except Exception as failure:  # raised again in the thread that reads the results
        upload.fail(failure)
