"""What `kinepose estimate` shows on stderr while it works, where that is a terminal; and how live streams are ended."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model.values import Frame
from service.contract.messages import FrameResult
from service.media.live import Latest
from service.media.opened import Clip

Handler = Callable[[int, FrameType | None], Any] | int | None

SIGNALS = (signal.SIGINT, signal.SIGTERM)


Results = Iterator[tuple[Frame, FrameResult]]


def shown(frames: Results, total: int | None, clip: Clip, name: str) -> Results:
    """The frames, with a bar of so many in all; of a live stream with its rate and who is there."""
    console = Console(stderr=True)
    if isinstance(clip, Latest):
        yield from _with_status(frames, clip, name, console)
        return
    if not console.is_terminal:
        yield from frames
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(frames, total=total, description=name)


def _with_status(frames: Results, clip: Latest, name: str, console: Console) -> Results:
    began, count = time.monotonic(), 0
    with console.status(name) if console.is_terminal else _Silent() as status:
        for frame, result in frames:
            count += 1
            rate = count / max(time.monotonic() - began, 1e-3)
            people = f"{len(result.people)} there, {len(result.lost)} lost"
            status.update(f"{name}  {rate:.1f} fps  {people}  {clip.dropped} dropped  (Ctrl-C ends it)")
            yield frame, result
    print(f"{name}: {count} frames read, {clip.dropped} dropped", file=sys.stderr)


class _Silent:
    """In place of a status where nobody looks."""

    def __enter__(self) -> "_Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, text: str) -> None:
        """Nothing."""


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """While the block runs, the first SIGINT or SIGTERM sets the event; a second one does what it always does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()
        _restore(before)

    for number in SIGNALS:
        signal.signal(number, set_stop)
    try:
        yield
    finally:
        _restore(before)


def _restore(handlers: Mapping[signal.Signals, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
