"""`kinepose`: estimate | serve | worker | keys | models | bench.

Exit codes: 0 done, 1 failed on the way, 2 bad arguments or input.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from service.cli.failures import RUNTIME_FAILURE, CommandFailed

# A command's module is imported by its name, for `add` and `run`; `bench` stands outside this package, above it.
COMMANDS = (
    "service.cli.estimate",
    "service.cli.serve",
    "service.cli.worker",
    "service.cli.keys",
    "service.cli.models",
    "bench.commands",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; SystemExit(2) where the arguments do not parse."""
    parsed = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kinepose", description="Human joints from video.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        importlib.import_module(module).add(commands)
    return parser


def _fail(message: str, exit_code: int) -> int:
    print(f"kinepose: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
