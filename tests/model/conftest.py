"""Fixtures of the model's tests."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.weights import save_random_lite

# A busy machine is no reason to fail: properties here are about values, never about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def lite_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with a random kimnet-lite in it."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))
