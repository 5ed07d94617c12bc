"""What the HTTP routes share: problem+json answers, and work that stops when the client goes away."""

import asyncio
import logging
import math
from collections.abc import AsyncIterable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.contract import problem
from service.errors import BadRequest, KineposeError, Unauthenticated

T = TypeVar("T")

# nginx's number for "the client closed the request"; nobody is there to read it.
CLIENT_GONE = 499

log = logging.getLogger(__name__)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of `work`; cancels it and raises ClientDisconnect when the client goes away first.

    Call it once the body has been read: it listens where the body came from.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class ClosingStream(StreamingResponse):
    """A streamed answer that closes what it stands on, however the stream ends."""

    def __init__(self, content: AsyncIterable[bytes], stack: AsyncExitStack, media_type: str) -> None:
        super().__init__(content, media_type=media_type)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then close."""
        async with self._stack:
            await super().__call__(scope, receive, send)


# -- errors -----------------------------------------------------------------------------------------------


def problem_response(error: KineposeError) -> Response:
    """The problem+json answer of an error, with Retry-After (whole seconds) where it makes sense.

    401 says with WWW-Authenticate what is missing.
    """
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
    return JSONResponse(problem.to_problem(error), error.http_status, headers=headers, media_type=problem.MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Every error of every route is answered as problem+json."""
    app.add_exception_handler(KineposeError, _on_kinepose_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    app.add_exception_handler(Exception, _on_bug)


async def _on_kinepose_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, KineposeError)
    return problem_response(error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = (f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors())
    return problem_response(BadRequest("; ".join(faults)))


async def _on_http_error(request: Request, error: Exception) -> Response:
    # Starlette's own: a path that is not served, a method that is not allowed.
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    content = problem.plain_problem(error.status_code, code, detail)
    return JSONResponse(content, error.status_code, headers=error.headers, media_type=problem.MEDIA_TYPE)


async def _on_client_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _on_bug(request: Request, error: Exception) -> Response:
    # Starlette logs the traceback; the client learns that it was not its fault, and no more.
    return problem_response(KineposeError("an error inside the server"))
