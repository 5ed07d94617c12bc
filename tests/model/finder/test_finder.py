"""The finder against the published graph, which TFJS 4.22 ran in node, on the CPU, from the published file."""

from pathlib import Path

import av
import numpy as np
import pytest

from model.coords import crop_input, letterbox_transform
from model.finder.base import to_frame
from model.finder.finder import PUBLISHED_SIZE, MultiPoseFinder
from model.values import Array, Frame
from model.zoo import BadWeights

CLIP = Path(__file__).parents[3] / "service/demo/clip.mp4"

# Frame -> y0, x0, y1, x1, score; then y and x of shoulders, hips and ankles, left before right: shares of the picture.
TFJS = {
    0: (
        (0.3017, 0.1584, 0.7050, 0.3156, 0.5957),
        (0.3832, 0.2651, 0.3806, 0.1946, 0.4887, 0.2487, 0.4889, 0.2104, 0.6445, 0.2014, 0.6643, 0.2236),
    ),
    60: (
        (0.2678, 0.4586, 0.7966, 0.6151, 0.6380),
        (0.3742, 0.5882, 0.3738, 0.4851, 0.5236, 0.5651, 0.5224, 0.5124, 0.7141, 0.5221, 0.7404, 0.4902),
    ),
}
COMPARED = [5, 6, 11, 12, 15, 16]


@pytest.fixture(scope="module")
def finder() -> MultiPoseFinder:
    """The bundled one."""
    return MultiPoseFinder(size=PUBLISHED_SIZE, threads=1)


@pytest.fixture(scope="module")
def frames() -> list[Array]:
    """The demo clip's, up to the last that is compared."""
    with av.open(str(CLIP)) as container:
        decoded = zip(range(max(TFJS) + 1), container.decode(video=0), strict=False)
        return [frame.to_ndarray(format="rgb24") for _, frame in decoded]


def letterboxed(frame: Array) -> Array:
    """The whole frame as the finder reads it."""
    return crop_input(Frame(frame), letterbox_transform(frame.shape[1], frame.shape[0], PUBLISHED_SIZE))


@pytest.mark.parametrize("t", TFJS)
def test_it_finds_what_the_published_graph_finds(finder: MultiPoseFinder, frames: list[Array], t: int) -> None:
    """Boxes and joints to a pixel of 256; scores nearly, as the published graph mixes in those of other peaks."""
    [[person]] = finder.find([letterboxed(frames[t])])
    box, joints = TFJS[t]
    np.testing.assert_allclose(person.box[[1, 0, 3, 2]], box[:4], atol=1 / PUBLISHED_SIZE)
    np.testing.assert_allclose(person.xy[COMPARED][:, ::-1].ravel(), joints, atol=1 / PUBLISHED_SIZE)
    assert person.score == pytest.approx(box[4], abs=0.02)


def test_a_batch_is_its_members(finder: MultiPoseFinder, frames: list[Array]) -> None:
    """Bit for bit."""
    pictures = [letterboxed(frames[t]) for t in TFJS]
    for together, picture in zip(finder.find(pictures), pictures, strict=True):
        [alone] = finder.find([picture])
        assert [p.score for p in together] == [p.score for p in alone]
        np.testing.assert_array_equal(together[0].xy, alone[0].xy)


def test_what_is_found_lies_in_the_frame_s_pixels(finder: MultiPoseFinder, frames: list[Array]) -> None:
    """The window's map is undone: the box holds the joints' middle, and both lie in the frame."""
    window = letterbox_transform(640, 480, PUBLISHED_SIZE)
    [[person]] = finder.find([letterboxed(frames[60])])
    found = to_frame(person, window)
    x, y = found.xy.mean(axis=0)
    assert found.xy.shape == (13, 2)
    assert found.region.x < x < found.region.x + found.region.w <= 640
    assert found.region.y < y < found.region.y + found.region.h <= 480


def test_nobody_is_found_in_a_grey_picture(finder: MultiPoseFinder) -> None:
    """No peak is high enough."""
    assert finder.find([np.full((PUBLISHED_SIZE, PUBLISHED_SIZE, 3), 128, np.uint8)]) == [[]]


def test_a_picture_of_another_size_is_refused(finder: MultiPoseFinder) -> None:
    """With expected and got."""
    with pytest.raises(ValueError, match="expected uint8"):
        finder.find([np.zeros((8, 8, 3), np.uint8)])


def test_other_files_are_refused(tmp_path: Path) -> None:
    """Missing, and not of this form."""
    with pytest.raises(BadWeights):
        MultiPoseFinder(tmp_path / "missing.safetensors")
    (tmp_path / "odd.safetensors").write_bytes(b"odd")
    with pytest.raises(BadWeights):
        MultiPoseFinder(tmp_path / "odd.safetensors")
