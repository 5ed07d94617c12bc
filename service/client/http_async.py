"""Calls over HTTP that await."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from model.cards import ModelCard
from service.client import http_form
from service.client.calls import CHUNK_BYTES, Access, AsyncClipAnswers, ClipRequest, Picture
from service.contract import bodies
from service.contract.messages import ClipInfo, FrameResult, SessionInfo, SessionOptions

T = TypeVar("T")


class AsyncHttpCalls:
    """The HTTP interface of one server, over kept-alive connections."""

    def __init__(self, url: str, access: Access) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=access.authorization,
            timeout=http_form.timeout(access.timeout_s),
            verify=http_form.trusted(access),
        )
        self._timeout_s = access.timeout_s

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _call(self, body: TypeAdapter[T], method: str, path: str, **parts: Any) -> T:
        with http_form.connected():
            return http_form.answer(await self._client.request(method, path, **parts), body)

    async def create_session(self, options: SessionOptions) -> SessionInfo:
        """POST /v1/sessions."""
        asked = bodies.OPTIONS.dump_python(options, mode="json")
        return await self._call(bodies.SESSION, "POST", "/v1/sessions", json=asked)

    async def session(self, session_id: str) -> SessionInfo:
        """GET /v1/sessions/{id}."""
        return await self._call(bodies.SESSION, "GET", f"/v1/sessions/{session_id}")

    async def close_session(self, session_id: str) -> SessionInfo:
        """DELETE /v1/sessions/{id}."""
        return await self._call(bodies.SESSION, "DELETE", f"/v1/sessions/{session_id}")

    async def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """POST /v1/sessions/{id}/frames."""
        path, query = f"/v1/sessions/{session_id}/frames", http_form.picture_query(picture)
        reply = await self._call(bodies.FRAME, "POST", path, params=query, content=picture.image)
        return reply.result()

    async def models(self) -> list[ModelCard]:
        """GET /v1/models."""
        return (await self._call(bodies.MODELS, "GET", "/v1/models")).models

    async def clip(self, path: Path, asked: ClipRequest) -> AsyncClipAnswers:
        """POST /v1/clips, answered as NDJSON while it works."""
        last: FrameResult | ClipInfo | None = None
        with http_form.connected():
            async with self._client.stream(
                "POST",
                "/v1/clips",
                params=http_form.clip_query(asked),
                headers=http_form.NDJSON,
                content=async_pieces(path),
                timeout=http_form.clip_timeout(self._timeout_s),
            ) as response:
                if not response.is_success:
                    await response.aread()
                http_form.raise_for(response)
                async for line in response.aiter_lines():
                    last = http_form.clip_line(line)
                    yield last
        http_form.check_ended(last)


async def async_pieces(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file, read beside the event loop."""
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while piece := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield piece
