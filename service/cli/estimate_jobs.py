"""Which clips `kinepose estimate` reads, where their results go, and how several run side by side."""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from model.values import Region
from service.cli.failures import BAD_INPUT, CommandFailed
from service.clips.output import Format


@dataclass(frozen=True, slots=True)
class Job:
    """One clip.

    Attributes:
        output: where its results go; None: to stdout. overlay: where it is drawn; None: nowhere.
        alone: whether it is the only one.
    """

    clip: Path
    output: Path | None
    overlay: Path | None
    form: Format
    regions: tuple[Region, ...]
    max_people: int
    strict: bool
    alone: bool


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    """A job for each clip of the command line. Results of several go into folders, under the clips' names.

    Raises:
        CommandFailed: several clips without a folder, with regions, or with the same name.
    """
    clips: list[Path] = arguments.clips
    alone = len(clips) == 1
    if not alone:
        _check_several(arguments)
    return [
        Job(
            clip=clip,
            output=arguments.output if alone else arguments.output / f"{clip.stem}.{arguments.format}",
            overlay=arguments.overlay if alone or not arguments.overlay else arguments.overlay / f"{clip.stem}.mp4",
            form=arguments.format,
            regions=tuple(arguments.region),
            max_people=arguments.max_people,
            strict=arguments.strict,
            alone=alone,
        )
        for clip in clips
    ]


def _check_several(arguments: argparse.Namespace) -> None:
    if arguments.region:
        raise CommandFailed("--region is of one clip; there are several", BAD_INPUT)
    if arguments.output is None:
        raise CommandFailed("results of several clips need a folder: --output", BAD_INPUT)
    for folder in filter(None, (arguments.output, arguments.overlay)):
        if not folder.is_dir():
            raise CommandFailed(f"{folder}: not a folder, which results of several clips need", BAD_INPUT)
    stems = [clip.stem for clip in arguments.clips]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise CommandFailed(f"two clips would have the same name in a folder: {', '.join(twice)}", BAD_INPUT)


def run_all(jobs: Sequence[Job], run: Callable[[Job], None], parallel: int) -> None:
    """All jobs, so many at once; each failure is told when it happens, and the others go on.

    Raises:
        CommandFailed: some of them failed; its exit code is the least of theirs.
    """
    codes: list[int] = []

    def guarded(job: Job) -> None:
        try:
            run(job)
        except CommandFailed as failure:
            print(f"kinepose: {' '.join(str(failure).split())}", file=sys.stderr)
            codes.append(failure.exit_code)

    with ThreadPoolExecutor(parallel, thread_name_prefix="kinepose-clip") as threads:
        for done in [threads.submit(guarded, job) for job in jobs]:
            done.result()
    if codes:
        raise CommandFailed(f"{len(codes)} of {len(jobs)} clips failed", min(codes))
