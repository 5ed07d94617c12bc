"""The client that blocks: one face over HTTP and gRPC."""

import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kinepose_client.calls import Access, ClipFile, ClipRequest, ClipResults, Picture, ProgressCallback
from kinepose_client.cards import ModelCard
from kinepose_client.grpc_sync import GrpcCalls
from kinepose_client.http_sync import HttpCalls
from kinepose_client.messages import ClipJob, FrameResult, ImageResult, SessionInfo, SessionOptions
from kinepose_client.values import Region

TIMEOUT_S = 60.0
NO_ADDRESS = "give http_url, grpc_target or both"
NO_GRPC = "streams go over gRPC: give grpc_target"
NO_HTTP = "pictures alone, and files of results, go over HTTP: give http_url"

StrPath = str | os.PathLike[str]


def access_of(
    http_url: str | None,
    grpc_target: str | None,
    timeout_s: float,
    api_key: str | None,
    root_certificates: bytes | None,
    tls: bool | None,
) -> Access:
    """How a client with these arguments gets in. Raises ValueError where they lead nowhere."""
    if not http_url and not grpc_target:
        raise ValueError(NO_ADDRESS)
    if tls is None:
        tls = root_certificates is not None or (http_url or "").startswith("https:")
    return Access(timeout_s, api_key, root_certificates, tls)


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
        access = access_of(http_url, grpc_target, timeout_s, api_key, root_certificates, tls)
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
        self._over_http.save_clip(ClipFile(path, progress), asked, Path(output))

    def start_clip(
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
        return self._over_http.start_clip(ClipFile(path, progress), asked)

    def job(self, job_id: str) -> ClipJob:
        """How far a clip in the background is. Raises ClipUnknown where it is kept no more."""
        return self._over_http.job(job_id)

    def save_results(self, job_id: str, output: StrPath, format: str, smoothing: str | None = None) -> None:
        """The results of a job that is done, in a file as `save_clip` makes it.

        Raises what the clip failed with; ValueError while it is still worked on.
        """
        self._over_http.save_results(job_id, Path(output), format, smoothing)

    def delete_job(self, job_id: str) -> None:
        """Stop a job, and clear its files away."""
        self._over_http.delete_job(job_id)

    def models(self) -> list[ModelCard]:
        """Cards of the models that the server has."""
        return self._calls.models()
