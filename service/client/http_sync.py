"""Calls over HTTP that block."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from model.cards import ModelCard
from service.client import http_form
from service.client.calls import CHUNK_BYTES, Access, ClipAnswers, ClipRequest, Picture
from service.contract import bodies
from service.contract.messages import ClipInfo, FrameResult, SessionInfo, SessionOptions

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

    def _call(self, body: TypeAdapter[T], method: str, path: str, **parts: Any) -> T:
        with http_form.connected():
            return http_form.answer(self._client.request(method, path, **parts), body)

    def create_session(self, options: SessionOptions) -> SessionInfo:
        """POST /v1/sessions."""
        asked = bodies.OPTIONS.dump_python(options, mode="json")
        return self._call(bodies.SESSION, "POST", "/v1/sessions", json=asked)

    def session(self, session_id: str) -> SessionInfo:
        """GET /v1/sessions/{id}."""
        return self._call(bodies.SESSION, "GET", f"/v1/sessions/{session_id}")

    def close_session(self, session_id: str) -> SessionInfo:
        """DELETE /v1/sessions/{id}."""
        return self._call(bodies.SESSION, "DELETE", f"/v1/sessions/{session_id}")

    def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """POST /v1/sessions/{id}/frames."""
        path, query = f"/v1/sessions/{session_id}/frames", http_form.picture_query(picture)
        reply = self._call(bodies.FRAME, "POST", path, params=query, content=picture.image)
        return reply.result()

    def models(self) -> list[ModelCard]:
        """GET /v1/models."""
        return self._call(bodies.MODELS, "GET", "/v1/models").models

    def clip(self, path: Path, asked: ClipRequest) -> ClipAnswers:
        """POST /v1/clips, answered as NDJSON while it works."""
        last: FrameResult | ClipInfo | None = None
        with (
            http_form.connected(),
            self._client.stream(
                "POST",
                "/v1/clips",
                params=http_form.clip_query(asked),
                headers=http_form.NDJSON,
                content=_pieces(path),
                timeout=http_form.clip_timeout(self._timeout_s),
            ) as response,
        ):
            if not response.is_success:
                response.read()
            http_form.raise_for(response)
            for line in response.iter_lines():
                last = http_form.clip_line(line)
                yield last
        http_form.check_ended(last)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
