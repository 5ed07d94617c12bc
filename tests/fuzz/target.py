"""What a fuzz target is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Code that bears any bytes.

    Attributes:
        name: as on the command line, and of its folder in `corpus/`.
        check: gives the bytes to the code; any exception is a finding, for those that the code documents are caught.
        seeds: inputs that mutation begins with, made by the code of today, beside those in `corpus/`.
        share: how much of a run's time it gets, beside the others' shares.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    share: float = 1.0
