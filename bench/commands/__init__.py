"""`kinepose bench`: `overhead` measures inside one process, `load` from outside against a running server."""

import argparse

from bench.commands import load, overhead


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe both."""
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    overhead.add(kinds)
    load.add(kinds)
