"""Examples for the OpenAPI document, and what FastAPI cannot know of it: errors, and bodies read by hand."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import Query
from fastapi.security import HTTPBearer

from model import zoo
from service.contract.bodies import SessionRequest
from service.contract.problem import MEDIA_TYPE
from service.formats.catalog import FORMATS, MP4, MP4_TYPE
from service.kinematics.process import SMOOTHERS

SESSION_ID = "5f0c2b7d9a3e4c61b8d7e2f4a1c09b35"
# What was read of the bundled clip, which the page opens with: so the examples stay true.
_SAMPLE: dict[str, Any] = json.loads((Path(__file__).parents[2] / "page" / "sample.json").read_text(encoding="utf-8"))
_READ = _SAMPLE["frames"][60]
MODEL = _READ["model"]

FRAME: dict[str, Any] = {**_READ, "session_id": SESSION_ID}
IMAGE = {name: FRAME[name] for name in FRAME if name not in ("session_id", "seq", "pts_us", "outcome")}
CLIP_INFO = _SAMPLE["clip"]
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
    "clip": {**CLIP_INFO, "frames_decoded": 77, "frames_emitted": 75},
    "error": None,
}
CLIP_FINISHED = {
    "type": "clip.done",
    "timestamp": "2026-11-25T12:00:00Z",
    "data": {
        "id": JOB["id"],
        "status": "done",
        "frames": CLIP_INFO["frames_emitted"],
        "error": None,
        "links": {
            "job": f"/v1/clips/{JOB['id']}",
            "poses": f"/v1/clips/{JOB['id']}/poses",
            "overlay": f"/v1/clips/{JOB['id']}/overlay.mp4",
        },
    },
}
WEBHOOK_BODY = {"requestBody": {"content": {"application/json": {"example": CLIP_FINISHED}}}}
MODELS = {
    "models": [asdict(zoo.card(MODEL["name"]))],
    "default": MODEL["name"],
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
SMOOTHING = Query(
    description=f"{', '.join(SMOOTHERS)}: smooth joints beside the raw ones, as `kinematics` or further columns.",
    json_schema_extra={"enum": [*SMOOTHERS]},
)
WEBHOOK = Query(
    description="With `Prefer: respond-async`: where to tell that the job has finished; a host that the server lists.",
    json_schema_extra={"format": "uri"},
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
