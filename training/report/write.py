"""Writes a report: report.json for programs, report.md for a repository page, report.html to read."""

import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.report import html, markdown, published
from training.report.content import Content
from training.report.worst import PictureSource

_DIGITS = 2  # of percents and pixels
_SHARE_DIGITS = 4  # of numbers that are shares of one
_SHARES = frozenset({"alpha", "alphas", "relation"})


def write(content: Content, folder: Path, pictures: PictureSource | None = None) -> list[Path]:
    """Writes the three files into a folder, which is made where it is missing; the same content gives the same bytes.

    Args:
        content: the numbers.
        folder: where to; files of an earlier report are replaced.
        pictures: gives the frames of the worst clips. The page then holds pictures of the data set: not for others.

    Returns:
        The paths of report.json, report.md and report.html.
    """
    texts = {
        "report.json": as_json(content),
        "report.md": markdown.text(content),
        "report.html": html.page(content, pictures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, written in texts.items():
        (folder / name).write_text(written, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def as_json(content: Content) -> str:
    """The content, the published rows and the peers shown with it; numbers that are not finite become null."""
    known = published.benchmark(content.head)
    whole = content.as_json() | {
        "published": asdict(known) if known else None,
        "peers": [asdict(peer) for peer in published.peers(content.head)],
    }
    laid_out = json.dumps(_rounded(whole, _DIGITS), indent=2, ensure_ascii=False, allow_nan=False)
    return _short_lists(laid_out) + "\n"


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(v, _SHARE_DIGITS if key in _SHARES else digits) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v, digits) for v in value]
    return value


def _short_lists(text: str) -> str:
    """Lists of numbers on one line each. No string is touched: JSON strings hold no line breaks."""
    item = r"(?:-?[\d.eE+-]+|null)"
    numbers = re.compile(rf"\[\n\s*({item}(?:,\n\s*{item})*)\n\s*\]")
    return numbers.sub(lambda found: "[" + re.sub(r",\s+", ", ", found.group(1)) + "]", text)
