"""Stored pictures to frames."""

from typing import cast

import av.error
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from service.errors import BadClip
from service.media.framing import frame_of
from service.media.limits import ClipLimits
from service.media.shape import Shape


class _Picture:
    """One of 16 x 16."""

    width, height = 16, 16


class _Stubborn:
    """A converter that has no memory, no thread, or no code for a picture."""

    def reformat(self, *wanted: object) -> VideoFrame:
        """FFmpeg's answer where it can start no thread."""
        raise av.error.BlockingIOError(11, "Resource temporarily unavailable")


def test_a_picture_that_ffmpeg_cannot_convert_is_the_clips_fault() -> None:
    """FFmpeg's error is one of the system's, too: it was told as a file that the server cannot read."""
    with pytest.raises(BadClip, match="turned to RGB"):
        frame_of(cast(VideoFrame, _Picture()), Shape((16, 16)), ClipLimits(), cast(VideoReformatter, _Stubborn()))
