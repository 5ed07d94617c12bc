"""The real data and MoveNet's real files, where the environment names the folders that hold them."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("KINEPOSE_DATA", ""))
MOVENET = Path(os.environ.get("KINEPOSE_MOVENET", ""))

needs_data = pytest.mark.skipif("KINEPOSE_DATA" not in os.environ, reason="KINEPOSE_DATA does not name the data folder")
needs_movenet = pytest.mark.skipif(
    "KINEPOSE_MOVENET" not in os.environ, reason="KINEPOSE_MOVENET does not name the folder of movenet-*.json"
)
