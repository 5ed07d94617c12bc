"""Parquet: the rows of `table`, in columns of their own types, compressed. Needs the extra `parquet` (pyarrow)."""

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from service.contract import wire
from service.formats.pieces import Pieces
from service.formats.results import Results, skeleton_of
from service.formats.table import Row, columns, rows

ROWS_A_GROUP = 4096
METADATA = "kinepose"
"""Key of the file's metadata under which the clip's facts and the skeleton stand, as JSON."""
TYPES = {
    "frame": "int32",
    "pts_us": "int64",
    "time_s": "float64",
    "outcome": "string",
    "track_id": "int32",
    "region_source": "string",
}


def write_parquet(results: Results) -> Iterator[bytes]:
    """A file, given out by groups of rows."""
    # An extra, and slow to import: `catalog.format_named` has seen that it is there.
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    skeleton = skeleton_of(results)
    about = {"clip": wire.clip_to_json(results.info), "skeleton": skeleton.name, "bones": skeleton.bones}
    fields = [(name, getattr(arrow, TYPES.get(name, "float32"))()) for name in columns(results)]
    schema = arrow.schema(fields, metadata={METADATA: json.dumps(about)})
    out, table = Pieces(), rows(results)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while group := list(islice(table, ROWS_A_GROUP)):
            writer.write_batch(_batch(arrow, group, schema))
            yield out.taken()
    yield out.taken()


def _batch(arrow: Any, group: list[Row], schema: Any) -> Any:
    arrays = [arrow.array(column, field.type) for column, field in zip(zip(*group, strict=True), schema, strict=True)]
    return arrow.record_batch(arrays, schema=schema)
