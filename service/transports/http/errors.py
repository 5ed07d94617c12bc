"""Every error of every route, answered as problem+json."""

import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.contract import bodies, problem
from service.errors import BadRequest, KineposeError, Unauthenticated

# nginx's number for "the client closed the request"; nobody is there to read it.
CLIENT_GONE = 499


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
    return problem_response(BadRequest(bodies.one_line(list(error.errors()))))


async def _on_http_error(request: Request, error: Exception) -> Response:
    # Starlette's own: a path that is not served, a method that is not allowed.
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    content = problem.Problem.of(error.status_code, code, detail)
    return JSONResponse(content.model_dump(), error.status_code, headers=error.headers, media_type=problem.MEDIA_TYPE)


async def _on_client_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _on_bug(request: Request, error: Exception) -> Response:
    # Starlette logs the traceback; the client learns that it was not its fault, and no more.
    return problem_response(KineposeError())
