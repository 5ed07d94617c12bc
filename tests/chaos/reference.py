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
from tests.chaos.checks import Expected, Record
from tests.chaos.films import Film


def unbroken_runs(
    films: Sequence[Film], records: Sequence[Record], weights_dir: Path | None
) -> dict[int, list[Expected]]:
    """What the frames that were sent of each film are answered with, by its number. Blocks for as long as they take."""
    loaded = load_model(Settings(weights_dir=weights_dir, device="cpu"))
    return {film.number: _run(loaded, film, record) for film, record in zip(films, records, strict=True)}


def _run(loaded: LoadedModel, film: Film, record: Record) -> list[Expected]:
    state: SessionState | None = None
    smooth = FrameByFrame(loaded.skeleton, Wanted(smooth="one_euro"))
    expected = []
    for seq in range(record.sent):
        picture = film.picture(seq)
        if seq in record.poison:
            expected.append(Expected((), (), picture.pts_us, poison=True))
            continue
        frame = replace(decode(picture.image, read_header(picture.image)), pts_us=picture.pts_us)
        regions = () if picture.region is None else (picture.region,)
        [tracked] = loaded.stepper.step([TrackRequest(frame, seq, state, regions, film.people)])
        assert isinstance(tracked, Tracked), tracked
        state = tracked.state
        request = FrameRequest("unbroken", seq, picture.pts_us, b"", regions, "http")
        made = smooth(computed(request, frame, tracked, loaded.info, loaded.skeleton)).at(0)
        expected.append(Expected(tracked.people, tracked.lost, picture.pts_us, made))
    return expected
