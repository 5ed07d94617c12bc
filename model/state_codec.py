"""SessionState as bytes: what a store keeps and another worker reads back, bit for bit.

header    magic "KPTS", version u16, CRC-32 u32 of the body; little-endian
body      MessagePack of `_Stored`, with the maps of each track compressed by zstd

StateError
  ForeignState            not one of ours
  TruncatedState          one of ours, broken off
  OldStateVersion         written by an older Kinepose, in a form that is read no more
  UnknownStateVersion     written by a newer Kinepose
  CorruptState            changed on its way, or with values that no state has
"""

import math
import struct
import zlib

import msgspec
import numpy as np
import zstandard

from model.state import MOST_TRACKS, FilterState, QuantisedMaps, SessionState, TrackState
from model.values import Array, FrameTransform, Region

MAGIC = b"KPTS"
VERSION = 6

MOST_CELLS = 2 * 64 * 128 * 128
"""Numbers in the maps of one track at most: more is unpacked for nobody."""

_HEADER = struct.Struct("<4sHI")
_COMPRESSION = 3
"""zstd's own default: higher levels cost several times as much and save some percent."""


class StateError(ValueError):
    """A blob that is no SessionState for this Kinepose. The session cannot go on from it."""


class ForeignState(StateError):
    """The blob does not begin as a state does."""


class TruncatedState(StateError):
    """The blob is shorter than a state."""


class OldStateVersion(StateError):
    """An older Kinepose wrote it, in a form that is read no more."""


class UnknownStateVersion(StateError):
    """A newer Kinepose wrote it."""


class CorruptState(StateError):
    """The checksum does not match, or a value is impossible."""


Box = tuple[float, float, float, float]


class _StoredTrack(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """One track.

    Attributes:
        transform: the fields of a FrameTransform in their order; box, last_region: x, y, w, h; shape: K, h, w.
        scales: float32 [4, K]: low and step of q, low and step of m.
        levels: zstd of uint8 [2, K, h, w], q and m.
    """

    track_id: int
    transform: tuple[float, float, float, int, int, float, bool]
    box: Box
    last_region: Box
    lost_frames: int
    velocity: tuple[float, float]
    course: tuple[float, float] | None
    shape: tuple[int, int, int]
    scales: bytes
    levels: bytes


class _StoredFilter(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """One filter. numbers: float64 [2, K, 2], xy and speed."""

    track_id: int
    time_s: float
    numbers: bytes


class _Stored(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """The body: the fields of a SessionState."""

    model: str
    image_size: tuple[int, int]
    next_id: int
    looked_ago: int
    looked_us: int | None
    scene: bytes
    tracks: list[_StoredTrack]
    filters: list[_StoredFilter]


def encode_state(state: SessionState) -> bytes:
    """The state as bytes.

    Raises:
        ValueError: a field is out of range, not finite or does not go with the others.
    """
    problem = _problem(state)
    if problem:
        raise ValueError(f"SessionState: {problem}")
    tracks = [_stored_track(track) for track in state.tracks]
    stored = _Stored(
        model=state.model,
        image_size=state.image_size,
        next_id=state.next_id,
        looked_ago=state.looked_ago,
        looked_us=state.looked_us,
        scene=state.scene,
        tracks=tracks,
        filters=[_stored_filter(one) for one in state.filters],
    )
    body = msgspec.msgpack.encode(stored)
    return _HEADER.pack(MAGIC, VERSION, zlib.crc32(body)) + body


def _stored_track(track: TrackState) -> _StoredTrack:
    q, m, t = track.q, track.m, track.transform
    k, h, w = q.levels.shape
    return _StoredTrack(
        track_id=track.track_id,
        transform=(t.center_x, t.center_y, t.side, t.input_size, t.stride, t.rotation, t.flip),
        box=_box(track.box),
        last_region=_box(track.last_region),
        lost_frames=track.lost_frames,
        velocity=track.velocity,
        course=track.course,
        shape=(k, h, w),
        scales=b"".join(scale.astype("<f4").tobytes() for scale in (q.low, q.step, m.low, m.step)),
        levels=zstandard.ZstdCompressor(_COMPRESSION).compress(q.levels.tobytes() + m.levels.tobytes()),
    )


def _stored_filter(state: FilterState) -> _StoredFilter:
    return _StoredFilter(state.track_id, state.time_s, np.stack((state.xy, state.speed)).astype("<f8").tobytes())


def _box(region: Region) -> Box:
    return region.x, region.y, region.w, region.h


def decode_state(blob: bytes) -> SessionState:
    """The state that `encode_state` made this of; its arrays are its own.

    Raises:
        StateError: one of its kinds, see the module.
    """
    body = _checked_body(blob)
    try:
        state = _state(msgspec.msgpack.decode(body, type=_Stored))
    except (ValueError, msgspec.MsgspecError, zstandard.ZstdError) as error:
        raise CorruptState(f"state: {error}") from error
    problem = _problem(state)
    if problem:
        raise CorruptState(f"state: {problem}")
    return state


def _checked_body(blob: bytes) -> bytes:
    if blob[: len(MAGIC)] != MAGIC[: len(blob)]:
        raise ForeignState(f"expected a state that begins with {MAGIC!r}, got {bytes(blob[:4])!r}")
    if len(blob) <= _HEADER.size:
        raise TruncatedState(f"state: expected more than a header of {_HEADER.size} bytes, got {len(blob)}")
    _, version, checksum = _HEADER.unpack_from(blob)
    if version != VERSION:
        kind = OldStateVersion if version < VERSION else UnknownStateVersion
        raise kind(f"state: expected version {VERSION}, got {version}")
    body = blob[_HEADER.size :]
    if zlib.crc32(body) != checksum:
        raise CorruptState("state: the checksum does not match")
    return body


def _state(stored: _Stored) -> SessionState:
    if max(len(stored.tracks), len(stored.filters)) > MOST_TRACKS:  # before anything is unpacked
        raise ValueError(f"{len(stored.tracks)} tracks or {len(stored.filters)} filters are impossible")
    tracks = tuple(_track(track) for track in stored.tracks)
    return SessionState(
        model=stored.model,
        image_size=stored.image_size,
        tracks=tracks,
        next_id=stored.next_id,
        looked_ago=stored.looked_ago,
        scene=stored.scene,
        looked_us=stored.looked_us,
        filters=tuple(_filter(one) for one in stored.filters),
    )


def _filter(stored: _StoredFilter) -> FilterState:
    xy, speed = np.frombuffer(stored.numbers, "<f8").reshape(2, -1, 2).astype(np.float64)
    return FilterState(stored.track_id, stored.time_s, xy, speed)


def _track(stored: _StoredTrack) -> TrackState:
    k, h, w = stored.shape
    cells = k * h * w
    if min(stored.shape) < 1 or 2 * cells > MOST_CELLS:
        raise ValueError(f"maps of {stored.shape} are impossible")
    if zstandard.frame_content_size(stored.levels) != 2 * cells or len(stored.scales) != 16 * k:
        raise ValueError("its parts do not go with its shape")
    unpacked = zstandard.ZstdDecompressor().decompress(stored.levels, max_output_size=2 * cells)
    levels = np.frombuffer(unpacked, np.uint8).reshape(2, k, h, w)
    scales = np.frombuffer(stored.scales, "<f4").reshape(4, k).astype(np.float32)
    return TrackState(
        track_id=stored.track_id,
        q=_maps(levels[0], scales[0], scales[1]),
        m=_maps(levels[1], scales[2], scales[3]),
        transform=FrameTransform(*stored.transform),
        box=Region(*stored.box),
        last_region=Region(*stored.last_region),
        lost_frames=stored.lost_frames,
        velocity=stored.velocity,
        course=stored.course,
    )


def _maps(levels: Array, low: Array, step: Array) -> QuantisedMaps:
    return QuantisedMaps(levels.copy(), low.copy(), step.copy())


def _problem(state: SessionState) -> str:
    """What makes this state one that no frame leaves behind; empty where nothing does."""
    if min(state.image_size) < 1 or state.next_id < 1:
        return f"image_size {state.image_size} or next_id {state.next_id} is impossible"
    if state.looked_ago < 0:
        return f"looked_ago {state.looked_ago} is impossible"
    if state.looked_us is not None and not -(2**63) <= state.looked_us < 2**63:
        return f"looked_us {state.looked_us} is impossible"
    if not all(one.track_id > 0 and math.isfinite(one.time_s) for one in state.filters):
        return "a filter of nobody, or of no time"
    return next((problem for track in state.tracks if (problem := _problem_of_track(track))), "")


def _problem_of_track(track: TrackState) -> str:
    if track.q.levels.shape != track.m.levels.shape:
        return f"q {track.q.levels.shape} does not go with m {track.m.levels.shape}"
    if 0 in track.q.levels.shape or 2 * track.q.levels.size > MOST_CELLS:
        return f"maps of {track.q.levels.shape} are impossible"
    scales = np.concatenate([track.q.low, track.q.step, track.m.low, track.m.step])
    if not np.isfinite(scales).all() or min(track.q.step.min(), track.m.step.min()) < 0:
        return "a scale of the maps is not finite, or below 0"
    if not np.isfinite((*track.velocity, *(track.course or ()))).all():
        return f"velocity {track.velocity} or course {track.course} is not finite"
    if track.lost_frames < 0:
        return f"lost_frames {track.lost_frames} is impossible"
    return ""
