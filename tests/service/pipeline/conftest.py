"""What computes in these tests."""

import pytest

from tests.support.trackers import FakeTracker


@pytest.fixture
def tracker() -> FakeTracker:
    """A fake."""
    return FakeTracker()
