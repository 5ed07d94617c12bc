"""A clip, and weights that know nothing, for the command line."""

from pathlib import Path

import pytest

from tests.support.clips import make_clip
from tests.support.weights import save_random_lite


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random kimnet-lite."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def random_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what commands find."""
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(weights))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """An MP4 of three pictures."""
    return make_clip(tmp_path / "clip.mp4", count=3)
