"""`kinepose`: estimate | serve | worker | keys | models | settings | bench | completion.

Exit codes: 0 done, 1 failed on the way, 2 bad arguments or input.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from service.cli.failures import RUNTIME_FAILURE, CommandFailed

# What a command does, and the module with its `describe` and `run`: imported by name, and only for the command that is
# asked for. `bench` stands outside this package, above it.
COMMANDS = {
    "estimate": ("joints of a clip, without a server", "service.cli.estimate"),
    "serve": ("the service: HTTP, WebSocket and gRPC", "service.cli.serve"),
    "worker": ("computes frames that frontends put into Redis", "service.cli.worker"),
    "keys": ("who may use a server: make, list and remove API keys", "service.cli.keys"),
    "models": ("the models on this machine, and what they were measured at", "service.cli.models"),
    "settings": ("all settings, as a table: environment variables KINEPOSE_...", "service.cli.settings_table"),
    "bench": ("measure the service: what it adds to a frame, how it bears a load", "bench.commands"),
    "completion": ("a script that completes commands in a shell", "service.cli.completion"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; SystemExit(2) where the arguments do not parse."""
    given = sys.argv[1:] if arguments is None else arguments
    parsed = _parser(given[0] if given else "").parse_args(given)
    try:
        parsed.run(parsed)
    except CommandFailed as failure:
        return _fail(str(failure), failure.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", RUNTIME_FAILURE)
    except BrokenPipeError:
        # Whoever read our stdout has seen enough; Python must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return RUNTIME_FAILURE
    except OSError as error:
        return _fail(str(error), RUNTIME_FAILURE)
    return 0


def _parser(wanted: str) -> argparse.ArgumentParser:
    """The parser, with the arguments of one command: only that one is imported."""
    parser = argparse.ArgumentParser(prog="kinepose", description="Human joints from video.")
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (text, module) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name == wanted:
            importlib.import_module(module).describe(command)
    return parser


class _Version(argparse.Action):
    """Prints the installed version; looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print and exit."""
        from importlib.metadata import version

        print(f"kinepose {version('kinepose')}")
        parser.exit()


def _fail(message: str, exit_code: int) -> int:
    print(f"kinepose: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
