"""Calls over HTTP that block."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from kinepose_client import http_form, wire_json
from kinepose_client.calls import Access, ClipAnswers, ClipFile, ClipRequest, Picture
from kinepose_client.cards import ModelCard
from kinepose_client.messages import ClipInfo, ClipJob, FrameResult, ImageResult, SessionInfo, SessionOptions

T = TypeVar("T")


class HttpCalls:
    """The HTTP interface of one server, over kept-alive connections."""

    def __init__(self, url: str, access: Access) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers=access.authorization,
            timeout=http_form.timeout(access.timeout_s),
            verify=http_form.trusted(access),
        )
        self._timeout_s = access.timeout_s

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _call(self, read: Callable[[Any], T], method: str, path: str, **parts: Any) -> T:
        with http_form.connected():
            return http_form.answer(self._client.request(method, path, **parts), read)

    def create_session(self, options: SessionOptions) -> SessionInfo:
        """POST /v1/sessions."""
        asked = wire_json.options_to_json(options)
        return self._call(wire_json.session_from_json, "POST", "/v1/sessions", json=asked)

    def session(self, session_id: str) -> SessionInfo:
        """GET /v1/sessions/{id}."""
        return self._call(wire_json.session_from_json, "GET", f"/v1/sessions/{session_id}")

    def close_session(self, session_id: str) -> SessionInfo:
        """DELETE /v1/sessions/{id}."""
        return self._call(wire_json.session_from_json, "DELETE", f"/v1/sessions/{session_id}")

    def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """POST /v1/sessions/{id}/frames."""
        path, query = f"/v1/sessions/{session_id}/frames", http_form.picture_query(picture)
        return self._call(wire_json.result_from_json, "POST", path, params=query, content=picture.image)

    def models(self) -> list[ModelCard]:
        """GET /v1/models."""
        return self._call(http_form.models, "GET", "/v1/models")

    def image(self, image: bytes, asked: ClipRequest) -> ImageResult:
        """POST /v1/images."""
        query = http_form.clip_query(asked)
        return self._call(wire_json.image_from_json, "POST", "/v1/images", params=query, content=image)

    def save_clip(self, file: ClipFile, asked: ClipRequest, output: Path) -> None:
        """POST /v1/clips, answered with a file."""
        file.measure()
        with (
            http_form.connected(),
            self._posted(file, asked, {}) as response,
            http_form.complete(output) as part,
            part.open("wb") as written,
        ):
            written.writelines(response.iter_bytes())

    @contextmanager
    def _posted(self, file: ClipFile, asked: ClipRequest, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        with self._client.stream(
            "POST",
            "/v1/clips",
            params=http_form.clip_query(asked),
            headers=headers,
            content=file.pieces(),
            timeout=http_form.clip_timeout(self._timeout_s),
        ) as response:
            if not response.is_success:
                response.read()
            http_form.raise_for(response)
            yield response

    def start_clip(self, file: ClipFile, asked: ClipRequest) -> ClipJob:
        """POST /v1/clips, worked on in the background."""
        file.measure()
        with http_form.connected(), self._posted(file, asked, http_form.IN_BACKGROUND) as response:
            response.read()
            return http_form.job(response)

    def job(self, job_id: str) -> ClipJob:
        """GET /v1/clips/{id}."""
        return self._call(wire_json.job_from_json, "GET", f"/v1/clips/{job_id}")

    def save_results(self, job_id: str, output: Path, form: str, smoothing: str | None) -> None:
        """GET /v1/clips/{id}/poses, into a file."""
        path, timeout = f"/v1/clips/{job_id}/poses", http_form.clip_timeout(self._timeout_s)
        query = {"format": form} | ({"smoothing": smoothing} if smoothing else {})
        with (
            http_form.connected(),
            self._client.stream("GET", path, params=query, timeout=timeout) as response,
        ):
            if not response.is_success:
                response.read()
            http_form.check_finished(response)
            with http_form.complete(output) as part, part.open("wb") as written:
                written.writelines(response.iter_bytes())

    def delete_job(self, job_id: str) -> None:
        """DELETE /v1/clips/{id}."""
        with http_form.connected():
            http_form.raise_for(self._client.delete(f"/v1/clips/{job_id}"))

    def clip(self, file: ClipFile, asked: ClipRequest) -> ClipAnswers:
        """POST /v1/clips, answered as NDJSON while it works."""
        last: FrameResult | ClipInfo | None = None
        file.measure()
        with http_form.connected(), self._posted(file, asked, http_form.NDJSON) as response:
            for line in response.iter_lines():
                last = http_form.clip_line(line)
                file.answered(last)
                yield last
        http_form.check_ended(last)
