"""Several inputs of one command, side by side."""

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from service.cli.failures import CommandFailed

T = TypeVar("T")


def run_all(jobs: Sequence[Callable[[], None]], parallel: int) -> None:
    """All jobs, so many at once; one at a time in this thread. Each failure is told when it happens, the others go on.

    Raises:
        CommandFailed: some of them failed; its exit code is the least of theirs.
    """
    codes: list[int] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except CommandFailed as failure:
            print(f"kinepose: {' '.join(str(failure).split())}", file=sys.stderr)
            codes.append(failure.exit_code)

    if parallel == 1:
        for job in jobs:
            guarded(job)
    else:
        with ThreadPoolExecutor(parallel, thread_name_prefix="kinepose-clip") as threads:
            for done in [threads.submit(guarded, job) for job in jobs]:
                done.result()
    if codes:
        raise CommandFailed(f"{len(codes)} of {len(jobs)} inputs failed", min(codes))


def loaded_once(load: Callable[[], T]) -> Callable[[], T]:
    """What it returned first, for all threads; it is called when the first of them asks."""
    lock, cached = threading.Lock(), cache(load)

    def get() -> T:
        with lock:
            return cached()

    return get
