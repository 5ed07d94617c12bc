"""`kinepose estimate`: joints of a clip, without a server."""

import argparse
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model import zoo
from model.engines.base import EngineError
from model.values import Frame, Region
from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.outputs import check_outputs
from service.cli.settings import settings_with
from service.clips.local import LocalRun
from service.clips.output import ResultWriter, text_output
from service.clips.output_file import whole_or_nothing
from service.config import Settings
from service.contract import wire
from service.contract.messages import FrameResult
from service.errors import KineposeError
from service.inference.loaded_model import LoadedModel, load_model
from service.media.overlay import open_overlay
from service.media.video import Video, open_video


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = commands.add_parser("estimate", help="joints of a clip, without a server")
    parser.add_argument("clip", type=Path, help="a video file")
    parser.add_argument("--region", metavar="X,Y,W,H", type=_region, help="the person's box in the first frame, pixels")
    parser.add_argument("--model", metavar="NAME", help="a name that `kinepose models` lists")
    parser.add_argument("--output", metavar="FILE", type=Path, help="where results go (default: stdout)")
    parser.add_argument("--format", choices=("json", "ndjson"), default="json", help="default: json")
    parser.add_argument("--overlay", metavar="FILE", type=Path, help="an MP4 with the skeleton drawn")
    parser.set_defaults(run=run)


def _region(text: str) -> Region:
    try:
        region = wire.region_from_text(text)
    except KineposeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if region is None:
        raise argparse.ArgumentTypeError("expected x,y,w,h")
    return region


def run(arguments: argparse.Namespace) -> None:
    """Estimate, write and draw. CommandFailed where the clip, the model or the device does not do."""
    settings = settings_with(model=arguments.model)
    check_outputs(arguments.output, arguments.overlay)
    with ExitStack() as stack:
        video = _open(arguments.clip, settings, stack)
        broken = _estimate(LocalRun(_load(settings), video, arguments.region), video, arguments)
    if broken is not None:
        raise CommandFailed(f"{arguments.clip}: {broken}; the frames before it were written")


def _open(path: Path, settings: Settings, stack: ExitStack) -> Video:
    try:
        return stack.enter_context(open_video(path, math.inf, settings.max_image_pixels))
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


def _estimate(run: LocalRun, video: Video, arguments: argparse.Namespace) -> KineposeError | None:
    """Write all there is; the error with which the clip broke off, if it did."""
    broken = None
    with ExitStack() as stack:
        writer = ResultWriter(stack.enter_context(text_output(arguments.output)), arguments.format)
        draw = _drawing(arguments.overlay, video, stack)
        try:
            for frame, result in _with_progress(run, arguments.clip.name):
                writer.write(result)
                draw(frame, result)
        except KineposeError as error:
            if run.info.frames_emitted == 0:
                raise CommandFailed(f"{arguments.clip}: {error}", BAD_INPUT) from error
            broken = error
        except EngineError as error:
            raise CommandFailed(f"the device failed: {error}") from error
        writer.finish(run.info, broken)
    return broken


def _drawing(path: Path | None, video: Video, stack: ExitStack) -> Callable[[Frame, FrameResult], None]:
    if path is None:
        return lambda frame, result: None
    part = stack.enter_context(whole_or_nothing(path))
    return stack.enter_context(open_overlay(part, video.size, video.rate)).write


def _with_progress(run: LocalRun, name: str) -> Iterator[tuple[Frame, FrameResult]]:
    """The run's frames, with a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(run, total=run.info.frames_declared, description=name)
