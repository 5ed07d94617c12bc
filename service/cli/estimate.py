"""`kinepose estimate`: joints of clips, pictures and live streams, without a server."""

import argparse
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from model import zoo
from model.engines.base import EngineError
from model.state import MOST_TRACKS
from model.values import Region
from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.inputs import Source, opened, sources_of
from service.cli.kinematics import describe_kinematics, kinematics_wanted
from service.cli.numbers import positive, time_us, whole_number
from service.cli.overlay_output import OverlayOutput
from service.cli.progress import shown, stopped_by_signals
from service.cli.settings import settings_with
from service.cli.side_by_side import loaded_once, run_all
from service.cli.targets import Outputs, Targets, format_names
from service.clips.ahead import ahead_of
from service.clips.exports import Exports
from service.clips.local import LocalRun
from service.config import Settings
from service.contract import regions
from service.contract.messages import ClipInfo
from service.errors import KineposeError
from service.formats.catalog import FORMATS, MP4
from service.inference.cores import available_cores
from service.inference.loaded_model import MOST_PARALLEL, LoadedModel, load_model
from service.media.excerpt import Part
from service.media.limits import NO_LIMIT_ON_TIME
from service.media.opened import Clip

RESULTS_AHEAD = 2
"""Frames with their results that are made before the ones in front of them are written."""


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a clip or picture, a folder or pattern of them, - (stdin), a URL (rtsp://...), or camera:0; a folder's "
        "pictures are read as one clip",
    )
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
    parser.add_argument("--output", metavar="FILE", type=Path, help="where results go (default: stdout)")
    parser.add_argument(
        "--output-dir", metavar="FOLDER", type=Path, help="where a file a format goes, named as the clip"
    )
    parser.add_argument(
        "--format",
        metavar="NAMES",
        type=format_names,
        action="extend",
        default=[],
        help=f"{', '.join((*FORMATS, MP4))}; several with commas; default: by the ending of FILE, or json",
    )
    parser.add_argument(
        "--overlay", metavar="FILE", type=Path, help="the clip with everybody drawn: .mp4, .mov or .mkv"
    )
    parser.add_argument("--plot", metavar="FILE", type=Path, help="a page with plots of paths, angles and scores")
    parser.add_argument("--start", metavar="TIME", type=time_us, default=0, help="from there on: seconds, or h:mm:ss")
    parser.add_argument("--end", metavar="TIME", type=time_us, help="up to there")
    parser.add_argument("--every", metavar="N", type=whole_number, default=1, help="every N-th frame; default: 1")
    parser.add_argument("--fps", metavar="N", type=positive, help="of folders of pictures, which have no times else")
    parser.add_argument(
        "--live",
        action="store_true",
        help="keep up with a stream: frames that come too fast are dropped; Ctrl-C ends it, and what was read is "
        "written. Cameras and rtsp, rtp, udp, srt and rtmp are always read so",
    )
    parser.add_argument("--strict", action="store_true", help="fail at damage, instead of going on and telling it")
    describe_kinematics(parser)
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
    """Estimate, write and draw. CommandFailed where an input, the model or the device does not do."""
    fps = None if arguments.fps is None else Fraction(arguments.fps).limit_denominator(1001)
    sources = sources_of(arguments.inputs, fps)
    if len(sources) > 1 and arguments.region:
        raise CommandFailed("--region is of one input; there are several", BAD_INPUT)
    outputs = Outputs(
        arguments.format,
        arguments.output,
        arguments.output_dir,
        arguments.overlay,
        arguments.plot,
        several=len(sources) > 1,
    )
    # Each clip has a core for the network, beside which another decodes and writes: with all cores for each frame one
    # clip would take a third more of the processor, and end little sooner. A stream wants its answers at once. Streams
    # are ended by signals, which only one at a time can hear.
    streams = any(source.stream for source in sources)
    parallel = 1 if streams else min(len(sources), available_cores(), MOST_PARALLEL)
    settings = settings_with(model=arguments.model, parallel_frames=1 if streams else None)
    command = _Command(arguments, settings, alone=len(sources) == 1)
    jobs = [partial(command.run, source, outputs.of(source.name, source.path)) for source in sources]
    if command.alone:
        jobs[0]()
    else:
        run_all(jobs, parallel)


class _Command:
    """What is asked of every input; the model is loaded once, for the first one that opens.

    Attributes:
        alone: whether there is only one input.
    """

    def __init__(self, arguments: argparse.Namespace, settings: Settings, alone: bool) -> None:
        self.alone = alone
        self._asked = arguments
        self._settings = settings
        self._wanted = kinematics_wanted(arguments)
        self._part = Part(arguments.start, arguments.end, arguments.every)
        self._loaded = loaded_once(partial(_load, settings))

    def run(self, source: Source, targets: Targets) -> None:
        """One input. Raises CommandFailed."""
        live = source.live or self._asked.live
        if live and not source.stream:
            raise CommandFailed(f"{source.text}: --live is for streams and cameras", BAD_INPUT)
        stop = threading.Event() if live else None
        if live:
            self._loaded()  # Meanwhile a stream would run ahead.
        with ExitStack() as stack:
            clip = self._open(source, stop, stack)
            local = LocalRun(self._loaded(), clip, tuple(self._asked.region), self._asked.max_people)
            if stop is not None:
                stack.enter_context(stopped_by_signals(stop))
            broken, undrawn = self._estimate(local, clip, source, targets)
        if broken is not None:
            raise CommandFailed(f"{source.text}: {broken}; the frames before it were written")
        if undrawn is not None:
            raise CommandFailed(f"{targets.overlay}: {undrawn}; the joints were written")

    def _open(self, source: Source, stop: threading.Event | None, stack: ExitStack) -> Clip:
        limits = replace(NO_LIMIT_ON_TIME, pixels=self._settings.max_image_pixels)
        try:
            return stack.enter_context(opened(source, self._part, limits, self._asked.strict, stop))
        except KineposeError as error:
            raise CommandFailed(f"{source.text}: {error}", BAD_INPUT) from error
        except OSError as error:
            raise CommandFailed(f"{source.text}: {error.strerror}", BAD_INPUT) from error

    def _estimate(
        self, run: LocalRun, clip: Clip, source: Source, targets: Targets
    ) -> tuple[KineposeError | None, Exception | None]:
        """Write all there is; the errors with which the clip broke off and the overlay failed, if they did."""
        broken = None
        with (
            Exports(targets.results, source.name, self._wanted, clip.shape) as exports,
            OverlayOutput(targets.overlay, clip, source.path) as overlay,
        ):
            total = run.info.frames_declared
            try:
                # Results are written, and drawn, while the next frames are computed.
                with ahead_of(iter(run), RESULTS_AHEAD) as frames:
                    for frame, result in shown(frames, total, clip, source.text) if self.alone else frames:
                        exports.write(frame, result)
                        overlay.draw(frame, result)
            except KineposeError as error:
                if run.info.frames_emitted == 0:
                    raise CommandFailed(f"{source.text}: {error}", BAD_INPUT) from error
                broken = error
            except EngineError as error:
                raise CommandFailed(f"the device failed: {error}") from error
            exports.finish(run.info, broken)
        _warn_of_gaps(source.text, run.info)
        return broken, overlay.failed


def _load(settings: Settings) -> LoadedModel:
    try:
        return load_model(settings)
    except zoo.UnknownModel as error:
        raise CommandFailed(str(error), BAD_INPUT) from error
    except (zoo.BadWeights, ValueError, EngineError) as error:
        raise CommandFailed(str(error)) from error


def _warn_of_gaps(name: str, info: ClipInfo) -> None:
    if info.gaps:
        reasons = ", ".join(sorted({gap.reason.value for gap in info.gaps}))
        print(f"{name}: the clip has gaps ({reasons}), told in the results as `gaps`", file=sys.stderr)
