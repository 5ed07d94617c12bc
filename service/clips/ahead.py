"""Items made before they are asked for, in a thread of their own: a clip is decoded while its frames are computed."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@contextmanager
def ahead_of(items: Generator[T, None, None], most: int) -> Iterator[Iterator[T]]:
    """The same items in order, up to `most` of them made before they are asked for.

    What `items` raises is raised where its place in the order is. At the end of the block it is closed, in the thread
    that ran it, and the thread has ended.
    """
    line = _Line(items, most)
    thread = threading.Thread(target=line.fill, name="kinepose-ahead")
    thread.start()
    try:
        yield line
    finally:
        line.stop()
        thread.join()


class _Line(Generic[T]):
    def __init__(self, items: Generator[T, None, None], most: int) -> None:
        self._items = items
        self._room = threading.Semaphore(most)
        self._stopped = False
        # The last one has no item: what `items` ended with.
        self._made: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()

    def fill(self) -> None:
        """In the thread."""
        try:
            while self._room.acquire() and not self._stopped:
                self._made.put((next(self._items),))
        except BaseException as end:  # StopIteration, too
            self._made.put(end)
        finally:
            self._items.close()

    def stop(self) -> None:
        """Make no more."""
        self._stopped = True
        self._room.release()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        made = self._made.get()
        if isinstance(made, BaseException):
            self._made.put(made)  # it ends with the same for whoever asks again
            raise made
        self._room.release()
        return made[0]
