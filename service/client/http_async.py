"""Calls over HTTP that await."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from model.cards import ModelCard
from model.values import Region
from service.client import http_form
from service.client.calls import CHUNK_BYTES, Access, AsyncClipAnswers, Picture
from service.contract import wire
from service.contract.messages import ClipInfo, FrameResult, SessionInfo, SessionOptions


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

    async def _call(self, method: str, path: str, **parts: Any) -> Any:
        with http_form.connected():
            return http_form.answer(await self._client.request(method, path, **parts))

    async def create_session(self, options: SessionOptions) -> SessionInfo:
        """POST /v1/sessions."""
        body = await self._call("POST", "/v1/sessions", json=wire.options_to_json(options))
        return wire.session_from_json(body)

    async def session(self, session_id: str) -> SessionInfo:
        """GET /v1/sessions/{id}."""
        return wire.session_from_json(await self._call("GET", f"/v1/sessions/{session_id}"))

    async def close_session(self, session_id: str) -> SessionInfo:
        """DELETE /v1/sessions/{id}."""
        return wire.session_from_json(await self._call("DELETE", f"/v1/sessions/{session_id}"))

    async def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """POST /v1/sessions/{id}/frames."""
        path, query = f"/v1/sessions/{session_id}/frames", http_form.picture_query(picture)
        return wire.result_from_json(await self._call("POST", path, params=query, content=picture.image))

    async def models(self) -> list[ModelCard]:
        """GET /v1/models."""
        body = await self._call("GET", "/v1/models")
        return [wire.card_from_json(card) for card in body["models"]]

    async def clip(self, path: Path, region: Region | None, model: str | None) -> AsyncClipAnswers:
        """POST /v1/clips, answered as NDJSON while it works."""
        last: FrameResult | ClipInfo | None = None
        with http_form.connected():
            async with self._client.stream(
                "POST",
                "/v1/clips",
                params=http_form.clip_query(region, model),
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
