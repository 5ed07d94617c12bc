"""Which of a file's video streams is the film: cameras put thumbnails, previews and covers beside it."""

import math
from collections.abc import Sequence

from av.stream import Disposition
from av.video.stream import VideoStream

NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.metadata
"""The cover of a piece of music, pictures for a seek bar, data that goes with the time: video by name only."""
SIDE_FILM = Disposition.still_image | Disposition.dependent | Disposition.non_diegetic
"""Taken only where there is nothing else."""


def main_film(streams: Sequence[VideoStream]) -> VideoStream | None:
    """The stream that the file marks as its default; among several, or without a mark, the largest picture.

    A stream without decoder counts as the largest of its kind: it is refused by name rather than passed over for
    a preview of it. None: no stream is a film.
    """
    films = [stream for stream in streams if not stream.disposition & NO_FILM]
    return max(films, key=_rank, default=None)


def has_decoder(stream: VideoStream) -> bool:
    """False where FFmpeg knows no decoder for it."""
    # Typed as always there; PyAV leaves it out then.
    return getattr(stream, "codec_context", None) is not None


def _rank(stream: VideoStream) -> tuple[bool, bool, float]:
    size = stream.codec_context.width * stream.codec_context.height if has_decoder(stream) else math.inf
    return not stream.disposition & SIDE_FILM, bool(stream.disposition & Disposition.default), size
