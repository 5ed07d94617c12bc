"""What every long-running process has around it: its log and its traces."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.config import Settings
from service.observability import logs, tracing


@contextmanager
def in_process(settings: Settings, name: str) -> Iterator[None]:
    """Log and trace under this name, as the settings say. Raises tracing.TracingUnavailable."""
    logs.configure(settings)
    tracing.configure(settings, name)
    try:
        yield
    finally:
        tracing.close()
