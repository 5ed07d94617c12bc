"""CSV with one row a person and frame, a header line, and each joint's x, y and score beside each other."""

import csv
import io
from collections.abc import Iterator

from service.formats.numbers import shortest
from service.formats.results import Results
from service.formats.table import OF_FRAME, Value, columns, rows


def write_csv(results: Results) -> Iterator[bytes]:
    """UTF-8, comma, CRLF (RFC 4180); empty where there is no value."""
    yield _line(columns(results))
    for row in rows(results):
        of_frame, others = row[: len(OF_FRAME)], row[len(OF_FRAME) :]
        yield _line((*of_frame, *(_float32(value) for value in others)))


def _float32(value: Value) -> Value:
    """Regions, scores and joints are float32; times are not."""
    return shortest(value) if isinstance(value, float) else value


def _line(values: tuple[Value, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().encode()
