"""`kinepose estimate`: joints of a clip, or of many, without a server."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model import zoo
from model.engines.base import EngineError
from model.state import MOST_TRACKS
from model.values import Frame, Region
from service.cli.estimate_jobs import Job, jobs_of, run_all
from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.outputs import check_outputs
from service.cli.settings import settings_with
from service.clips.ahead import ahead_of
from service.clips.local import LocalRun
from service.clips.output import ResultWriter, text_output
from service.clips.output_file import whole_or_nothing
from service.config import Settings
from service.contract import regions
from service.contract.messages import ClipInfo, FrameResult
from service.errors import KineposeError, OverlayFailed
from service.inference.loaded_model import MOST_PARALLEL, LoadedModel, available_cores, load_model
from service.media.limits import NO_LIMIT_ON_TIME
from service.media.overlay import OverlayWriter, open_overlay
from service.media.video import Video, open_video

RESULTS_AHEAD = 2


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("clips", metavar="CLIP", type=Path, nargs="+", help="a video file; several, side by side")
    parser.add_argument(
        "--region",
        metavar="X,Y,W,H",
        type=_region,
        action="append",
        default=[],
        help="a person's box in the first frame, pixels; may be given for each",
    )
    parser.add_argument("--max-people", metavar="N", type=_max_people, default=1, help="people to follow; default: 1")
    parser.add_argument("--model", metavar="NAME", help="a name that `kinepose models` lists")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="where results go (default: stdout); of several, a folder"
    )
    parser.add_argument("--format", choices=("json", "ndjson"), default="json", help="default: json")
    parser.add_argument(
        "--overlay", metavar="FILE", type=Path, help="an MP4 with the skeleton drawn; of several, a folder"
    )
    parser.add_argument("--strict", action="store_true", help="fail at damage, instead of going on and telling it")
    parser.set_defaults(run=run)


def _region(text: str) -> Region:
    try:
        region = regions.region_from_text(text)
    except KineposeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if region is None:
        raise argparse.ArgumentTypeError("expected x,y,w,h")
    return region


def _max_people(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MOST_TRACKS):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MOST_TRACKS}")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    """Estimate, write and draw. CommandFailed where a clip, the model or the device does not do."""
    jobs = jobs_of(arguments)
    for job in jobs:
        check_outputs(job.output, job.overlay)
    # One clip has all cores for each of its frames; of several, each has a core.
    parallel = min(len(jobs), available_cores(), MOST_PARALLEL)
    settings = settings_with(model=arguments.model, parallel_frames=parallel)
    if len(jobs) == 1:
        _run(jobs[0], settings, lambda: _load(settings))
        return
    loaded = _load(settings)
    run_all(jobs, lambda job: _run(job, settings, lambda: loaded), parallel)


def _run(job: Job, settings: Settings, load: Callable[[], LoadedModel]) -> None:
    with ExitStack() as stack:
        video = _open(job.clip, settings, job.strict, stack)
        local = LocalRun(load(), video, job.regions, job.max_people)
        broken, undrawn = _estimate(local, video, job)
    if broken is not None:
        raise CommandFailed(f"{job.clip}: {broken}; the frames before it were written")
    if undrawn is not None:
        raise CommandFailed(f"{job.overlay}: {undrawn}; the joints were written")


def _open(path: Path, settings: Settings, strict: bool, stack: ExitStack) -> Video:
    limits = replace(NO_LIMIT_ON_TIME, pixels=settings.max_image_pixels)
    try:
        return stack.enter_context(open_video(path, limits, strict=strict))
    except KineposeError as error:
        raise CommandFailed(f"{path}: {error}", BAD_INPUT) from error
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}", BAD_INPUT) from error


def _load(settings: Settings) -> LoadedModel:
    try:
        return load_model(settings)
    except zoo.UnknownModel as error:
        raise CommandFailed(str(error), BAD_INPUT) from error
    except (zoo.BadWeights, ValueError, EngineError) as error:
        raise CommandFailed(str(error)) from error


def _estimate(run: LocalRun, video: Video, job: Job) -> tuple[KineposeError | None, Exception | None]:
    """Write all there is; the errors with which the clip broke off and the overlay failed, if they did."""
    broken = None
    with text_output(job.output) as file, _Overlay(job.overlay, video) as overlay:
        writer = ResultWriter(file, job.form)
        total = run.info.frames_declared
        try:
            # Results are written, and drawn, while the next frames are computed.
            with ahead_of(iter(run), RESULTS_AHEAD) as frames:
                for frame, result in _with_progress(frames, total, job.clip.name) if job.alone else frames:
                    writer.write(result)
                    overlay.draw(frame, result)
        except KineposeError as error:
            if run.info.frames_emitted == 0:
                raise CommandFailed(f"{job.clip}: {error}", BAD_INPUT) from error
            broken = error
        except EngineError as error:
            raise CommandFailed(f"the device failed: {error}") from error
        writer.finish(run.info, broken)
    _warn_of_gaps(job.clip, run.info)
    return broken, overlay.failed


def _warn_of_gaps(path: Path, info: ClipInfo) -> None:
    if info.gaps:
        reasons = ", ".join(sorted({gap.reason.value for gap in info.gaps}))
        print(f"{path}: the clip has gaps ({reasons}), told in the results as `gaps`", file=sys.stderr)


class _Overlay:
    """The drawn clip, if one is asked for. A drawing that fails is kept in `failed`, and the joints go on.

    Attributes:
        failed: why there is no drawing, once it is known.
    """

    def __init__(self, path: Path | None, video: Video) -> None:
        self.failed: Exception | None = None
        self._path = path
        self._video = video
        self._writer: OverlayWriter | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self._path is not None:
            with self._failing():
                part = self._open.enter_context(whole_or_nothing(self._path))
                self._writer = self._open.enter_context(open_overlay(part, self._video.shape, self._video.rate))
        return self

    def draw(self, frame: Frame, result: FrameResult) -> None:
        """Add a frame, unless the drawing has failed."""
        if self._writer is not None:
            with self._failing():
                self._writer.write(frame, result)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.failed is None:
            with self._failing():
                self._open.__exit__(kind, error, trace)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OverlayFailed, OSError) as error:
            self.failed, self._writer = error, None
            with suppress(OverlayFailed, OSError):
                self._open.__exit__(type(error), error, error.__traceback__)


def _with_progress(
    frames: Iterator[tuple[Frame, FrameResult]], total: int | None, name: str
) -> Iterator[tuple[Frame, FrameResult]]:
    """The run's frames, with a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from frames
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(frames, total=total, description=name)
