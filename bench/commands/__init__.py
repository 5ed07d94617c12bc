"""`kinepose bench`: `overhead` measures inside one process, `load` from outside against a running server."""

import argparse

from bench.commands import load, overhead


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe both."""
    parser = commands.add_parser("bench", help="measure the service: what it adds to a frame, how it bears a load")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    overhead.add(kinds)
    load.add(kinds)
