"""The unbroken run: the same pictures through the tracker, in this process, with no store and no other stream."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model.state import SessionState
from model.tracker import Tracked, TrackRequest
from service.config import Settings
from service.inference.loaded_model import LoadedModel, load_model
from service.kinematics.process import FrameByFrame, Wanted
from service.media.image import decode, read_header
from service.pipeline.processor import computed
from service.pipeline.request import FrameRequest
from tests.chaos.checks import Expected
from tests.chaos.films import Film


def unbroken_runs(films: Sequence[Film], frames: Sequence[int], weights_dir: Path | None) -> dict[int, list[Expected]]:
    """What each film's first frames are answered with, by the film's number. Blocks for as long as they take."""
    loaded = load_model(Settings(weights_dir=weights_dir, device="cpu"))
    return {film.number: _run(loaded, film, count) for film, count in zip(films, frames, strict=True)}


def _run(loaded: LoadedModel, film: Film, frames: int) -> list[Expected]:
    state: SessionState | None = None
    smooth = FrameByFrame(loaded.skeleton, Wanted(smooth="one_euro"))
    expected = []
    for seq in range(frames):
        picture = film.picture(seq)
        frame = replace(decode(picture.image, read_header(picture.image)), pts_us=picture.pts_us)
        regions = () if picture.region is None else (picture.region,)
        [tracked] = loaded.stepper.step([TrackRequest(frame, seq, state, regions, film.people)])
        assert isinstance(tracked, Tracked), tracked
        state = tracked.state
        request = FrameRequest("unbroken", seq, picture.pts_us, b"", regions, "http")
        made = smooth(computed(request, frame, tracked, loaded.info, loaded.skeleton)).at(0)
        expected.append(Expected(tracked.people, tracked.lost, picture.pts_us, made))
    return expected
