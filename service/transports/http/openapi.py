"""Examples for the OpenAPI document, and what FastAPI cannot know of it: errors, and bodies read by hand."""

from typing import Any

from fastapi import Query
from fastapi.security import HTTPBearer

from service.contract.bodies import SessionRequest
from service.contract.problem import MEDIA_TYPE
from service.formats.catalog import FORMATS, MP4, MP4_TYPE

SESSION_ID = "5f0c2b7d9a3e4c61b8d7e2f4a1c09b35"
MODEL = {"name": "kimnet-lite", "version": "0.1.0", "sha256": "9f86d081884c7d65" * 4}

FRAME: dict[str, Any] = {
    "session_id": SESSION_ID,
    "seq": 0,
    "pts_us": 40000,
    "outcome": "ok",
    "image_size": [640, 360],
    "rotation_applied": 0,
    "skeleton": "kinepose13",
    "score_kind": "heatmap_peak",
    "people": [
        {
            "track_id": 1,
            "person_score": 0.97,
            "region": [210.0, 40.0, 120.0, 290.0],
            "region_source": "tracked",
            "joints": [{"name": "head", "x": 268.4, "y": 61.9, "score": 0.93}],
        }
    ],
    "lost": [{"track_id": 2, "region": [20.0, 60.0, 90.0, 250.0]}],
    "model": MODEL,
}
IMAGE = {name: FRAME[name] for name in FRAME if name not in ("session_id", "seq", "pts_us", "outcome", "lost")}
IMAGE["lost"] = []
CLIP_INFO = {
    "frames_declared": 48,
    "frames_decoded": 48,
    "frames_emitted": 48,
    "duration_us": 1920000,
    "codec": "h264",
    "start_us": 0,
    "pixel_aspect": 1.0,
    "gaps": [{"after_seq": 14, "pts_us": 600000, "reason": "damaged"}],
}
CLIP = {"clip": CLIP_INFO, "frames": [FRAME]}
SESSION = {
    "session_id": SESSION_ID,
    "next_seq": 0,
    "expires_in_s": 300.0,
    "model": MODEL,
    "options": {"model": "kimnet-lite", "drop_policy": "wait", "ttl_s": 300.0, "max_people": 2},
}
JOB = {
    "id": "0b9d6f0a4b1e4c7c8f3c2a6d5e4f3b2a",
    "status": "running",
    "progress": 0.5,
    "clip": {**CLIP_INFO, "frames_decoded": 26, "frames_emitted": 24},
    "error": None,
}
MODELS = {
    "models": [{**MODEL, "skeleton": "kinepose13", "gflop": 1.2, "parameters": 4000000}],
    "default": "kimnet-lite",
}
PROBLEM = {
    "type": "urn:kinepose:seq_out_of_order",
    "title": "Seq out of order",
    "status": 409,
    "detail": "expected seq 7, got 9",
    "code": "seq_out_of_order",
    "session_id": SESSION_ID,
    "seq": 9,
    "expected_seq": 7,
}

PICTURES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream")
"""What pictures may be sent as; their bytes tell their form."""

BEARER = HTTPBearer(
    auto_error=False,  # `http.auth` has let the call in by then; this names the scheme in the document.
    scheme_name="bearer",
    description="An API key. Needed where the server has keys configured.",
)

# Every route may answer so. The schema is that of the model `Problem`, which `JobReply` brings into the document.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any error (RFC 9457); `code` tells which.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": PROBLEM}},
    }
}


DRAWN = "The clip with its people drawn."


def answer(description: str, example: Any, model: Any = None) -> dict[str, Any]:
    """A response of JSON like the example; `model` where the route itself names none."""
    response = {"description": description, "content": {"application/json": {"example": example}}}
    return response if model is None else {**response, "model": model}


FORMAT = Query(
    alias="format",
    description=f"{', '.join((*FORMATS, MP4))}; without it `Accept` decides, and JSON where that names none.",
    json_schema_extra={"enum": [*FORMATS, MP4]},
)


def in_formats(description: str, example: Any, model: Any) -> dict[str, Any]:
    """As `answer`, and as every format of a clip's results that the client may ask for."""
    response = answer(description, example, model)
    for form in FORMATS.values():
        kind = {"type": "string"} if form.text else {"type": "string", "format": "binary"}
        response["content"].setdefault(form.media_type, {"schema": kind | {"description": form.what}})
    response["content"][MP4_TYPE] = {"schema": {"type": "string", "format": "binary", "description": DRAWN}}
    return response


def file_body(kinds: tuple[str, ...], what: str, **fields: str) -> dict[str, Any]:
    """A request body: the file itself, of one of these kinds, or a form with part `file` and fields."""
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": binary, **{name: {"type": kind} for name, kind in fields.items()}},
    }
    content: dict[str, Any] = {kind: {"schema": binary} for kind in kinds}
    content["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": True, "description": what, "content": content}}


SESSION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "No body means all defaults.",
        "content": {
            "application/json": {
                "schema": SessionRequest.model_json_schema(),
                "example": {"drop_policy": "wait", "ttl_s": 60, "max_people": 2},
            }
        },
    }
}
