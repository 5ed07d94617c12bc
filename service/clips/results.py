"""A clip's results as clients get them: NDJSON, or one document."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from service.contract import wire
from service.contract.messages import ClipInfo


def ndjson_line(data: dict[str, Any]) -> bytes:
    """One line of NDJSON."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def spooled_lines(info: ClipInfo, lines: BinaryIO) -> Iterator[bytes]:
    """The results of a clip as NDJSON, the last line with `clip`; closes `lines` at the end."""
    with lines:
        yield from lines
        yield ndjson_line({"clip": wire.clip_to_json(info)})


def clip_document(info: ClipInfo, lines: BinaryIO) -> Iterator[bytes]:
    """The native reply of a clip, `{"clip", "frames": [...]}`, piece by piece; closes `lines` at the end."""
    with lines:
        yield b'{"clip":' + ndjson_line(wire.clip_to_json(info)).strip() + b',"frames":['
        for number, text in enumerate(lines):
            yield (b"," if number else b"") + text.strip()
        yield b"]}"
