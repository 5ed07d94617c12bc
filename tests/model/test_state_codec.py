"""The byte codec of TrackState: exact, small, and never fooled."""

import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.state import TrackState
from model.state_codec import (
    MAGIC,
    VERSION,
    CorruptState,
    ForeignState,
    OldStateVersion,
    StateError,
    TruncatedState,
    UnknownStateVersion,
    decode_state,
    encode_state,
)
from model.values import FrameTransform

HEADER_BYTES = 14
finite = st.floats(allow_nan=False, allow_infinity=False)


def make_state(joints: int = 2, cells: int = 3, **changes: Any) -> TrackState:
    """A plausible state, small unless told otherwise."""
    rng = np.random.default_rng(1)
    state = TrackState(
        model="0123456789abcdef",
        q=rng.random((joints, cells, cells)).astype(np.float16),
        m=rng.random((joints, cells, cells)).astype(np.float16),
        transform=FrameTransform(center_x=101.25, center_y=77.5, side=180.0, input_size=256),
        xy_px=rng.random((joints, 2), np.float32) * 100,
        score=rng.random(joints, np.float32),
        box=(11.5, 7.25, 180.0, 140.0),
        lost_frames=0,
        seq=41,
        pts_us=1_366_667,
        image_size=(640, 480),
    )
    return replace(state, **changes)


@st.composite
def transforms(draw: st.DrawFn) -> FrameTransform:
    """Any crop."""
    side = st.floats(min_value=1e-3, max_value=1e6)
    return FrameTransform(
        center_x=draw(finite),
        center_y=draw(finite),
        side=draw(side),
        input_size=draw(st.sampled_from([64, 128, 256])),
        stride=draw(st.sampled_from([4, 8])),
        rotation=draw(st.floats(-3.2, 3.2)),
        flip=draw(st.booleans()),
    )


@st.composite
def states(draw: st.DrawFn) -> TrackState:
    """Any state, with any bits in its maps: NaN, infinities and negative zeros too."""
    k, h, w = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))
    halves, singles = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
    maps = hnp.arrays(np.uint16, (k, h, w), elements=halves)
    return TrackState(
        model=draw(st.text(max_size=20)),
        q=draw(maps).view(np.float16),
        m=draw(maps).view(np.float16),
        transform=draw(transforms()),
        xy_px=draw(hnp.arrays(np.uint32, (k, 2), elements=singles)).view(np.float32),
        score=draw(hnp.arrays(np.uint32, (k,), elements=singles)).view(np.float32),
        box=draw(st.tuples(finite, finite, finite, finite)),
        lost_frames=draw(st.integers(0, 2**32 - 1)),
        seq=draw(st.integers(0, 2**63 - 1)),
        pts_us=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        image_size=draw(st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))),
    )


def assert_same(got: TrackState, expected: TrackState) -> None:
    """Same values, dtypes, shapes and bits."""
    for name in ("model", "transform", "box", "lost_frames", "seq", "pts_us", "image_size"):
        assert getattr(got, name) == getattr(expected, name), name
    for name in ("q", "m", "xy_px", "score"):
        left, right = getattr(got, name), getattr(expected, name)
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes()), name


def resealed(blob: bytes, offset: int, replacement: bytes) -> bytes:
    """The blob with bytes of its body replaced and a checksum that matches again."""
    body = bytearray(blob[HEADER_BYTES:])
    body[offset : offset + len(replacement)] = replacement
    prefix = struct.pack("<4sHI", MAGIC, VERSION, len(body))
    return prefix + struct.pack("<I", zlib.crc32(bytes(body), zlib.crc32(prefix))) + bytes(body)


@given(states())
def test_a_state_comes_back_bit_for_bit(state: TrackState) -> None:
    """decode(encode(state)) has the same values, dtypes and bits."""
    assert_same(decode_state(encode_state(state)), state)


@given(states())
def test_equal_states_have_equal_bytes(state: TrackState) -> None:
    """The encoding is canonical: what was read encodes to what was read from."""
    blob = encode_state(state)
    assert encode_state(decode_state(blob)) == blob


def test_thirteen_joints_at_64_fit_in_240_kb() -> None:
    """The served model's state stays under 240,000 bytes."""
    assert len(encode_state(make_state(joints=13, cells=64))) <= 240_000


def test_a_decoded_state_is_its_own() -> None:
    """Arrays of a decoded state are ordinary ones: aligned, native and not views of the blob."""
    state = decode_state(encode_state(make_state()))
    for array in (state.q, state.m, state.xy_px, state.score):
        assert array.flags.owndata
        assert array.flags.aligned
        assert array.dtype.isnative


def test_maps_of_any_memory_layout_encode_alike() -> None:
    """A map in Fortran order is the same state as its C-ordered twin."""
    state = make_state()
    assert encode_state(replace(state, q=np.asfortranarray(state.q))) == encode_state(state)


@given(st.data())
def test_a_truncated_state_says_so(data: st.DataObject) -> None:
    """Whatever is cut off the end, the error is TruncatedState."""
    blob = encode_state(make_state())
    with pytest.raises(TruncatedState):
        decode_state(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(st.data())
def test_a_flipped_byte_never_passes(data: st.DataObject) -> None:
    """Any change of any one byte, header included, is a typed error."""
    blob = bytearray(encode_state(make_state()))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError):
        decode_state(bytes(blob))


@given(st.integers(HEADER_BYTES, 400), st.integers(1, 255))
def test_a_flipped_byte_of_the_body_is_corruption(position: int, change: int) -> None:
    """Changes behind the header are told apart from other troubles."""
    blob = bytearray(encode_state(make_state(joints=13)))
    blob[position] ^= change
    with pytest.raises(CorruptState, match="checksum"):
        decode_state(bytes(blob))


@given(st.binary(min_size=1, max_size=300).filter(lambda blob: not MAGIC.startswith(blob[:4])))
def test_foreign_bytes_are_foreign(blob: bytes) -> None:
    """Bytes that do not begin as a state does are ForeignState."""
    with pytest.raises(ForeignState):
        decode_state(blob)


@given(st.binary(max_size=300))
def test_noise_behind_the_magic_is_a_typed_error(noise: bytes) -> None:
    """Noise that begins like a state raises StateError and nothing else."""
    with pytest.raises(StateError):
        decode_state(MAGIC + noise)


@pytest.mark.parametrize(("version", "kind"), [(VERSION - 1, OldStateVersion), (VERSION + 1, UnknownStateVersion)])
def test_another_version_is_told_from_damage(version: int, kind: type[StateError]) -> None:
    """Older and newer forms have errors of their own, and the message names both versions."""
    blob = encode_state(make_state())
    with pytest.raises(kind, match=f"expected version {VERSION}, got {version}"):
        decode_state(blob[:4] + struct.pack("<H", version) + blob[6:])


def test_bytes_behind_the_end_are_corruption() -> None:
    """Two states glued together are not one."""
    blob = encode_state(make_state())
    with pytest.raises(CorruptState):
        decode_state(blob + blob)


@given(st.integers(0, 130), st.binary(min_size=1, max_size=8))
def test_scalars_overwritten_under_a_right_checksum_do_no_harm(offset: int, replacement: bytes) -> None:
    """A well-sealed blob with other scalars is a state or CorruptState, never another exception."""
    blob = resealed(encode_state(make_state()), offset, replacement)
    try:
        assert_same(decode_state(encode_state(decode_state(blob))), decode_state(blob))
    except CorruptState:
        assert blob != encode_state(make_state())


@pytest.mark.parametrize(
    ("offset", "replacement"),
    [
        (0, struct.pack("<q", -1)),
        (12, b"\x02"),
        (21, struct.pack("<I", 0)),
        (29, struct.pack("<d", float("nan"))),
        (77, struct.pack("<d", -5.0)),
        (89, struct.pack("<I", 0)),
        (102, struct.pack("<H", 0)),
        (102, struct.pack("<H", 60_000)),
        (110, b"\xff\xfe"),
    ],
    ids=["seq", "pts flag", "width", "box", "side", "stride", "no joints", "many joints", "model"],
)
def test_impossible_values_are_corruption(offset: int, replacement: bytes) -> None:
    """Values that no state has are refused although the checksum is right."""
    with pytest.raises(CorruptState):
        decode_state(resealed(encode_state(make_state()), offset, replacement))


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": -1},
        {"seq": 2**63},
        {"lost_frames": -1},
        {"image_size": (0, 480)},
        {"box": (0.0, 0.0, float("inf"), 1.0)},
        {"score": np.zeros(3, np.float32)},
        {"score": np.zeros(2, np.float64)},
        {"m": np.zeros((2, 3, 4), np.float16)},
        {"model": "\ud800"},
    ],
    ids=["seq", "huge seq", "lost", "size", "box", "scores", "score type", "map shape", "model"],
)
def test_what_could_not_be_read_back_is_not_written(changes: dict[str, Any]) -> None:
    """encode refuses a state that decode would refuse."""
    with pytest.raises(ValueError, match=r"TrackState|surrogates"):
        encode_state(make_state(**changes))
