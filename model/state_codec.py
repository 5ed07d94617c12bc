"""TrackState as bytes: what a store keeps and another worker reads back, bit for bit.

header    magic "KPTS", version u16, CRC-32 u32 of the body; little-endian
body      MessagePack of `_Stored`, whose maps are compressed by zstd

StateError
  ForeignState            not one of ours
  TruncatedState          one of ours, broken off
  OldStateVersion         written by an older Kinepose, in a form that is read no more
  UnknownStateVersion     written by a newer Kinepose
  CorruptState            changed on its way, or with values that no state has
"""

import struct
import zlib

import msgspec
import numpy as np
import zstandard

from model.state import QuantisedMaps, TrackState
from model.values import Array, FrameTransform, Region

MAGIC = b"KPTS"
VERSION = 2

MOST_CELLS = 2 * 64 * 128 * 128
"""Numbers in the maps of one state at most: more is unpacked for nobody."""

_HEADER = struct.Struct("<4sHI")
_COMPRESSION = 3
"""zstd's own default: higher levels cost several times as much and save some percent."""


class StateError(ValueError):
    """A blob that is no TrackState for this Kinepose. The session cannot go on from it."""


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


class _Stored(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """The body.

    Attributes:
        transform: the fields of a FrameTransform in their order; box: x, y, w, h; shape: K, h, w.
        scales: float32 [4, K]: low and step of q, low and step of m.
        levels: zstd of uint8 [2, K, h, w], q and m.
    """

    model: str
    transform: tuple[float, float, float, int, int, float, bool]
    box: tuple[float, float, float, float]
    lost_frames: int
    image_size: tuple[int, int]
    shape: tuple[int, int, int]
    scales: bytes
    levels: bytes


def encode_state(state: TrackState) -> bytes:
    """The state as bytes.

    Raises:
        ValueError: a field is out of range, not finite or does not go with the others.
    """
    problem = _problem(state)
    if problem:
        raise ValueError(f"TrackState: {problem}")
    q, m, t, box = state.q, state.m, state.transform, state.box
    k, h, w = q.levels.shape
    stored = _Stored(
        model=state.model,
        transform=(t.center_x, t.center_y, t.side, t.input_size, t.stride, t.rotation, t.flip),
        box=(box.x, box.y, box.w, box.h),
        lost_frames=state.lost_frames,
        image_size=state.image_size,
        shape=(k, h, w),
        scales=b"".join(scale.astype("<f4").tobytes() for scale in (q.low, q.step, m.low, m.step)),
        levels=zstandard.ZstdCompressor(_COMPRESSION).compress(q.levels.tobytes() + m.levels.tobytes()),
    )
    body = msgspec.msgpack.encode(stored)
    return _HEADER.pack(MAGIC, VERSION, zlib.crc32(body)) + body


def decode_state(blob: bytes) -> TrackState:
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


def _state(stored: _Stored) -> TrackState:
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
        model=stored.model,
        q=_maps(levels[0], scales[0], scales[1]),
        m=_maps(levels[1], scales[2], scales[3]),
        transform=FrameTransform(*stored.transform),
        box=Region(*stored.box),
        lost_frames=stored.lost_frames,
        image_size=stored.image_size,
    )


def _maps(levels: Array, low: Array, step: Array) -> QuantisedMaps:
    return QuantisedMaps(levels.copy(), low.copy(), step.copy())


def _problem(state: TrackState) -> str:
    """What makes this state one that no frame leaves behind; empty where nothing does."""
    if state.q.levels.shape != state.m.levels.shape:
        return f"q {state.q.levels.shape} does not go with m {state.m.levels.shape}"
    if 0 in state.q.levels.shape or 2 * state.q.levels.size > MOST_CELLS:
        return f"maps of {state.q.levels.shape} are impossible"
    scales = np.concatenate([state.q.low, state.q.step, state.m.low, state.m.step])
    if not np.isfinite(scales).all() or min(state.q.step.min(), state.m.step.min()) < 0:
        return "a scale of the maps is not finite, or below 0"
    if min(state.image_size) < 1 or state.lost_frames < 0:
        return f"image_size {state.image_size} or lost_frames {state.lost_frames} is impossible"
    return ""
