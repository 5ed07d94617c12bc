"""The clients that users hold: one face over HTTP and gRPC."""

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from model.cards import ModelCard
from model.values import Region
from service.client.calls import Access, AsyncClipResults, ClipRequest, ClipResults, Picture
from service.client.grpc_async import AsyncGrpcCalls
from service.client.grpc_sync import GrpcCalls
from service.client.http_async import AsyncHttpCalls
from service.client.http_sync import HttpCalls
from service.contract.messages import FrameResult, SessionInfo, SessionOptions

TIMEOUT_S = 60.0
NO_ADDRESS = "give http_url, grpc_target or both"
NO_GRPC = "streams go over gRPC: give grpc_target"


class Client:
    """A client that blocks. Calls go over HTTP where there is an http_url, streams always over gRPC.

    Args:
        http_url: such as "http://127.0.0.1:8000".
        grpc_target: such as "127.0.0.1:50051".
        timeout_s: how long a call that answers at once may take; streams and clips take what they take.
        api_key: sent with every call, where the server wants one.
        root_certificates: PEM of who may vouch for the server, for https and gRPC; None takes this machine's.
        tls: whether gRPC is encrypted; None: where http_url is https, or root_certificates are given.

    Every call raises the classes of `service.errors` that the server tells, and Unreachable.
    """

    def __init__(
        self,
        http_url: str | None = None,
        grpc_target: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        api_key: str | None = None,
        root_certificates: bytes | None = None,
        tls: bool | None = None,
    ) -> None:
        if not http_url and not grpc_target:
            raise ValueError(NO_ADDRESS)
        if tls is None:
            tls = root_certificates is not None or (http_url or "").startswith("https:")
        access = Access(timeout_s, api_key, root_certificates, tls)
        self._http = HttpCalls(http_url, access) if http_url else None
        self._grpc = GrpcCalls(grpc_target, access) if grpc_target else None

    @property
    def _calls(self) -> HttpCalls | GrpcCalls:
        calls = self._http or self._grpc
        assert calls is not None
        return calls

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for calls in (self._http, self._grpc):
            if calls is not None:
                calls.close()

    def create_session(self, options: SessionOptions | None = None) -> SessionInfo:
        """Open a session: people, as many as `options.max_people`, followed through one video."""
        return self._calls.create_session(options or SessionOptions())

    def session(self, session_id: str) -> SessionInfo:
        """What a session expects next."""
        return self._calls.session(session_id)

    def close_session(self, session_id: str) -> SessionInfo:
        """End a session; answers with what it was."""
        return self._calls.close_session(session_id)

    def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """One frame of a session. A frame sent again gets the stored answer."""
        return self._calls.send_frame(session_id, picture)

    def stream(
        self,
        pictures: Iterable[Picture],
        session_id: str | None = None,
        options: SessionOptions | None = None,
    ) -> Generator[FrameResult, None, None]:
        """One result for every picture, in order, while pictures still come. An error of one frame is its outcome.

        Without session_id the stream opens a session with `options`, and closes it at its end. `pictures` are
        taken from another thread. What they raise is raised here, after the results of the frames before.
        """
        if self._grpc is None:
            raise ValueError(NO_GRPC)
        return self._grpc.stream(pictures, session_id, options)

    def estimate_clip(
        self,
        path: Path,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
    ) -> ClipResults:
        """A whole clip. What the arguments mean is told in `ClipRequest`."""
        return ClipResults(self._calls.clip(path, ClipRequest(region, regions, model, strict, max_people)))

    def models(self) -> list[ModelCard]:
        """Cards of the models that the server has."""
        return self._calls.models()


class AsyncClient:
    """As `Client`, to be awaited. Make it inside the event loop that uses it."""

    def __init__(
        self,
        http_url: str | None = None,
        grpc_target: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        api_key: str | None = None,
        root_certificates: bytes | None = None,
        tls: bool | None = None,
    ) -> None:
        if not http_url and not grpc_target:
            raise ValueError(NO_ADDRESS)
        if tls is None:
            tls = root_certificates is not None or (http_url or "").startswith("https:")
        access = Access(timeout_s, api_key, root_certificates, tls)
        self._http = AsyncHttpCalls(http_url, access) if http_url else None
        self._grpc = AsyncGrpcCalls(grpc_target, access) if grpc_target else None

    @property
    def _calls(self) -> AsyncHttpCalls | AsyncGrpcCalls:
        calls = self._http or self._grpc
        assert calls is not None
        return calls

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for calls in (self._http, self._grpc):
            if calls is not None:
                await calls.aclose()

    async def create_session(self, options: SessionOptions | None = None) -> SessionInfo:
        """Open a session: people, as many as `options.max_people`, followed through one video."""
        return await self._calls.create_session(options or SessionOptions())

    async def session(self, session_id: str) -> SessionInfo:
        """What a session expects next."""
        return await self._calls.session(session_id)

    async def close_session(self, session_id: str) -> SessionInfo:
        """End a session; answers with what it was."""
        return await self._calls.close_session(session_id)

    async def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """One frame of a session. A frame sent again gets the stored answer."""
        return await self._calls.send_frame(session_id, picture)

    def stream(
        self,
        pictures: AsyncIterable[Picture],
        session_id: str | None = None,
        options: SessionOptions | None = None,
    ) -> AsyncGenerator[FrameResult, None]:
        """One result for every picture, in order, while pictures still come. An error of one frame is its outcome.

        Without session_id the stream opens a session with `options`, and closes it at its end. What `pictures`
        raise is raised here, after the results of the frames before.
        """
        if self._grpc is None:
            raise ValueError(NO_GRPC)
        return self._grpc.stream(pictures, session_id, options)

    def estimate_clip(
        self,
        path: Path,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
    ) -> AsyncClipResults:
        """A whole clip. What the arguments mean is told in `ClipRequest`."""
        return AsyncClipResults(self._calls.clip(path, ClipRequest(region, regions, model, strict, max_people)))

    async def models(self) -> list[ModelCard]:
        """Cards of the models that the server has."""
        return await self._calls.models()
