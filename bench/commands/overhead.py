"""`kinepose bench overhead`: what the service adds to a frame on this machine, as JSON."""

import argparse
import asyncio
import json
from pathlib import Path

from rich.console import Console

from model import zoo
from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.numbers import whole_number
from service.cli.outputs import check_outputs
from service.cli.settings import settings_with
from service.clips.output import text_output


def add(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = kinds.add_parser("overhead", help="what the service adds to a frame in one process, as JSON")
    parser.add_argument("--output", metavar="FILE", type=Path, help="where the report goes (default: stdout)")
    parser.add_argument("--frames", metavar="N", type=whole_number, default=200, help="a stream (default: 200)")
    parser.add_argument(
        "--streams", metavar="N", type=whole_number, nargs="+", default=[1, 8, 32], help="default: 1 8 32"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure and write the report."""
    # Only here, so that the other commands do not wait for the pipeline's imports.
    from bench.overhead import measure

    check_outputs(arguments.output)
    settings = settings_with()
    with Console(stderr=True).status("measuring"):
        try:
            report = asyncio.run(measure(settings, arguments.streams, arguments.frames))
        except zoo.UnknownModel as error:
            raise CommandFailed(str(error), BAD_INPUT) from error
        except zoo.BadWeights as error:
            raise CommandFailed(str(error)) from error
    with text_output(arguments.output) as file:
        file.write(json.dumps(report, indent=2) + "\n")
