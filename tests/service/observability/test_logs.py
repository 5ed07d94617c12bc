"""Log lines: their form, what they are about, and what must not be in them."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from service.config import Settings
from service.observability import logs

KEY = "kp_robotics_" + "Zx9-_" * 8 + "abc"
PASSWORD = "s3cr3t@word"

log = logging.getLogger("service.test_logs")
Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """`configure` is for a process of its own; pytest's has other tests to come."""
    loggers = [logging.getLogger(name) for name in ("", *logs.OUR_LOGGERS)]
    levels = [logger.level for logger in loggers]
    yield
    logging.captureWarnings(False)
    logging.getLogger("uvicorn.error").removeFilter(logs._no_false_alarm)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    for handler in logging.getLogger().handlers[:]:
        if isinstance(handler.formatter, logs.TextLines):
            logging.getLogger().removeHandler(handler)


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What was written there since the last look."""
    return lambda: capsys.readouterr().err.splitlines()


def as_text() -> None:
    """Log text from here on."""
    logs.configure(Settings())


def as_json() -> None:
    """Log JSON from here on."""
    logs.configure(Settings(log_format="json"))


def test_json_line_has_time_level_logger_message_and_what_it_is_about(stderr: Lines) -> None:
    """The time is UTC; facts that are not known are left out."""
    as_json()
    with logs.bound_context(session_id="s", seq=3), logs.bound_context(request_id="r", trace_id=None):
        log.info("frame %d came", 3)
    (line,) = stderr()
    fields = json.loads(line)
    time = datetime.fromisoformat(fields.pop("time"))
    assert time.tzinfo == UTC
    assert abs(datetime.now(UTC) - time).total_seconds() < 3600
    assert fields == {
        "level": "INFO",
        "logger": "service.test_logs",
        "message": "frame 3 came",
        "session_id": "s",
        "seq": 3,
        "request_id": "r",
    }


def test_text_line_ends_in_what_it_is_about(stderr: Lines) -> None:
    """People read the same facts."""
    as_text()
    with logs.bound_context(session_id="s"):
        log.info("a frame")
    log.info("another")
    first, second = stderr()
    assert first.endswith("Z INFO service.test_logs: a frame [session_id=s]")
    assert second.endswith("Z INFO service.test_logs: another")


def test_exception_is_one_field_of_the_json_line(stderr: Lines) -> None:
    """A traceback does not spread over many lines."""
    as_json()
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("a bug")
    (line,) = stderr()
    fields = json.loads(line)
    assert fields["message"] == "a bug"
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith("ValueError: two\nlines")


async def test_tasks_know_what_they_are_about_and_not_what_others_are(stderr: Lines) -> None:
    """Facts go with the task, however calls interleave."""
    as_json()

    async def work() -> None:
        await asyncio.sleep(0)
        log.info("work")

    async def call(name: str) -> None:
        with logs.bound_context(session_id=name):
            await asyncio.create_task(work())

    await asyncio.gather(call("a"), call("b"))
    assert {json.loads(line)["session_id"] for line in stderr()} == {"a", "b"}
    assert logs.context() == {}


def test_libraries_log_in_the_same_form(stderr: Lines) -> None:
    """uvicorn, grpc, redis and warnings are read by the same collector."""
    as_json()
    for name in ("uvicorn.error", "grpc", "redis"):
        logging.getLogger(name).warning("from %s", name)
    assert [json.loads(line)["logger"] for line in stderr()] == ["uvicorn.error", "grpc", "redis"]


def test_debug_is_for_our_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries write headers and bodies at DEBUG: websockets, for one, the first bytes of each picture."""
    logs.configure(Settings(log_level="DEBUG"))
    logging.getLogger("uvicorn.error").debug("< BINARY ff d8 ff e0")
    log.debug("ours")
    assert [line.split()[2:] for line in capsys.readouterr().err.splitlines()] == [["service.test_logs:", "ours"]]


def test_message_cannot_forge_a_line(stderr: Lines) -> None:
    """What a client sends may be quoted; its line feeds and escapes are not obeyed."""
    as_text()
    log.info("no such thing: %s", "x\n2030-01-01 CRITICAL root: all is lost\x1b[2J")
    with logs.bound_context(session_id="a\nb"):
        log.info("hm")
    first, second = stderr()
    assert first.endswith(r"x\n2030-01-01 CRITICAL root: all is lost\x1b[2J")
    assert second.endswith(r"[session_id=a\nb]")


def test_long_message_is_cut(stderr: Lines) -> None:
    """A line fits into what collects it."""
    as_json()
    log.info("x" * 100_000)
    (line,) = stderr()
    assert len(line) < logs.MAX_CHARS + 500
    assert "(100000 characters)" in line


SECRETS = [
    f"signing with whsec_Zx9-_Zx9{PASSWORD}=",
    f"caller {KEY} refused",
    f"connecting to redis://default:{PASSWORD}@redis:6379/0",
    f"connecting to rediss://:{PASSWORD}@redis:6379/0?db=1",
    f"redis://redis:6379/0?password={PASSWORD}&db=1",
    f"> Authorization: Bearer {PASSWORD}",
    f"Authorization: Basic {PASSWORD}",
    f"authorization={PASSWORD}",
    f"headers [(b'host', b'x'), (b'authorization', b'Bearer {PASSWORD}')]",
    f"{{'Authorization': 'Bearer {PASSWORD}'}}",
    f"{{'authorization': '{PASSWORD}', 'x': 1}}",
    f"_Metadatum(key='authorization', value='Bearer {KEY}')",
    f"sec-websocket-protocol: kinepose.v1, kinepose.bearer.{KEY}",
    f'{{"password": "{PASSWORD}"}}',
    f"KINEPOSE_REDIS_PASSWORD={PASSWORD}",
    f"?api_key={KEY}",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_comes_through(secret: str, log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in a message, its arguments, an exception or a fact."""
    logs.configure(Settings.model_validate({"log_format": log_format}))
    log.info(secret)
    log.info("argument: %s", secret)
    try:
        raise RuntimeError(secret)
    except RuntimeError:
        log.exception("failed")
    with logs.bound_context(request_id=secret):
        log.info("about", stack_info=True)
    printed = capsys.readouterr().err
    assert printed.count("[redacted]") == 4
    for part in (KEY, KEY[12:], "Zx9-_Zx9", PASSWORD, "s3cr3t", "word@"):
        assert part not in printed


def test_who_a_key_is_of_may_be_read(stderr: Lines) -> None:
    """Its id is no secret, and what an operator looks for."""
    as_text()
    log.info("caller %s", KEY)
    assert "kp_robotics_[redacted]" in stderr()[0]


def test_plain_words_are_left_alone(stderr: Lines) -> None:
    """Redaction does not eat what is no secret."""
    as_text()
    plain = "session abc: basic region, bearer key missing; see http://127.0.0.1:8000/docs and mail@example.org"
    log.info(plain)
    assert stderr()[0].endswith(plain)


@pytest.mark.parametrize("quoted", [repr(b"\xff\xd8\xff\xe0" * 50), repr(b"plain 'n' " * 40), f"{b'ab' * 40!r}"[:-1]])
def test_no_picture_comes_through(quoted: str, stderr: Lines) -> None:
    """Bytes that a library quotes are left out, also where it cut them off."""
    as_json()
    log.info("cannot decode %s", quoted)
    log.info("cannot decode data:image/jpeg;base64,%s", "/9j/4AAQ" * 100)
    first, second = (json.loads(line)["message"] for line in stderr())
    assert first == "cannot decode [bytes]"
    assert second == "cannot decode data:image/jpeg;base64,[bytes]"


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is for what a command answers."""
    logs.configure(Settings())
    log.info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_refused_websockets_are_no_faults(stderr: Lines) -> None:
    """uvicorn's line about them is left out; its other errors are not."""
    logs.configure(Settings())
    logger = logging.getLogger("uvicorn.error")
    logger.error("ASGI callable returned without completing handshake.")
    logger.error("something else")
    [line] = stderr()
    assert line.endswith("something else")
