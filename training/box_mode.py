"""The three box modes: what a tracker is given of the person while whole clips are measured."""

from typing import Literal

BoxMode = Literal["box", "region", "none"]
"""The person's true box each frame, as in the papers; that of frame 0 alone; or nothing: the person has to be found."""

BOX_MODES: tuple[BoxMode, ...] = ("box", "region", "none")

NAMES: dict[BoxMode, str] = {"box": "box each frame", "region": "region on frame 0", "none": "no region"}
"""Each in words, as cards and reports have it."""
