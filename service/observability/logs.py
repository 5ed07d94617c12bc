"""What is logged: text or JSON lines, each with what it is about, none with a secret or a picture.

    configure(settings)                      once, when a command starts
    with bound_context(session_id="s", seq=3): ...   lines of this block, and of tasks begun in it, say so
    bind(request_id="r")                             the same for the rest of the task

A JSON line has `time`, `level`, `logger`, `message`, where known `request_id`, `session_id`, `seq` and `trace_id`, and
`exception` with the whole traceback. A text line ends in `[request_id=r session_id=s]`; its traceback follows.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from service.config import Settings
from service.observability.redaction import redacted

OUR_LOGGERS: Final = ("service", "model")
TEXT_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Longer texts are cut: a line has to fit into what collects it.
MAX_CHARS: Final = 16 * 1024

Context = dict[str, str | int]

_context: ContextVar[Context] = ContextVar("kinepose_log_facts")


def configure(settings: Settings) -> None:
    """Everything that logs in this process writes to stderr, in the settings' format and from their level on.

    DEBUG is for our own lines: libraries write bodies and headers there, so theirs begin at INFO.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    level = logging.getLevelNamesMapping()[settings.log_level]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger("uvicorn.error").addFilter(_no_false_alarm)


def _no_false_alarm(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that was refused with a status for a fault; anybody could fill the log with it."""
    return "returned without completing handshake" not in record.getMessage()


# -- what lines are about ---------------------------------------------------------------------------------


@contextmanager
def bound_context(**fields: str | int | None) -> Iterator[None]:
    """Lines logged in this block carry these facts, too; None says nothing."""
    before = context()
    bind(**fields)
    try:
        yield
    finally:
        # Not by a token: an abandoned generator may be closed in another task, where its token is refused.
        _context.set(before)


def bind(**fields: str | int | None) -> None:
    """Lines logged from here on in this task carry these facts, too; None says nothing."""
    _context.set(context() | {name: field for name, field in fields.items() if field is not None})


def context() -> Context:
    """What a line logged here would carry."""
    return _context.get({})


# -- lines ------------------------------------------------------------------------------------------------


class TextLines(logging.Formatter):
    """Lines for people. Control characters of a message are escaped, so that nobody can forge a line."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without its traceback."""
        fields = " ".join(f"{name}={field}" for name, field in context().items())
        return _one_line(super().formatMessage(record) + (f" [{fields}]" if fields else ""))

    def format(self, record: logging.LogRecord) -> str:
        """The line and its traceback, if any."""
        return _printable(super().format(record))


class JsonLines(TextLines):
    """One JSON object a line, for what collects logs."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, its traceback in `exception`."""
        fields: dict[str, str | int | None] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **context(),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
            "stack": self.formatStack(record.stack_info) if record.stack_info else None,
        }
        return json.dumps({name: _safe(field) for name, field in fields.items() if field is not None})


def _safe(field: str | int) -> str | int:
    return _printable(field) if isinstance(field, str) else field


def _printable(text: str) -> str:
    text = redacted(text)
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}... ({len(text)} characters)"


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
