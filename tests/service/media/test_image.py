"""Image bytes to frames, whole and broken."""

import struct

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.values import Array, Frame
from service.errors import BadImage, ImageTooLarge, KineposeError, TooLarge
from service.media.image import checked_header, decode, read_header
from tests.support.pictures import encoded, png_bomb, smooth_picture, with_exif_orientation

MAX_BYTES = 1 << 20
MAX_PIXELS = 1 << 20


def read(image: bytes) -> Frame:
    """Decode with limits that no test picture meets."""
    return decode(image, checked_header(image, MAX_BYTES, MAX_PIXELS))


@pytest.fixture
def picture() -> Array:
    """A small colourful picture."""
    return smooth_picture()


@pytest.mark.parametrize("extension", [".png", ".bmp"])
def test_a_lossless_picture_comes_out_exactly(picture: Array, extension: str) -> None:
    """RGB order, size and every pixel are as they went in."""
    frame = read(encoded(picture, extension))

    assert np.array_equal(frame.rgb, picture)
    assert frame.rotation_applied == 0


def test_a_lossless_webp_comes_out_exactly(picture: Array) -> None:
    """A WebP quality above 100 asks OpenCV for lossless."""
    image = encoded(picture, ".webp", cv2.IMWRITE_WEBP_QUALITY, 101)

    assert np.array_equal(read(image).rgb, picture)


@pytest.mark.parametrize("extension", [".jpg", ".webp"])
def test_a_lossy_picture_comes_out_nearly(picture: Array, extension: str) -> None:
    """Loss is small, so channels are in the right order."""
    difference = read(encoded(picture, extension)).rgb.astype(int) - picture

    assert np.abs(difference).mean() < 6


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_a_grey_picture_gets_three_equal_channels(picture: Array, extension: str) -> None:
    """The network always sees three channels."""
    done, data = cv2.imencode(extension, picture[..., 0])
    assert done

    rgb = read(data.tobytes()).rgb

    assert rgb.shape == picture.shape
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


def test_transparency_is_left_out(picture: Array) -> None:
    """An RGBA picture gives its colours, whatever their opacity."""
    transparent = np.dstack([picture[..., ::-1], np.zeros(picture.shape[:2], np.uint8)])
    done, data = cv2.imencode(".png", transparent)
    assert done

    assert np.array_equal(read(data.tobytes()).rgb, picture)


def test_sixteen_bits_become_eight() -> None:
    """The upper eight bits of each value count."""
    done, data = cv2.imencode(".png", np.full((8, 8, 3), 0x8000, np.uint16))
    assert done

    assert np.all(read(data.tobytes()).rgb == 0x80)


def test_a_cmyk_jpeg_becomes_rgb(picture: Array) -> None:
    """Print files decode too; inverted inks, as JPEG stores them, are those of the RGB channels."""
    inks = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    image = simplejpeg.encode_jpeg(np.ascontiguousarray(inks), quality=95, colorspace="CMYK")

    difference = read(image).rgb.astype(int) - picture

    assert np.abs(difference).mean() < 6


UPRIGHT_BY_EXIF = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: np.rot90(p, 1),
}
TURN_BY_EXIF = {1: 0, 2: 0, 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_applied_and_told(picture: Array, value: int, order: str) -> None:
    """All eight orientations, in both byte orders, give the picture as a viewer shows it."""
    jpeg = encoded(picture, ".jpg")

    frame = read(with_exif_orientation(jpeg, value, order))

    assert np.array_equal(frame.rgb, UPRIGHT_BY_EXIF[value](read(jpeg).rgb))
    assert frame.rotation_applied == TURN_BY_EXIF[value]


def test_a_damaged_exif_segment_does_not_harm_the_picture(picture: Array) -> None:
    """The pixels are whole: the picture counts as upright."""
    jpeg = encoded(picture, ".jpg")
    body = b"Exif\0\0II*\0\xff\xff\xff\x00"
    damaged = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]

    assert np.array_equal(read(damaged).rgb, read(jpeg).rgb)


def test_stray_bytes_in_a_webcam_jpeg_are_tolerated(picture: Array) -> None:
    """Some cameras pad with bytes that are no marker; the picture is whole all the same."""
    jpeg = encoded(picture, ".jpg")
    frame = read(jpeg)

    assert np.array_equal(read(jpeg[:-2] + b"\0\0\0" + jpeg[-2:]).rgb, frame.rgb)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_picture_is_a_bad_image(picture: Array, extension: str, share: float) -> None:
    """No half-grey frame gets through as if it were whole."""
    image = encoded(picture, extension)

    with pytest.raises(BadImage):
        read(image[: int(len(image) * share)])


def test_a_png_chunk_longer_than_the_file_gets_no_memory(picture: Array) -> None:
    """OpenCV makes room for as much as a chunk says, up to 2 GB, before it finds that the file breaks off."""
    image = encoded(picture)
    pixels = image.index(b"IDAT") - 4

    with pytest.raises(BadImage, match=r"^a cut off PNG"):
        read(image[:pixels] + b"\x7f\xff\xff\xff" + image[pixels + 4 :])


def test_what_comes_after_a_png_does_not_matter(picture: Array) -> None:
    """Also where it looks like a chunk of gigabytes."""
    image = encoded(picture)

    assert np.array_equal(read(image + b"\x7f\xff\xff\xffIDAT").rgb, picture)


@pytest.mark.parametrize("image", [b"", b"\xff", b"BM", b"hello, I am a JPEG", b"\xff\xd8\xff", b"GIF89a" + bytes(99)])
def test_what_is_no_picture_is_a_bad_image(image: bytes) -> None:
    """Empty, text, a bare marker, a format that is not taken."""
    with pytest.raises(BadImage):
        read(image)


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    """20,000 x 20,000 pixels in a few kilobytes are not decoded: the header alone gives the same answer."""
    bomb = png_bomb()

    with pytest.raises(ImageTooLarge, match="20000 x 20000"):
        checked_header(bomb, MAX_BYTES, 40_000_000)
    with pytest.raises(ImageTooLarge):
        checked_header(bomb[:33], MAX_BYTES, 40_000_000)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
def test_every_format_tells_its_size_before_it_is_decoded(extension: str) -> None:
    """The pixel limit holds for each of them, at the exact number."""
    image = encoded(smooth_picture(50, 31), extension)

    assert decode(image, checked_header(image, MAX_BYTES, 50 * 31)).size == (50, 31)
    with pytest.raises(ImageTooLarge, match="50 x 31"):
        checked_header(image, MAX_BYTES, 50 * 31 - 1)


def test_a_lossless_webp_tells_its_size_too() -> None:
    """Lossless WebP has a header of its own."""
    header = read_header(encoded(smooth_picture(50, 31), ".webp", cv2.IMWRITE_WEBP_QUALITY, 101))

    assert (header.width, header.height) == (50, 31)


def test_too_many_bytes_are_refused_first(picture: Array) -> None:
    """The byte limit comes before any look at the content."""
    image = encoded(picture)

    with pytest.raises(TooLarge):
        checked_header(image, len(image) - 1, MAX_PIXELS)


HEADS = [
    b"",
    b"\xff\xd8\xff\xe1",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"BM",
]


@settings(max_examples=200, deadline=None)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=200))
@example(head=b"\x89PNG\r\n\x1a\n", rest=bytes(64))
def test_random_bytes_end_in_a_typed_error_or_a_frame(head: bytes, rest: bytes) -> None:
    """Whatever comes in, nothing but a KineposeError comes out."""
    try:
        frame = read(head + rest)
    except KineposeError:
        return
    assert frame.rgb.size > 0
