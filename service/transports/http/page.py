"""The page at `/`, and the API's documentation at `/docs` and `/redoc`.

All of it are files in `service/page`, which browsers read without a key: they hold nothing of anybody, and let nothing
be loaded from elsewhere (Content-Security-Policy).
"""

import io
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from kinepose_client import wire_json
from model.skeletons import SKELETONS
from service.formats.catalog import FORMATS, Format, format_named
from service.formats.native import ndjson_line
from service.formats.results import StoredResults
from service.transports.http.dependencies import ServicesOf

FOLDER: Final = Path(__file__).parents[2] / "page"
SAMPLE_CLIP: Final = Path(__file__).parents[2] / "demo" / "clip.mp4"

_OWN = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# Swagger UI and Redoc write their styles into the document; Redoc searches in a worker that it makes itself.
_DOCUMENTATION = {**_OWN, "style-src": "'self' 'unsafe-inline'", "worker-src": "blob:"}

router = APIRouter(include_in_schema=False)
_files = StaticFiles(directory=FOLDER)


@router.get("/")
async def page(request: Request) -> Response:
    """Try it: camera, clips, pictures."""
    return await _file("index.html", request, _OWN)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API, to be tried, by Swagger UI."""
    return await _file("docs.html", request, _DOCUMENTATION)


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """The API, to be read, by Redoc."""
    return await _file("redoc.html", request, _DOCUMENTATION)


@router.get("/page/server.json")
async def server(services: ServicesOf) -> JSONResponse:
    """What the page needs to know of the server: its limits, how long it keeps what, how skeletons are drawn."""
    settings = services.settings
    known: dict[str, Any] = {
        "model": services.pipeline.card.name,
        "max_people": settings.max_people,
        "max_image_bytes": settings.max_image_bytes,
        "max_clip_bytes": settings.max_body_bytes,
        "max_clip_s": settings.max_clip_s,
        "clip_result_ttl_s": settings.clip_result_ttl_s,
        "session_ttl_s": settings.session_ttl_s,
        "formats": [_format(form) for form in FORMATS.values() if form.needs is None or find_spec(form.needs)],
        "skeletons": {name: {"joints": s.joints, "bones": s.bones} for name, s in SKELETONS.items()},
    }
    return JSONResponse(known, headers=_headers(_OWN))


@router.get("/page/sample.mp4")
async def sample_clip() -> FileResponse:
    """The bundled clip, whose joints are in `sample.json`."""
    return FileResponse(SAMPLE_CLIP, media_type="video/mp4", headers=_headers(_OWN))


@router.get("/page/sample/{name}")
def sample_results(name: str) -> Response:
    """What was read of it, in the format of that name."""
    form = format_named(name)
    return Response(_sample(name), media_type=form.media_type, headers=_headers(_OWN))


@lru_cache  # There are as many as formats, and each is written once.
def _sample(name: str) -> bytes:
    known = json.loads((FOLDER / "sample.json").read_bytes())
    lines = io.BytesIO(b"".join(map(ndjson_line, known["frames"])))
    results = StoredResults(wire_json.clip_from_json(known["clip"]), lines, "kinepose-sample")
    return b"".join(FORMATS[name].write(results))


@router.get("/page/{name:path}")
async def file(name: str, request: Request) -> Response:
    """A file of the page; 404 for what is not in its folder."""
    return await _file(name, request, _OWN)


def _format(form: Format) -> dict[str, str]:
    ending = form.ending + (".zip" if form.files else "")
    return {"name": form.name, "ending": ending, "what": form.what}


async def _file(name: str, request: Request, policy: dict[str, str]) -> Response:
    response = await _files.get_response(name, request.scope)
    response.headers.update(_headers(policy))
    if name.endswith(".mjs"):  # Tables of some systems do not know it, and browsers run no module of another type.
        response.headers["Content-Type"] = "text/javascript; charset=utf-8"
    return response


def _headers(policy: dict[str, str]) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache",  # A new version is taken at once; what has not changed is answered with 304.
        "Content-Security-Policy": "; ".join(f"{name} {allowed}" for name, allowed in policy.items()),
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
