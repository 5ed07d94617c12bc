"""TrackState as bytes: what a store keeps and another worker reads back, bit for bit.

    header    magic "KPTS", version u16, body length u32, CRC-32 u32 of the header before it and the body
    body      scalars (_SCALARS), model, xy_px f32 [K, 2], score f32 [K], q f16 [K, h, w], m f16 [K, h, w]

All numbers are little-endian.

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

import numpy as np

from model.state import TrackState
from model.values import Array, FrameTransform

MAGIC = b"KPTS"
VERSION = 1

_PREFIX = struct.Struct("<4sHI")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = _PREFIX.size + _CHECKSUM.size
_SCALARS = struct.Struct(
    "<"
    "qIBq"  # seq, lost_frames, whether there is a pts, pts_us
    "II"  # image width, height
    "4d"  # box
    "3dIIdB"  # transform: center_x, center_y, side, input_size, stride, rotation, flip
    "3HH"  # K, h, w; bytes of the model name
)


class StateError(ValueError):
    """A blob that is no TrackState for this Kinepose. The session cannot go on from it."""


class ForeignState(StateError):
    """The blob does not begin as a state does."""


class TruncatedState(StateError):
    """The blob is shorter than it says."""


class OldStateVersion(StateError):
    """An older Kinepose wrote it, in a form that is read no more."""


class UnknownStateVersion(StateError):
    """A newer Kinepose wrote it."""


class CorruptState(StateError):
    """The checksum does not match, or a value is impossible."""


def encode_state(state: TrackState) -> bytes:
    """The state as bytes; at most 240,000 of them for 13 joints at 64 x 64.

    Raises:
        ValueError: a field is out of range, not finite or does not go with the others. Maps, joints and
            scores may hold anything.
    """
    problem = _problem(state)
    if problem:
        raise ValueError(f"TrackState: {problem}")
    model = state.model.encode()
    try:
        scalars = _pack_scalars(state, len(model))
    except struct.error as error:
        raise ValueError(f"TrackState: a number is too large: {error}") from error
    arrays = ((state.xy_px, "<f4"), (state.score, "<f4"), (state.q, "<f2"), (state.m, "<f2"))
    body = b"".join((scalars, model, *(array.astype(kind).tobytes() for array, kind in arrays)))
    prefix = _PREFIX.pack(MAGIC, VERSION, len(body))
    return prefix + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(prefix))) + body


def decode_state(blob: bytes) -> TrackState:
    """The state that `encode_state` made this of; its arrays are its own.

    Raises:
        StateError: one of its kinds, see the module.
    """
    body = _checked_body(blob)
    try:
        state = _parse(body)
    except (ValueError, struct.error) as error:
        raise CorruptState(f"state: {error}") from error
    problem = _problem(state)
    if problem:
        raise CorruptState(f"state: {problem}")
    return state


def _checked_body(blob: bytes) -> bytes:
    if blob[: len(MAGIC)] != MAGIC[: len(blob)]:
        raise ForeignState(f"expected a state that begins with {MAGIC!r}, got {bytes(blob[:4])!r}")
    if len(blob) < _HEADER_BYTES:
        raise TruncatedState(f"state: expected a header of {_HEADER_BYTES} bytes, got {len(blob)}")
    _, version, length = _PREFIX.unpack_from(blob)
    if version != VERSION:
        kind = OldStateVersion if version < VERSION else UnknownStateVersion
        raise kind(f"state: expected version {VERSION}, got {version}")
    body = blob[_HEADER_BYTES:]
    if len(body) < length:
        raise TruncatedState(f"state: expected {length} bytes after the header, got {len(body)}")
    (checksum,) = _CHECKSUM.unpack_from(blob, _PREFIX.size)
    if len(body) > length or zlib.crc32(body, zlib.crc32(blob[: _PREFIX.size])) != checksum:
        raise CorruptState("state: the checksum does not match")
    return body


def _pack_scalars(state: TrackState, model_bytes: int) -> bytes:
    transform = state.transform
    return _SCALARS.pack(
        state.seq,
        state.lost_frames,
        state.pts_us is not None,
        state.pts_us or 0,
        *state.image_size,
        *state.box,
        transform.center_x,
        transform.center_y,
        transform.side,
        transform.input_size,
        transform.stride,
        transform.rotation,
        transform.flip,
        *state.q.shape,
        model_bytes,
    )


def _parse(body: bytes) -> TrackState:
    seq, lost, has_pts, pts, width, height, *rest = _SCALARS.unpack_from(body)
    box, (center_x, center_y, side, input_size, stride, rotation, flip), (k, h, w, model_bytes) = (
        rest[:4],
        rest[4:11],
        rest[11:],
    )
    if has_pts > 1 or flip > 1 or stride == 0:
        raise ValueError(f"impossible flags or stride: {has_pts}, {flip}, {stride}")
    arrays = _Reader(body, _SCALARS.size)
    return TrackState(
        model=arrays.take(model_bytes).decode(),
        xy_px=arrays.array("<f4", k, 2),
        score=arrays.array("<f4", k),
        q=arrays.array("<f2", k, h, w),
        m=arrays.array("<f2", k, h, w, last=True),
        transform=FrameTransform(center_x, center_y, side, input_size, stride, rotation, bool(flip)),
        box=(box[0], box[1], box[2], box[3]),
        lost_frames=lost,
        seq=seq,
        pts_us=pts if has_pts else None,
        image_size=(width, height),
    )


class _Reader:
    """Takes the parts of a body one after the other."""

    def __init__(self, body: bytes, offset: int) -> None:
        self.body, self.offset = body, offset

    def take(self, size: int) -> bytes:
        part = self.body[self.offset : self.offset + size]
        self.offset += size
        if len(part) < size:
            raise ValueError("its parts are longer than the whole")
        return part

    def array(self, kind: str, *shape: int, last: bool = False) -> Array:
        part = self.take(np.dtype(kind).itemsize * math.prod(shape))
        if last and self.offset != len(self.body):
            raise ValueError("its parts are shorter than the whole")
        stored = np.frombuffer(part, kind).reshape(shape)
        return stored.astype(stored.dtype.newbyteorder("="))


def _problem(state: TrackState) -> str:
    """What makes this state one that no frame leaves behind; empty where nothing does."""
    joints = len(state.q)
    shapes = (state.xy_px.shape, state.score.shape, state.m.shape)
    if shapes != ((joints, 2), (joints,), state.q.shape) or 0 in state.q.shape:
        return f"q {state.q.shape} does not go with xy_px, score and m {shapes}"
    if state.xy_px.dtype != np.float32 or state.score.dtype != np.float32:
        return f"expected xy_px and score in float32, got {state.xy_px.dtype} and {state.score.dtype}"
    transform = state.transform
    numbers = (*state.box, transform.center_x, transform.center_y, transform.side, transform.rotation)
    if not all(math.isfinite(number) for number in numbers):
        return f"box or crop is not finite: {numbers}"
    if min(transform.input_size, transform.stride) < 1:
        return f"input_size {transform.input_size} or stride {transform.stride} is impossible"
    if min(state.image_size) < 1 or min(state.seq, state.lost_frames) < 0:
        return f"image_size {state.image_size}, seq {state.seq} or lost_frames {state.lost_frames} is impossible"
    return ""
