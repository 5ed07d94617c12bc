"""`python -m tools.demo_clip --output DIR`: render the bundled demo clip anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from tools.demo_clip.clip import make_clip


def main() -> int:
    """Write clip.mp4 and clip.json into a folder; a few minutes on one core."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_clip", description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for clip.mp4 and clip.json")
    folder: Path = parser.parse_args().output
    torch.set_num_threads(1)  # sums in one order, so that the same clip comes out every time
    make_clip(folder, lambda line: print(f"\r{line}", end="", file=sys.stderr, flush=True))
    print(f"\n{folder / 'clip.mp4'} and {folder / 'clip.json'} written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
