"""The client that is awaited: one face over HTTP and gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kinepose_client.calls import AsyncClipResults, ClipFile, ClipRequest, Picture, ProgressCallback
from kinepose_client.cards import ModelCard
from kinepose_client.client import NO_GRPC, NO_HTTP, TIMEOUT_S, StrPath, access_of
from kinepose_client.grpc_async import AsyncGrpcCalls
from kinepose_client.http_async import AsyncHttpCalls
from kinepose_client.messages import ClipJob, FrameResult, ImageResult, SessionInfo, SessionOptions
from kinepose_client.values import Region

NO_LOOP = "an AsyncClient is made and used inside a running event loop (in `async def`); without one, take Client"
OTHER_LOOP = "this AsyncClient was made in another event loop: make one in each loop"


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(NO_LOOP) from None


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
        access = access_of(http_url, grpc_target, timeout_s, api_key, root_certificates, tls)
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
        smoothing: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """A whole clip, its results written to `output` as the server makes them: over HTTP, once the clip is done.

        Args:
            format: a name that docs/kinematics.md lists, such as "csv", "parquet", "coco" or "trc"; "mp4" is the
                clip with its people drawn.
            smoothing: "one_euro", "butterworth" or "savgol": smooth joints beside the raw ones.

        Else as `estimate_clip`. Where it fails there is no file, or the one that was there.
        """
        asked = ClipRequest(region, regions, model, strict, max_people, format, smoothing)
        await self._over_http.save_clip(ClipFile(path, progress), asked, Path(output))

    async def start_clip(
        self,
        path: StrPath,
        region: Region | None = None,
        model: str | None = None,
        *,
        strict: bool = False,
        regions: Sequence[Region] = (),
        max_people: int = 1,
        webhook: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> ClipJob:
        """Have a whole clip read in the background. Over HTTP; returns once the server has the file.

        Args:
            webhook: a URL that is told when it has finished, on a host that the server's operator lists for that.

        Else as `estimate_clip`.
        """
        asked = ClipRequest(region, regions, model, strict, max_people, webhook=webhook)
        return await self._over_http.start_clip(ClipFile(path, progress), asked)

    async def job(self, job_id: str) -> ClipJob:
        """How far a clip in the background is. Raises ClipUnknown where it is kept no more."""
        return await self._over_http.job(job_id)

    async def save_results(self, job_id: str, output: StrPath, format: str, smoothing: str | None = None) -> None:
        """The results of a job that is done, in a file as `save_clip` makes it.

        Raises what the clip failed with; ValueError while it is still worked on.
        """
        await self._over_http.save_results(job_id, Path(output), format, smoothing)

    async def delete_job(self, job_id: str) -> None:
        """Stop a job, and clear its files away."""
        await self._over_http.delete_job(job_id)

    async def models(self) -> list[ModelCard]:
        """Cards of the models that the server has."""
        return await self._calls.models()
