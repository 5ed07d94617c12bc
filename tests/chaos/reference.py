"""The unbroken run: the same pictures through the tracker, in this process, with no store and no other stream."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model.state import SessionState
from model.tracker import Tracked, TrackRequest
from service.config import Settings
from service.inference.device_loop import Stepper
from service.inference.loaded_model import load_model
from service.media.image import decode, read_header
from tests.chaos.checks import Expected, Record
from tests.chaos.films import Film


def unbroken_runs(
    films: Sequence[Film], records: Sequence[Record], weights_dir: Path | None
) -> dict[int, list[Expected]]:
    """What the frames that were sent of each film are answered with, by its number. Blocks for as long as they take."""
    settings = Settings(weights_dir=weights_dir, device="cpu")
    stepper = load_model(settings).stepper
    return {film.number: _run(stepper, film, record) for film, record in zip(films, records, strict=True)}


def _run(stepper: Stepper, film: Film, record: Record) -> list[Expected]:
    state: SessionState | None = None
    expected = []
    for seq in range(record.sent):
        picture = film.picture(seq)
        if seq in record.poison:
            expected.append(Expected((), (), picture.pts_us, poison=True))
            continue
        frame = replace(decode(picture.image, read_header(picture.image)), pts_us=picture.pts_us)
        regions = () if picture.region is None else (picture.region,)
        [tracked] = stepper.step([TrackRequest(frame, seq, state, regions, film.people)])
        assert isinstance(tracked, Tracked), tracked
        state = tracked.state
        expected.append(Expected(tracked.people, tracked.lost, picture.pts_us))
    return expected
