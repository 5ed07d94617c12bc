"""The byte codec of SessionState: exact, small, and never fooled."""

import struct
import zlib
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.state import MOST_TRACKS, SCENE_BYTES, FilterState, QuantisedMaps, SessionState, TrackState, quantise
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
from model.values import FrameTransform, Region

HEADER_BYTES = 10
finite = st.floats(allow_nan=False, allow_infinity=False)
sides = st.floats(min_value=1e-3, max_value=1e6)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
positives = st.floats(min_value=0, width=32, allow_nan=False, allow_infinity=False)


def make_track(joints: int = 2, cells: int = 3, **changes: Any) -> TrackState:
    """A plausible track, small unless told otherwise."""
    rng = np.random.default_rng(1)
    track = TrackState(
        track_id=1,
        q=quantise(rng.random((joints, cells, cells))),
        m=quantise(rng.random((joints, cells, cells))),
        transform=FrameTransform(center_x=101.25, center_y=77.5, side=180.0, input_size=256),
        box=Region(11.5, 7.25, 180.0, 140.0),
        last_region=Region(10.5, 7.0, 170.0, 140.0),
        lost_frames=0,
        velocity=(1.5, -0.25),
        course=(99.5, 70.0),
    )
    return replace(track, **changes)


def make_state(track: TrackState | None = None, **changes: Any) -> SessionState:
    """A plausible state of one track, or of this one."""
    return replace(SessionState("0123456789abcdef", (640, 480), (track or make_track(),), 2), **changes)


@st.composite
def transforms(draw: st.DrawFn) -> FrameTransform:
    """Any crop."""
    return FrameTransform(
        center_x=draw(finite),
        center_y=draw(finite),
        side=draw(sides),
        input_size=draw(st.sampled_from([64, 128, 256])),
        stride=draw(st.sampled_from([4, 8])),
        rotation=draw(st.floats(-3.2, 3.2)),
        flip=draw(st.booleans()),
    )


@st.composite
def quantised(draw: st.DrawFn, shape: tuple[int, int, int]) -> QuantisedMaps:
    """Any maps of that shape."""
    return QuantisedMaps(
        draw(hnp.arrays(np.uint8, shape)),
        draw(hnp.arrays(np.float32, shape[:1], elements=singles)),
        draw(hnp.arrays(np.float32, shape[:1], elements=positives)),
    )


@st.composite
def tracks(draw: st.DrawFn, track_id: int) -> TrackState:
    """Any track of that number."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))
    return TrackState(
        track_id=track_id,
        q=draw(quantised(shape)),
        m=draw(quantised(shape)),
        transform=draw(transforms()),
        box=Region(draw(finite), draw(finite), draw(sides), draw(sides)),
        last_region=Region(draw(finite), draw(finite), draw(sides), draw(sides)),
        lost_frames=draw(st.integers(0, 2**32 - 1)),
        velocity=draw(st.tuples(finite, finite)),
        course=draw(st.none() | st.tuples(finite, finite)),
    )


@st.composite
def filters(draw: st.DrawFn, track_id: int) -> FilterState:
    """Any filter of that number."""
    numbers = hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.just(2)))
    xy = draw(numbers)
    return FilterState(track_id, draw(finite), xy, draw(hnp.arrays(np.float64, xy.shape)))


@st.composite
def states(draw: st.DrawFn) -> SessionState:
    """Any state, of nobody to three people."""
    ids = draw(st.lists(st.integers(1, 2**32 - 1), max_size=3, unique=True))
    return SessionState(
        model=draw(st.text(st.characters(codec="utf-8"), max_size=20)),
        image_size=draw(st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))),
        tracks=tuple(draw(tracks(track_id)) for track_id in ids),
        next_id=max(ids, default=0) + draw(st.integers(1, 1000)),
        looked_ago=draw(st.integers(0, 2**32 - 1)),
        looked_us=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        filters=tuple(draw(filters(track_id)) for track_id in ids),
        scene=draw(st.sampled_from([b"", bytes(SCENE_BYTES), bytes(range(SCENE_BYTES))])),
    )


def assert_same(got: SessionState, expected: SessionState) -> None:
    """Same values, dtypes, shapes and bits."""
    for name in ("model", "image_size", "next_id", "looked_ago", "looked_us", "scene"):
        assert getattr(got, name) == getattr(expected, name), name
    for mine, theirs in zip(got.tracks, expected.tracks, strict=True):
        for name in ("track_id", "transform", "box", "last_region", "lost_frames", "velocity", "course"):
            assert getattr(mine, name) == getattr(theirs, name), name
    for one, other in zip(got.filters, expected.filters, strict=True):
        assert (one.track_id, one.time_s) == (other.track_id, other.time_s)
    for left, right in zip(arrays_of(got), arrays_of(expected), strict=True):
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


def arrays_of(state: SessionState) -> list[np.ndarray[Any, Any]]:
    """All arrays of a state."""
    maps = [part for track in state.tracks for part in (track.q, track.m)]
    of_filters = [array for one in state.filters for array in (one.xy, one.speed)]
    return [array for part in maps for array in (part.levels, part.low, part.step)] + of_filters


FIELDS = ("model", "image_size", "next_id", "looked_ago", "looked_us", "scene", "tracks", "filters")
TRACK_FIELDS = (
    "track_id",
    "transform",
    "box",
    "last_region",
    "lost_frames",
    "velocity",
    "course",
    "shape",
    "scales",
    "levels",
)


def resealed(**changes: Any) -> bytes:
    """A state's bytes with fields of its body or of its track replaced, and a checksum that matches."""
    values = dict(zip(FIELDS, msgspec.msgpack.decode(encode_state(make_state())[HEADER_BYTES:]), strict=True))
    track = dict(zip(TRACK_FIELDS, values["tracks"][0], strict=True))
    track |= {name: value for name, value in changes.items() if name not in FIELDS}
    values["tracks"] = [[*track.values()]]
    values |= {name: value for name, value in changes.items() if name in FIELDS}
    body = msgspec.msgpack.encode([*values.values()])
    return struct.pack("<4sHI", MAGIC, VERSION, zlib.crc32(body)) + body


def zeros(count: int) -> bytes:
    """That many zero bytes, packed."""
    return zstandard.ZstdCompressor().compress(bytes(count))


@given(states())
def test_a_state_comes_back_bit_for_bit(state: SessionState) -> None:
    """decode(encode(state)) has the same values, dtypes and bits."""
    assert_same(decode_state(encode_state(state)), state)


@given(states())
def test_equal_states_have_equal_bytes(state: SessionState) -> None:
    """The encoding is canonical: what was read encodes to what was read from."""
    blob = encode_state(state)
    assert encode_state(decode_state(blob)) == blob


@given(hnp.arrays(np.float32, (2, 5, 4), elements=st.floats(-100, 100, width=32)))
def test_quantised_maps_are_within_half_a_step(maps: np.ndarray[Any, Any]) -> None:
    """No number moves by more than half of a 255th of its map's range."""
    span = maps.max(axis=(1, 2)) - maps.min(axis=(1, 2))
    error = np.abs(quantise(maps).maps() - maps).max(axis=(1, 2))
    assert (error <= span / 255 * 0.501 + 1e-4).all()


def test_a_map_whose_range_is_below_all_normal_numbers_is_flat() -> None:
    """Its step has no finite inverse."""
    back = quantise(np.array([[[0.0, 1e-42]]], np.float32)).maps()
    np.testing.assert_allclose(back, 0.0, atol=1e-38)


def test_maps_that_are_not_finite_become_finite() -> None:
    """No infinity gets into a state, and a flat map stays as it is."""
    maps = np.array([[[np.inf, -np.inf], [np.nan, 1.0]], [[7.0, 7.0], [7.0, 7.0]]], np.float32)
    back = quantise(maps).maps()
    assert np.isfinite(back).all()
    np.testing.assert_array_equal(back[1], maps[1])


def test_a_decoded_state_is_its_own() -> None:
    """Arrays of a decoded state are ordinary ones: aligned, native and not views of the blob."""
    for array in arrays_of(decode_state(encode_state(make_state()))):
        assert array.flags.owndata
        assert array.flags.aligned
        assert array.dtype.isnative


def test_maps_of_any_memory_layout_encode_alike() -> None:
    """A map in Fortran order is the same state as its C-ordered twin."""
    track = make_track()
    turned = replace(track.q, levels=np.asfortranarray(track.q.levels))
    assert encode_state(make_state(replace(track, q=turned))) == encode_state(make_state(track))


@given(st.data())
def test_a_truncated_state_is_a_typed_error(data: st.DataObject) -> None:
    """Cut in its header it is TruncatedState; behind it, the checksum tells."""
    blob = encode_state(make_state())
    length = data.draw(st.integers(0, len(blob) - 1))
    with pytest.raises(TruncatedState if length <= HEADER_BYTES else CorruptState):
        decode_state(blob[:length])


@given(st.data())
def test_a_flipped_byte_never_passes(data: st.DataObject) -> None:
    """Any change of any one byte, header included, is a typed error."""
    blob = bytearray(encode_state(make_state()))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError):
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


@given(st.binary(max_size=300))
def test_a_sealed_body_of_noise_is_corruption(noise: bytes) -> None:
    """A right checksum over anything at all does no harm."""
    with pytest.raises(StateError):
        decode_state(struct.pack("<4sHI", MAGIC, VERSION, zlib.crc32(noise)) + noise)


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


@pytest.mark.parametrize(
    "changes",
    [
        {"lost_frames": -1},
        {"lost_frames": "none"},
        {"velocity": (float("nan"), 0.0)},
        {"course": (0.0, float("nan"))},
        {"looked_ago": -1},
        {"looked_us": 2**63},
        {"scene": b"short"},
        {"image_size": (0, 480)},
        {"box": (float("nan"), 1.0, 2.0, 2.0)},
        {"box": (1.0, 1.0, -2.0, 2.0)},
        {"transform": (1.0, 1.0, -5.0, 256, 4, 0.0, False)},
        {"transform": (1.0, 1.0, 5.0, 256, 0, 0.0, False)},
        {"shape": (0, 3, 3)},
        {"shape": (2, 3, 4)},
        {"shape": (60_000, 60_000, 60_000)},
        {"scales": b"short"},
        {"scales": struct.pack("<8f", *[float("nan")] * 8)},
        {"scales": struct.pack("<8f", *[-1.0] * 8)},
        {"levels": b"not zstd"},
        {"levels": zeros(10**7)},
        {"last_region": (1.0, 1.0, 0.0, 2.0)},
        {"track_id": 2},
        {"track_id": -1},
        {"next_id": 1},
        {"next_id": 0, "tracks": []},
        {"tracks": [[]] * (MOST_TRACKS + 1)},
        {"filters": [[1, 0.0, bytes(33)]]},
        {"filters": [[0, 0.0, bytes(32)]]},
        {"filters": [[1, float("nan"), bytes(32)]]},
        {"filters": [[1, 0.0, bytes(32)]] * (MOST_TRACKS + 1)},
        {"more": 1},
    ],
    ids=str,
)
def test_impossible_values_are_corruption(changes: dict[str, Any]) -> None:
    """Values that no state has are refused although the checksum is right, and nothing large is unpacked."""
    assert_same(decode_state(resealed()), make_state())
    with pytest.raises(CorruptState):
        decode_state(resealed(**changes))


@pytest.mark.parametrize(
    "state",
    [
        make_state(make_track(lost_frames=-1)),
        make_state(make_track(velocity=(float("inf"), 0.0))),
        make_state(looked_ago=-1),
        make_state(looked_us=2**63),
        make_state(image_size=(0, 480)),
        make_state(next_id=0, tracks=()),
        make_state(
            make_track(
                q=QuantisedMaps(np.zeros((2, 3, 3), np.uint8), np.full(2, np.nan, np.float32), np.ones(2, np.float32))
            )
        ),
        make_state(filters=(FilterState(0, 0.0, np.zeros((2, 2)), np.zeros((2, 2))),)),
        make_state(model="\ud800"),
    ],
    ids=["lost", "velocity", "looked", "looked at", "size", "next", "scales", "filter", "model"],
)
def test_what_could_not_be_read_back_is_not_written(state: SessionState) -> None:
    """encode refuses a state that decode would refuse."""
    with pytest.raises(ValueError, match=r"SessionState|surrogates"):
        encode_state(state)


def test_maps_of_two_shapes_are_no_track() -> None:
    """q and m lie in one crop."""
    with pytest.raises(ValueError, match="does not go with"):
        make_track(m=quantise(np.zeros((2, 3, 4))))


def test_tracks_of_one_number_are_no_state() -> None:
    """A number is one person's; only places where nobody has been seen yet have none."""
    with pytest.raises(ValueError, match="do not go with"):
        make_state(tracks=(make_track(), make_track()))
    make_state(tracks=(make_track(track_id=0), make_track(track_id=0)))


def test_more_tracks_than_a_session_follows_are_no_state() -> None:
    """Nobody's memory grows without bound."""
    with pytest.raises(ValueError, match="at most 16"):
        make_state(tracks=tuple(make_track(track_id=n) for n in range(1, 18)), next_id=18)
