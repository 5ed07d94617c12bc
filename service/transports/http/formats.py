"""Which format of a clip's results a client wants, and how it is answered."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import BinaryIO, Final

from fastapi.responses import Response

from kinepose_client.wire_json import result_from_json
from model.skeletons import SKELETONS
from service.contract import wire
from service.contract.messages import ClipInfo
from service.formats.catalog import FORMATS, JSON, MP4, MP4_TYPE, NDJSON, Format, format_named
from service.formats.native import ndjson_line, with_kinematics
from service.formats.results import StoredResults
from service.kinematics.process import FrameByFrame, Wanted
from service.transports.http.connection import ClosingStream

NAME: Final = "clip"
"""What files are named after: an upload has no name of its own."""
PIECE_BYTES: Final = 256 * 1024
BY_TYPE: Final = {form.media_type: form.name for form in FORMATS.values() if form.accepted} | {MP4_TYPE: MP4}


def wanted(said: str | None, accept: str) -> str:
    """The name of the format: what `format` says, else what `Accept` prefers, else JSON. Raises BadRequest."""
    if said and said != MP4:
        return format_named(said).name
    return said or preferred(accept)


def preferred(accept: str) -> str:
    """The format of the media type with the highest weight, the first of several; JSON where none is known."""
    weights = [_weighed(part) for part in accept.split(",")]
    known = [(weight, BY_TYPE[kind]) for kind, weight in weights if kind in BY_TYPE and weight > 0]
    return max(known, key=lambda pair: pair[0])[1] if known else JSON.name


def _weighed(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return kind, float(weight)
    except ValueError:
        return kind, 0.0


async def answer(name: str, info: ClipInfo, lines: BinaryIO, wanted: Wanted, stack: AsyncExitStack) -> Response:
    """A clip's results in a format that is written from them; closes `lines`, and what else the stack holds.

    Args:
        wanted: what is made of the joints, all of them together.
    """
    form, results = FORMATS[name], StoredResults(info, lines, NAME)
    async with stack:  # Closed here where it comes to no answer.
        stack.enter_context(lines)
        if not wanted.nothing:
            await asyncio.to_thread(results.process, wanted)
        response = ClosingStream(form.write(results), stack.pop_all(), form.media_type)
    if form not in (JSON, NDJSON):
        response.headers["Content-Disposition"] = f'attachment; filename="{_file_name(form)}"'
    return response


def line_by_line(wanted: Wanted, pixel_aspect: float) -> Callable[[bytes], bytes]:
    """Makes a frame's line of NDJSON, in order, one with what is wanted beside the raw joints; that is `causal`."""
    step: FrameByFrame | None = None

    def told(line: bytes) -> bytes:
        nonlocal step
        result = result_from_json(json.loads(line))
        step = step or FrameByFrame(SKELETONS[result.skeleton], wanted, pixel_aspect)
        return ndjson_line(with_kinematics(wire.result_to_json(result), 0, step(result)))

    return told


def drawing(file: BinaryIO, stack: AsyncExitStack) -> Response:
    """The clip with its people drawn; closes `file`, and what else the stack holds."""
    stack.enter_context(file)
    return ClosingStream(iter(partial(file.read, PIECE_BYTES), b""), stack, MP4_TYPE)


def _file_name(form: Format) -> str:
    return NAME + form.ending + (".zip" if form.files else "")
