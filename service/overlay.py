"""Skeletons drawn over pictures and clips."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from model.skeletons import KINEPOSE_13, Skeleton
from model.values import Array, Frame, Pose
from service.messages import FrameResult
from service.timestamps import FALLBACK_RATE, MICROSECONDS
from service.video import MAX_PIXELS, MAX_SECONDS, open_video

SKELETONS = {skeleton.name: skeleton for skeleton in (KINEPOSE_13,)}

# RGB. The person's own left and right; what has no side, or both.
SIDE_COLOURS = {"left": (64, 180, 255), "right": (255, 128, 40)}
MIDDLE_COLOUR = (240, 240, 120)
OUTLINE = (20, 20, 20)

LOW_SCORE = 0.3
"""A joint below it is drawn as a ring, and its bones faintly: it is more a guess than a sighting."""
FAINT = 0.35
SUBPIXEL_BITS = 4
LONGEST_COORDINATE = 30_000  # OpenCV draws with 32-bit fixed point: a joint far outside must not overflow it


def draw_pose(rgb: Array, pose: Pose, skeleton: Skeleton) -> Array:
    """A copy of the picture uint8 [H, W, 3] with the joints and bones of one person on it.

    Colours tell the person's left (blue) from right (orange); line widths follow the picture's size.

    Raises:
        ValueError: the pose has another number of joints than the skeleton.
    """
    if len(pose.score) != len(skeleton):
        raise ValueError(f"{skeleton.name} has {len(skeleton)} joints, the pose {len(pose.score)}")
    width = _line_width(rgb)
    seen = pose.score >= LOW_SCORE
    points = np.clip(pose.xy_px, -LONGEST_COORDINATE, LONGEST_COORDINATE)
    # Contiguous, and ours: OpenCV draws in place.
    guesses = np.array(rgb, order="C")
    _draw_bones(guesses, points, [bone for bone in skeleton.bones if not seen[list(bone)].all()], skeleton, width)
    picture = cv2.addWeighted(guesses, FAINT, rgb, 1 - FAINT, 0)
    _draw_bones(picture, points, [bone for bone in skeleton.bones if seen[list(bone)].all()], skeleton, width)
    for joint, name in enumerate(skeleton.joints):
        _draw_joint(picture, points[joint], _colour(name), width, filled=bool(seen[joint]))
    return picture


def _line_width(rgb: Array) -> int:
    height, width = rgb.shape[:2]
    return max(1, round(min(int(height), int(width)) / 160))


def _draw_bones(
    picture: Array, points: Array, bones: Iterable[tuple[int, int]], skeleton: Skeleton, width: int
) -> None:
    for start, end in bones:
        colour = _bone_colour(skeleton.joints[start], skeleton.joints[end])
        line = (_fixed(points[start]), _fixed(points[end]))
        cv2.line(picture, *line, OUTLINE, width + 2, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.line(picture, *line, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_joint(picture: Array, point: Array, colour: tuple[int, int, int], width: int, *, filled: bool) -> None:
    radius = round(1.6 * width + 1) << SUBPIXEL_BITS
    if filled:
        cv2.circle(picture, _fixed(point), radius + (1 << SUBPIXEL_BITS), OUTLINE, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    cv2.circle(picture, _fixed(point), radius, colour, -1 if filled else 1, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(point: Array) -> tuple[int, int]:
    x, y = np.round(point * (1 << SUBPIXEL_BITS)).astype(int)
    return int(x), int(y)


def _colour(joint: str) -> tuple[int, int, int]:
    return SIDE_COLOURS.get(joint.partition("_")[0], MIDDLE_COLOUR)


def _bone_colour(start: str, end: str) -> tuple[int, int, int]:
    """The side's colour where the bone has one: a bone from the head belongs to the other end's side."""
    sides = {_colour(start), _colour(end)} - {MIDDLE_COLOUR}
    return sides.pop() if len(sides) == 1 else MIDDLE_COLOUR


class OverlayWriter:
    """Writes pictures with skeletons as H.264 (yuv420p) in MP4, at the clip's own times; `open_overlay`."""

    def __init__(self, container: OutputContainer, size: tuple[int, int], rate: Fraction | None) -> None:
        self._container = container
        self._stream = _add_stream(container, size, rate or FALLBACK_RATE)

    def write(self, frame: Frame, result: FrameResult | None) -> None:
        """Add a frame; without a pose it is shown as it is. Frames come in the order of their pts_us."""
        rgb = frame.rgb
        if result is not None and result.pose is not None:
            rgb = draw_pose(rgb, result.pose, SKELETONS[result.skeleton])
        picture = VideoFrame.from_ndarray(_padded_to_even(rgb), "rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        picture.pts, picture.time_base = frame.pts_us, Fraction(1, MICROSECONDS)
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def open_overlay(path: Path, size: tuple[int, int], rate: Fraction | None) -> Iterator[OverlayWriter]:
    """A writer for frames of `size` (width, height; odd ones are padded), complete once the block ends."""
    with av.open(str(path), "w", format="mp4") as container:
        writer = OverlayWriter(container, size, rate)
        yield writer
        writer.finish()


def render_overlay(
    clip_path: Path,
    results: Iterable[FrameResult],
    out_path: Path,
    max_seconds: float = MAX_SECONDS,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """The clip with the skeletons of `results` on it, one picture a result.

    A clip that breaks off is so drawn up to there. Frames are upright, times the clip's own, without sound.

    Raises:
        KineposeError: as reading the clip does.
    """
    with (
        open_video(clip_path, max_seconds, max_pixels) as video,
        open_overlay(out_path, video.size, video.rate) as out,
    ):
        # Results first: when they end, the clip is not read on into the place where it is broken.
        for result, frame in zip(results, video, strict=False):
            out.write(frame, result)


def _add_stream(container: OutputContainer, size: tuple[int, int], rate: Fraction) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
    stream.width, stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, MICROSECONDS)
    context = stream.codec_context
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _padded_to_even(rgb: Array) -> Array:
    """yuv420p halves its colour planes: an odd side repeats its last row or column."""
    bottom, right = rgb.shape[0] % 2, rgb.shape[1] % 2
    if not (bottom or right):
        return rgb
    return cv2.copyMakeBorder(rgb, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
