"""Stored pictures to frames."""

from typing import cast

import av.error
import pytest
from av.video.frame import VideoFrame

from service.errors import BadClip
from service.media.framing import frame_of
from service.media.limits import ClipLimits
from service.media.shape import Shape


class _Stubborn:
    """A picture for whose conversion there is no memory, no thread, or no code."""

    width, height = 16, 16

    def reformat(self, **wanted: object) -> VideoFrame:
        """FFmpeg's answer where it can start no thread."""
        raise av.error.BlockingIOError(11, "Resource temporarily unavailable")


def test_a_picture_that_ffmpeg_cannot_convert_is_the_clips_fault() -> None:
    """FFmpeg's error is one of the system's, too: it was told as a file that the server cannot read."""
    with pytest.raises(BadClip, match="turned to RGB"):
        frame_of(cast(VideoFrame, _Stubborn()), Shape((16, 16)), ClipLimits())
