"""Pictures that are whole, though something about them is unusual, or that say how they are to be turned.

Source: https://github.com/ZoneMinder/zoneminder/issues/279 and https://github.com/lovell/sharp/issues/1578 (cameras and
phones write JPEGs that libjpeg warns of), https://github.com/libjpeg-turbo/libjpeg-turbo/issues/92 and
https://github.com/libjpeg-turbo/libjpeg-turbo/issues/323 (odd chroma sampling),
https://github.com/zulip/zulip/issues/8177 and https://github.com/sumatrapdfreader/sumatrapdf/issues/1544 (EXIF in PNG
and WebP).
Right: read as any other picture. An error only where pixels are missing, whatever warning comes first.
"""

import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from model.values import Array, Frame
from service.errors import BadImage
from service.media.image import decode, read_header
from service.media.jpeg import with_usual_header
from tests.support.jpegs import (
    jpeg_of,
    with_adobe_transform,
    with_jfif_revision,
    with_padding,
    with_sampling,
    with_spectral_end,
)
from tests.support.pictures import encoded, smooth_picture


def read(image: bytes) -> Frame:
    """Decode."""
    return decode(image, read_header(image))


@pytest.fixture
def picture() -> Array:
    """Some detail, so that its JPEG has data in all places."""
    return np.asarray(
        np.clip(smooth_picture(160, 120) + np.random.default_rng(0).normal(0, 9, (120, 160, 3)), 0, 255), np.uint8
    )


def progressive(rgb: Array) -> bytes:
    """A JPEG in several scans."""
    return encoded(rgb, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def restarting(rgb: Array) -> bytes:
    """A JPEG with restart markers."""
    return encoded(rgb, ".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 4)


ENCODERS = [jpeg_of, progressive, restarting]

HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "a scan that says it holds one coefficient": lambda image: with_spectral_end(image, 0),
    "another JFIF revision": lambda image: with_jfif_revision(image, 7),
    "an unknown colour transform": lambda image: with_adobe_transform(image, 7),
    "padding before the end": with_padding,
    "stray bytes before the end": lambda image: with_padding(image, bytes(range(1, 90))),
    "stray bytes in the header": lambda image: image[:2] + b"\x01\x02\x03" + image[2:],
    "no end mark": lambda image: image[:-2],
    "several of these": lambda image: with_padding(with_jfif_revision(with_spectral_end(image, 0), 7)),
}


@pytest.mark.parametrize("oddity", HARMLESS)
def test_a_jpeg_with_a_harmless_oddity_is_read(picture: Array, oddity: str) -> None:
    """It has the pixels that it would have without."""
    image = jpeg_of(picture)
    odd = HARMLESS[oddity](image)
    assert odd != image

    assert np.array_equal(read(odd).rgb, read(image).rgb)


def test_a_scan_header_that_is_too_short_grows_by_nothing() -> None:
    """There is no spectral range in it to be mended."""
    image = b"\xff\xd8\xff\xda\x00\x05\x7f\x00\x00\xff\xd9"

    assert with_usual_header(image) == image


@pytest.mark.parametrize("encode", ENCODERS[1:])
@pytest.mark.parametrize("oddity", ["another JFIF revision", "padding before the end", "stray bytes in the header"])
def test_so_it_is_with_scans_and_restarts(picture: Array, encode: object, oddity: str) -> None:
    """The oddity does not depend on how the data is laid out."""
    assert callable(encode)
    image = encode(picture)

    assert np.array_equal(read(HARMLESS[oddity](image)).rgb, read(image).rgb)


LOSSES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda image: image[: len(image) * 9 // 10],
    "cut off in its last bytes": lambda image: image[:-12],
    "cut off and ended": lambda image: image[: len(image) * 9 // 10] + b"\xff\xd9",
    "an end mark in the middle": lambda image: image[: len(image) // 2] + b"\xff\xd9" + image[len(image) // 2 :],
    "a hole": lambda image: image[: len(image) // 2] + image[len(image) // 2 + 200 :],
}


@pytest.mark.parametrize("oddity", [None, "a scan that says it holds one coefficient", "another JFIF revision"])
@pytest.mark.parametrize("loss", LOSSES)
def test_missing_pixels_are_an_error_whatever_is_said_first(picture: Array, loss: str, oddity: str | None) -> None:
    """libjpeg tells its first warning only: a harmless one does not hide what comes behind it."""
    image = LOSSES[loss](jpeg_of(picture))

    with pytest.raises(BadImage):
        read(HARMLESS[oddity](image) if oddity else image)


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("loss", ["cut off", "cut off and ended", "an end mark in the middle"])
def test_so_it_is_with_other_layouts(picture: Array, encode: object, loss: str) -> None:
    """Scans and restarts."""
    assert callable(encode)

    with pytest.raises(BadImage):
        read(LOSSES[loss](encode(picture)))


SAMPLINGS = [(0x21, 0x11, 0x11), (0x22, 0x11, 0x11), (0x41, 0x11, 0x11), (0x12, 0x11, 0x11)]
ODD_SAMPLINGS = [(0x22, 0x12, 0x12), (0x22, 0x21, 0x12), (0x21, 0x21, 0x21), (0x21, 0x11, 0x21), (0x12, 0x12, 0x11)]


def with_blocks_of_one_colour(*factors: int) -> bytes:
    """A grey JPEG of 64 x 48 pixels under any sampling factors: every block says "as the one before"."""
    image = jpeg_of(np.full((48, 64, 3), 128, np.uint8))
    changed = with_sampling(image, *factors)
    scan = changed.index(b"\xff\xda")
    header = int.from_bytes(changed[scan + 2 : scan + 4], "big")
    # Difference 0, end of block: 00 1010 for brightness, 00 00 for colour, of the usual tables.
    blocks = [(factor >> 4) * (factor & 15) for factor in factors]
    unit = "001010" * blocks[0] + "0000" * (blocks[1] + blocks[2])
    across, down = max(f >> 4 for f in factors), max(f & 15 for f in factors)
    units = -(-64 // (8 * across)) * -(-48 // (8 * down))
    bits = unit * units
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    return changed[: scan + 2 + header] + data + b"\xff\xd9"


@pytest.mark.parametrize("factors", [*SAMPLINGS, *ODD_SAMPLINGS])
def test_colour_may_be_sampled_in_any_way(factors: tuple[int, ...]) -> None:
    """Also in ways that TurboJPEG has no name for."""
    rgb = read(with_blocks_of_one_colour(*factors)).rgb

    assert rgb.shape == (48, 64, 3)
    assert np.all(rgb == 128)


def test_a_jpeg_of_odd_sampling_that_breaks_off_is_an_error() -> None:
    """As any other."""
    with pytest.raises(BadImage):
        read(with_blocks_of_one_colour(0x22, 0x12, 0x12)[:-8])


def exif(value: int, order: str) -> bytes:
    """An EXIF block with the orientation tag."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)


def png_with(image: bytes, block: bytes, *, last: bool = False) -> bytes:
    """The PNG with an EXIF chunk, before its data or as the last one before its end."""
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    at = len(image) - 12 if last else 33
    return image[:at] + chunk + image[at:]


def webp_with(image: bytes, block: bytes, size: tuple[int, int]) -> bytes:
    """The WebP as an extended file with an EXIF chunk."""
    canvas = struct.pack("<I", 8) + b"".join((side - 1).to_bytes(3, "little") for side in size)
    parts = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + image[12:]
    parts += b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2)
    return b"RIFF" + struct.pack("<I", len(parts)) + parts


TURNED: dict[int, tuple[int, Callable[[Array], Array]]] = {
    1: (0, lambda p: p),
    3: (180, lambda p: p[::-1, ::-1]),
    6: (90, lambda p: np.rot90(p, -1)),
    8: (270, np.rot90),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", TURNED)
@pytest.mark.parametrize("last", [False, True])
def test_a_png_is_turned_by_its_exif_block(picture: Array, value: int, order: str, last: bool) -> None:
    """Wherever the chunk stands."""
    turn, turned = TURNED[value]

    frame = read(png_with(encoded(picture), exif(value, order), last=last))

    assert frame.rotation_applied == turn
    assert np.array_equal(frame.rgb, turned(picture))


@pytest.mark.parametrize("mark", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("value", TURNED)
def test_a_webp_is_turned_by_its_exif_block(picture: Array, value: int, mark: bytes) -> None:
    """With and without the mark that some writers put before it."""
    turn, turned = TURNED[value]
    plain = encoded(picture, ".webp", cv2.IMWRITE_WEBP_QUALITY, 101)

    frame = read(webp_with(plain, mark + exif(value, "<"), (160, 120)))

    assert frame.rotation_applied == turn
    assert np.array_equal(frame.rgb, turned(picture))


@pytest.mark.parametrize("block", [b"", b"II*\0", b"II*\0\xff\xff\xff\x00", exif(99, "<")])
def test_a_damaged_exif_block_does_not_harm_a_picture(picture: Array, block: bytes) -> None:
    """The pixels are whole: the picture counts as upright."""
    plain = encoded(picture, ".webp", cv2.IMWRITE_WEBP_QUALITY, 101)

    for image in (png_with(encoded(picture), block), webp_with(plain, block, (160, 120))):
        frame = read(image)
        assert frame.rotation_applied == 0
        assert np.array_equal(frame.rgb, picture)
