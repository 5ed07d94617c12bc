"""A finder whose time is measured."""

import time
from collections.abc import Sequence

from prometheus_client import Histogram

from model.finder.base import Finder
from model.finder.decode import Person17
from model.values import Array


class TimedFinder:
    """A `model.finder.base.Finder` that does what another one does.

    Args:
        finder: what finds people.
        seconds: gets the time of each picture; the first one's has the network's compilation in it.
    """

    def __init__(self, finder: Finder, seconds: Histogram) -> None:
        self._finder = finder
        self._seconds = seconds
        self.digest, self.size = finder.digest, finder.size

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """See Finder."""
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Array) -> list[Person17]:
        begin = time.perf_counter()
        [people] = self._finder.find([picture])
        self._seconds.observe(time.perf_counter() - begin)
        return people
