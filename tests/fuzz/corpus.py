"""Inputs that are kept: seeds made by code, and the files of `corpus/`, one folder a target."""

from pathlib import Path

from tests.fuzz.target import Target

FOLDER = Path(__file__).parent / "corpus"


def kept(target: Target) -> list[bytes]:
    """Whatever ever failed, and what no code here makes."""
    return [path.read_bytes() for path in sorted((FOLDER / target.name).glob("*"))]


def inputs_of(target: Target) -> list[bytes]:
    """What mutation begins with."""
    return [*target.seeds(), *kept(target)]
