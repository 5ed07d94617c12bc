"""People's boxes on the wire: text, JSON, protobuf. What makes no sense is BadRegion."""

from collections.abc import Sequence
from typing import Any

from kinepose_client import wire_pb
from kinepose_client.pb import pose_pb2 as pb
from model.values import Region
from service.errors import BadRegion

MOST = 16
"""Boxes of one frame; more people are not followed anyway."""


def from_params(region: Any, regions: Any) -> tuple[Region, ...]:
    """What a client says of a frame's boxes: one as `region` or all as `regions`, as text or as JSON values."""
    as_text = region is None or isinstance(region, str)
    one = region_from_text(region) if as_text else region_from_values(region)
    if isinstance(regions, str):
        regions = [part.split(",") for part in regions.split(";")] if regions else None
    if not isinstance(regions, list | None):
        raise BadRegion("regions: expected x,y,w,h;x,y,w,h, or a list of such lists")
    return _one_or_many(one, regions or [], region_from_values)


def from_pb(message: pb.Frame | pb.ClipOptions) -> tuple[Region, ...]:
    """The boxes of a message."""
    one = wire_pb.region_from_pb(message.region) if message.HasField("region") else None
    return _one_or_many(one, message.regions, wire_pb.region_from_pb)


def _one_or_many(one: Region | None, many: Sequence[Any], parse: Any) -> tuple[Region, ...]:
    if one is not None and many:
        raise BadRegion("give region or regions")
    if len(many) > MOST:
        raise BadRegion(f"regions: expected at most {MOST}, got {len(many)}")
    found = tuple(parse(values) for values in many) if one is None else (one,)
    if None in found:
        raise BadRegion("regions: one of them is null")
    return found


def region_from_text(text: str | None) -> Region | None:
    """`x,y,w,h` as in a query, a header or on the command line; no text, no region."""
    if not text:
        return None
    return region_from_values(text.split(","))


def region_from_values(values: Any) -> Region | None:
    """Four numbers, or None."""
    if values is None:
        return None
    try:
        x, y, w, h = (float(value) for value in values)
        return Region(x, y, w, h)
    except (TypeError, ValueError) as error:
        raise BadRegion(f"region: expected four numbers x,y,w,h with w and h above 0: {error}") from error
