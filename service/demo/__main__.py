"""`python -m service.demo [--clip PATH] [--output-dir DIR]`: run the service on a clip, both ways, and check it.

At a terminal it goes on serving then, so that its page can be opened, until Ctrl-C (`--no-stay`: it ends).

Exit codes: 0 both ways gave the same joints; 1 they did not, or something failed; 2 wrong arguments or input.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from kinepose_client import Client, Unreachable
from service.clips.output_file import whole_or_nothing
from service.contract import wire
from service.contract.messages import ClipInfo
from service.demo.passes import DifferentAnswers, Pass, Report, largest_difference_px, over_grpc, over_http
from service.demo.server import Address, ServerFailed, running_service
from service.demo.truth import Accuracy, accuracy, load_truth
from service.errors import KineposeError
from service.media.overlay import render_overlay
from service.media.video import open_video

BUNDLED_CLIP = Path(__file__).with_name("clip.mp4")
OUTPUT_DIR = Path("out")
TOLERANCE_PX = 0.1
"""On the CPU both ways agree bit for bit; on a GPU batches of other sizes round differently."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parsed = _parser().parse_args(arguments)
    console = Console()
    try:
        frames = _frames_declared(parsed.clip)
    except (KineposeError, OSError) as error:
        return _fail(f"{parsed.clip}: {error}", 2)
    try:
        _demo(parsed, frames, console)
    except KeyboardInterrupt:
        return _fail("interrupted", 1)
    except (KineposeError, Unreachable, ServerFailed, DifferentAnswers, OSError, ValueError) as error:
        return _fail(str(error), 1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.demo", description="Serve a clip over HTTP and gRPC, check that both agree, draw it."
    )
    parser.add_argument("--clip", type=Path, default=BUNDLED_CLIP, help="default: the bundled clip")
    parser.add_argument("--output-dir", type=Path, default=OUTPUT_DIR, help="default: out")
    parser.add_argument(
        "--stay",
        action=argparse.BooleanOptionalAction,
        default=sys.stdout.isatty(),
        help="go on serving the page until Ctrl-C; default: at a terminal",
    )
    return parser


def _frames_declared(clip: Path) -> int | None:
    with open_video(clip) as video:
        return video.frames_declared


def _demo(parsed: argparse.Namespace, frames: int | None, console: Console) -> None:
    parsed.output_dir.mkdir(parents=True, exist_ok=True)
    with console.status("starting the service"), ExitStack() as starting:
        address = starting.enter_context(running_service())
        running = starting.pop_all()
    with running:
        _run_both_ways(parsed.clip, parsed.output_dir, frames, address, console)
        if parsed.stay:
            _stay(address, console)
            return
    console.print("`make serve` shows the page at http://127.0.0.1:8000/", highlight=False)


def _stay(address: Address, console: Console) -> None:
    """Serve until Ctrl-C, which is no failure here."""
    console.print(
        f"The page, for your camera and files: {address.http_url}/ (Ctrl-C ends it)", highlight=False, soft_wrap=True
    )
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _run_both_ways(clip: Path, folder: Path, frames: int | None, address: Address, console: Console) -> None:
    truth = load_truth(clip)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:

        def bar(name: str) -> Report:
            task = progress.add_task(name, total=frames)
            return lambda: progress.advance(task)

        with Client(address.http_url) as http, Client(None, address.grpc_target) as grpc:
            first, info = over_http(http, clip, bar("over HTTP"))
            second = over_grpc(grpc, clip, bar("over gRPC"))
    difference = largest_difference_px(first, second)
    measured = accuracy(first.results, truth) if truth is not None and first.results else None
    _write(clip, folder, info, (first, second), difference, measured)
    console.print(_table((first, second), measured))
    console.print(f"{folder / 'demo.mp4'} has the skeleton drawn, {folder / 'demo.json'} the joints.")
    if difference > TOLERANCE_PX:
        raise DifferentAnswers(f"joints differ by up to {difference:.3f} px; {TOLERANCE_PX} are allowed")
    same = "exactly" if difference == 0 else f"to {difference:.3g} px"
    console.print(f"HTTP and gRPC gave the same joints, {same}.")


def _write(
    clip: Path,
    folder: Path,
    info: ClipInfo,
    passes: tuple[Pass, Pass],
    difference: float,
    measured: Accuracy | None,
) -> None:
    report = {
        "clip": wire.clip_to_json(info),
        "ms_a_frame": {done.name: round(done.ms_a_frame, 2) for done in passes},
        "largest_difference_px": difference,
        "pck@0.2": asdict(measured) if measured else None,
        "frames": [wire.result_to_json(result) for result in passes[0].results],
    }
    with whole_or_nothing(folder / "demo.json") as part:
        part.write_text(json.dumps(report, allow_nan=False), encoding="utf-8")
    with whole_or_nothing(folder / "demo.mp4") as part:
        render_overlay(clip, passes[0].results, part)


def _table(passes: tuple[Pass, Pass], measured: Accuracy | None) -> Table:
    table = Table("pass", "frames", "ms a frame", "PCK@0.2, person", "torso")
    for done in passes:
        figures = (f"{measured.person:.1f}", f"{measured.torso:.1f}") if measured else ("-", "-")
        table.add_row(done.name, str(len(done.results)), f"{done.ms_a_frame:.1f}", *figures)
    return table


def _fail(message: str, exit_code: int) -> int:
    print(f"demo: {message}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    # A terminated demo must take its server along, as an interrupted one does. Where a shell has started it in the
    # background, SIGINT would be ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
