"""The clients that users hold: one face over HTTP and gRPC."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kinepose_client.calls import (
    Access,
    AsyncClipResults,
    ClipFile,
    ClipRequest,
    ClipResults,
    Picture,
    ProgressCallback,
)
from kinepose_client.cards import ModelCard
from kinepose_client.grpc_async import AsyncGrpcCalls
from kinepose_client.grpc_sync import GrpcCalls
from kinepose_client.http_async import AsyncHttpCalls
from kinepose_client.http_sync import HttpCalls
from kinepose_client.messages import FrameResult, ImageResult, SessionInfo, SessionOptions
from kinepose_client.values import Region

TIMEOUT_S = 60.0
NO_ADDRESS = "give http_url, grpc_target or both"
NO_GRPC = "streams go over gRPC: give grpc_target"
NO_HTTP = "pictures alone, and files of results, go over HTTP: give http_url"
NO_LOOP = "an AsyncClient is made and used inside a running event loop (in `async def`); without one, take Client"
OTHER_LOOP = "this AsyncClient was made in another event loop: make one in each loop"

StrPath = str | os.PathLike[str]


def _access(
    http_url: str | None,
    grpc_target: str | None,
    timeout_s: float,
    api_key: str | None,
    root_certificates: bytes | None,
    tls: bool | None,
) -> Access:
    if not http_url and not grpc_target:
        raise ValueError(NO_ADDRESS)
    if tls is None:
        tls = root_certificates is not None or (http_url or "").startswith("https:")
    return Access(timeout_s, api_key, root_certificates, tls)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(NO_LOOP) from None


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
        access = _access(http_url, grpc_target, timeout_s, api_key, root_certificates, tls)
        self._http = HttpCalls(http_url, access) if http_url else None
        self._grpc = GrpcCalls(grpc_target, access) if grpc_target else None

    @property
    def _calls(self) -> HttpCalls | GrpcCalls:
        calls = self._http or self._grpc
        assert calls is not None
        return calls

    @property
    def _over_http(self) -> HttpCalls:
        if self._http is None:
            raise ValueError(NO_HTTP)
        return self._http

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
        path: StrPath,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
        progress: ProgressCallback | None = None,
    ) -> ClipResults:
        """A whole clip. What the arguments mean is told in `ClipRequest`.

        `progress` is called for each piece of the file that was sent and for each result that came; over gRPC
        the former in another thread. What it raises ends the call and is raised here.
        """
        asked = ClipRequest(region, regions, model, strict, max_people)
        return ClipResults(self._calls.clip(ClipFile(path, progress), asked))

    def estimate_image(
        self,
        picture: bytes | StrPath,
        region: Region | None = None,
        model: str | None = None,
        *,
        regions: Sequence[Region] = (),
        max_people: int = 1,
    ) -> ImageResult:
        """Who is in a picture that belongs to no video: JPEG, PNG, WebP or BMP bytes, or a file of them. Over HTTP.

        What the other arguments mean is told in `ClipRequest`.
        """
        asked = ClipRequest(region, regions, model, max_people=max_people)
        image = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        return self._over_http.image(image, asked)

    def save_clip(
        self,
        path: StrPath,
        output: StrPath,
        format: str,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
        progress: ProgressCallback | None = None,
    ) -> None:
        """A whole clip, its results written to `output` as the server makes them: over HTTP, once the clip is done.

        Args:
            format: a name that docs/kinematics.md lists, such as "csv", "parquet", "coco" or "trc"; "mp4" is the
                clip with its people drawn.

        Else as `estimate_clip`. Where it fails there is no file, or the one that was there.
        """
        asked = ClipRequest(region, regions, model, strict, max_people, format)
        self._over_http.save_clip(ClipFile(path, progress), asked, Path(output))

    def models(self) -> list[ModelCard]:
        """Cards of the models that the server has."""
        return self._calls.models()


class AsyncClient:
    """As `Client`, to be awaited. Make it inside the event loop that uses it; a notebook's cells run in one.

    Raises RuntimeError outside an event loop, or in another one than it was made in.
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
        self._loop = _running_loop()
        access = _access(http_url, grpc_target, timeout_s, api_key, root_certificates, tls)
        self._http = AsyncHttpCalls(http_url, access) if http_url else None
        self._grpc = AsyncGrpcCalls(grpc_target, access) if grpc_target else None

    @property
    def _calls(self) -> AsyncHttpCalls | AsyncGrpcCalls:
        self._check_loop()
        calls = self._http or self._grpc
        assert calls is not None
        return calls

    @property
    def _over_http(self) -> AsyncHttpCalls:
        self._check_loop()
        if self._http is None:
            raise ValueError(NO_HTTP)
        return self._http

    def _check_loop(self) -> None:
        # Connections belong to their loop; grpc and httpx would fail far from here, or wait forever.
        if _running_loop() is not self._loop:
            raise RuntimeError(OTHER_LOOP)

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
        self._check_loop()
        if self._grpc is None:
            raise ValueError(NO_GRPC)
        return self._grpc.stream(pictures, session_id, options)

    def estimate_clip(
        self,
        path: StrPath,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
        progress: ProgressCallback | None = None,
    ) -> AsyncClipResults:
        """A whole clip. What the arguments mean is told in `ClipRequest`.

        `progress` is called for each piece of the file that was sent and for each result that came. What
        it raises ends the call and is raised here.
        """
        asked = ClipRequest(region, regions, model, strict, max_people)
        return AsyncClipResults(self._calls.clip(ClipFile(path, progress), asked))

    async def estimate_image(
        self,
        picture: bytes | StrPath,
        region: Region | None = None,
        model: str | None = None,
        *,
        regions: Sequence[Region] = (),
        max_people: int = 1,
    ) -> ImageResult:
        """Who is in a picture that belongs to no video: JPEG, PNG, WebP or BMP bytes, or a file of them. Over HTTP.

        What the other arguments mean is told in `ClipRequest`.
        """
        asked = ClipRequest(region, regions, model, max_people=max_people)
        image = picture if isinstance(picture, bytes) else await asyncio.to_thread(Path(picture).read_bytes)
        return await self._over_http.image(image, asked)

    async def save_clip(
        self,
        path: StrPath,
        output: StrPath,
        format: str,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
        progress: ProgressCallback | None = None,
    ) -> None:
        """A whole clip, its results written to `output` as the server makes them: over HTTP, once the clip is done.

        Args:
            format: a name that docs/kinematics.md lists, such as "csv", "parquet", "coco" or "trc"; "mp4" is the
                clip with its people drawn.

        Else as `estimate_clip`. Where it fails there is no file, or the one that was there.
        """
        asked = ClipRequest(region, regions, model, strict, max_people, format)
        await self._over_http.save_clip(ClipFile(path, progress), asked, Path(output))

    async def models(self) -> list[ModelCard]:
        """Cards of the models that the server has."""
        return await self._calls.models()
