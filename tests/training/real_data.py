"""The real data, where KINEPOSE_DATA names the folder that holds it."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("KINEPOSE_DATA", ""))

needs_data = pytest.mark.skipif("KINEPOSE_DATA" not in os.environ, reason="KINEPOSE_DATA does not name the data folder")
