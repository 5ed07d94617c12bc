"""Calls over HTTP that await."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from kinepose_client import http_form, wire_json
from kinepose_client.calls import Access, AsyncClipAnswers, ClipFile, ClipRequest, Picture
from kinepose_client.cards import ModelCard
from kinepose_client.messages import ClipInfo, ClipJob, FrameResult, ImageResult, SessionInfo, SessionOptions

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

    async def _call(self, read: Callable[[Any], T], method: str, path: str, **parts: Any) -> T:
        with http_form.connected():
            return http_form.answer(await self._client.request(method, path, **parts), read)

    async def create_session(self, options: SessionOptions) -> SessionInfo:
        """POST /v1/sessions."""
        asked = wire_json.options_to_json(options)
        return await self._call(wire_json.session_from_json, "POST", "/v1/sessions", json=asked)

    async def session(self, session_id: str) -> SessionInfo:
        """GET /v1/sessions/{id}."""
        return await self._call(wire_json.session_from_json, "GET", f"/v1/sessions/{session_id}")

    async def close_session(self, session_id: str) -> SessionInfo:
        """DELETE /v1/sessions/{id}."""
        return await self._call(wire_json.session_from_json, "DELETE", f"/v1/sessions/{session_id}")

    async def send_frame(self, session_id: str, picture: Picture) -> FrameResult:
        """POST /v1/sessions/{id}/frames."""
        path, query = f"/v1/sessions/{session_id}/frames", http_form.picture_query(picture)
        return await self._call(wire_json.result_from_json, "POST", path, params=query, content=picture.image)

    async def models(self) -> list[ModelCard]:
        """GET /v1/models."""
        return await self._call(http_form.models, "GET", "/v1/models")

    async def image(self, image: bytes, asked: ClipRequest) -> ImageResult:
        """POST /v1/images."""
        query = http_form.clip_query(asked)
        return await self._call(wire_json.image_from_json, "POST", "/v1/images", params=query, content=image)

    async def save_clip(self, file: ClipFile, asked: ClipRequest, output: Path) -> None:
        """POST /v1/clips, answered with a file."""
        await asyncio.to_thread(file.measure)
        with http_form.connected(), http_form.complete(output) as part:
            async with self._posted(file, asked, {}) as response:
                await _write(response, part)

    @asynccontextmanager
    async def _posted(
        self, file: ClipFile, asked: ClipRequest, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        async with self._client.stream(
            "POST",
            "/v1/clips",
            params=http_form.clip_query(asked),
            headers=headers,
            content=file.async_pieces(),
            timeout=http_form.clip_timeout(self._timeout_s),
        ) as response:
            if not response.is_success:
                await response.aread()
            http_form.raise_for(response)
            yield response

    async def start_clip(self, file: ClipFile, asked: ClipRequest) -> ClipJob:
        """POST /v1/clips, worked on in the background."""
        await asyncio.to_thread(file.measure)
        with http_form.connected():
            async with self._posted(file, asked, http_form.IN_BACKGROUND) as response:
                await response.aread()
                return http_form.job(response)

    async def job(self, job_id: str) -> ClipJob:
        """GET /v1/clips/{id}."""
        return await self._call(wire_json.job_from_json, "GET", f"/v1/clips/{job_id}")

    async def save_results(self, job_id: str, output: Path, form: str, smoothing: str | None) -> None:
        """GET /v1/clips/{id}/poses, into a file."""
        path, timeout = f"/v1/clips/{job_id}/poses", http_form.clip_timeout(self._timeout_s)
        query = {"format": form} | ({"smoothing": smoothing} if smoothing else {})
        with http_form.connected():
            async with self._client.stream("GET", path, params=query, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                http_form.check_finished(response)
                with http_form.complete(output) as part:
                    await _write(response, part)

    async def delete_job(self, job_id: str) -> None:
        """DELETE /v1/clips/{id}."""
        with http_form.connected():
            http_form.raise_for(await self._client.delete(f"/v1/clips/{job_id}"))

    async def clip(self, file: ClipFile, asked: ClipRequest) -> AsyncClipAnswers:
        """POST /v1/clips, answered as NDJSON while it works."""
        last: FrameResult | ClipInfo | None = None
        await asyncio.to_thread(file.measure)
        with http_form.connected():
            async with self._posted(file, asked, http_form.NDJSON) as response:
                async for line in response.aiter_lines():
                    last = http_form.clip_line(line)
                    file.answered(last)
                    yield last
        http_form.check_ended(last)


async def _write(response: httpx.Response, output: Path) -> None:
    """The body of a response, into a file."""
    written = await asyncio.to_thread(output.open, "wb")
    with written:
        async for piece in response.aiter_bytes():
            await asyncio.to_thread(written.write, piece)
