"""Fixtures of the model's tests."""

from pathlib import Path

import pytest

from tests.support.weights import save_random_lite


@pytest.fixture(scope="session")
def lite_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with a random kimnet-lite in it."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))
