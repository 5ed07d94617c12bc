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

from model.drawing import bone_colour, draw_bone, draw_joint, joint_colour, line_width
from model.skeletons import KINEPOSE_13, Skeleton
from model.values import Array, Frame, Pose
from service.contract.messages import FrameResult
from service.media.timestamps import FALLBACK_RATE, MICROSECONDS
from service.media.video import MAX_PIXELS, MAX_SECONDS, open_video

SKELETONS = {skeleton.name: skeleton for skeleton in (KINEPOSE_13,)}

LOW_SCORE = 0.3
"""A joint below it is drawn as a ring, and its bones faintly: it is more a guess than a sighting."""
FAINT = 0.35


def draw_pose(rgb: Array, pose: Pose, skeleton: Skeleton) -> Array:
    """A copy of the picture uint8 [H, W, 3] with the joints and bones of one person on it.

    Colours tell the person's left (blue) from right (orange); line widths follow the picture's size.

    Raises:
        ValueError: the pose has another number of joints than the skeleton.
    """
    if len(pose.score) != len(skeleton):
        raise ValueError(f"{skeleton.name} has {len(skeleton)} joints, the pose {len(pose.score)}")
    width = line_width(rgb)
    seen = pose.score >= LOW_SCORE
    # Contiguous, and ours: OpenCV draws in place.
    guesses = np.array(rgb, order="C")
    _draw_bones(guesses, pose.xy_px, [bone for bone in skeleton.bones if not seen[list(bone)].all()], skeleton, width)
    picture = cv2.addWeighted(guesses, FAINT, rgb, 1 - FAINT, 0)
    _draw_bones(picture, pose.xy_px, [bone for bone in skeleton.bones if seen[list(bone)].all()], skeleton, width)
    for joint, name in enumerate(skeleton.joints):
        draw_joint(picture, pose.xy_px[joint], joint_colour(name), width, filled=bool(seen[joint]))
    return picture


def _draw_bones(
    picture: Array, points: Array, bones: Iterable[tuple[int, int]], skeleton: Skeleton, width: int
) -> None:
    for start, end in bones:
        colour = bone_colour(skeleton.joints[start], skeleton.joints[end])
        draw_bone(picture, points[start], points[end], colour, width)


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
