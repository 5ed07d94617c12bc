"""Traces: nothing without a collector; spans, their parents and their errors with one."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.config import Settings
from service.errors import BadImage
from service.observability import logs, tracing
from service.observability.telemetry import Spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Tracing on, into memory."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "_spans", Spans("tests", SimpleSpanProcessor(exporter)))
    yield exporter
    tracing.close()


def named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The spans that have ended."""
    return {span.name: span for span in exporter.get_finished_spans()}


def test_parts_of_a_frame_are_inside_it_and_in_the_clients_trace(exporter: InMemorySpanExporter) -> None:
    """One trace from the client's traceparent to the last part."""
    with tracing.continued(TRACEPARENT), tracing.span("frame", transport="grpc", seq=3, nothing=None):
        for part in ("decode", "infer", "commit"):
            with tracing.span(part):
                pass
    spans = named(exporter)
    assert list(spans) == ["decode", "infer", "commit", "frame"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values() if span.context} == {TRACE}
    frame = spans["frame"]
    assert frame.parent is not None
    assert f"{frame.parent.span_id:016x}" == PARENT
    assert frame.attributes == {"kinepose.transport": "grpc", "kinepose.seq": 3}
    assert frame.context is not None
    assert all(spans[part].parent == frame.context for part in ("decode", "infer", "commit"))
    assert frame.resource.attributes["service.name"] == "tests"


async def test_worker_goes_on_with_what_the_frontend_handed_over(exporter: InMemorySpanExporter) -> None:
    """The traceparent of the entry is all that travels."""
    entries: asyncio.Queue[str | None] = asyncio.Queue()

    async def worker() -> None:
        with tracing.continued(await entries.get()), tracing.span("infer"):
            pass

    running = asyncio.create_task(worker())
    with tracing.span("frame"):
        await entries.put(tracing.current_traceparent())
    await running
    spans = named(exporter)
    assert spans["infer"].parent is not None
    assert spans["frame"].context is not None
    assert spans["infer"].parent.span_id == spans["frame"].context.span_id
    assert spans["infer"].parent.is_remote


@pytest.mark.parametrize("traceparent", [None, "", "nonsense", f"00-{'0' * 32}-{PARENT}-01", "ä" * 55])
def test_malformed_traceparent_begins_a_new_trace(traceparent: str | None, exporter: InMemorySpanExporter) -> None:
    """A client's mistake costs it its trace, and no frame."""
    with tracing.continued(traceparent), tracing.span("frame"):
        pass
    assert named(exporter)["frame"].parent is None


def test_frame_that_the_client_does_not_sample_is_not_sent(exporter: InMemorySpanExporter) -> None:
    """Its choice is handed on."""
    with tracing.continued(f"00-{TRACE}-{PARENT}-00"), tracing.span("frame"):
        handed_on = tracing.current_traceparent()
    assert handed_on is not None
    assert handed_on.startswith(f"00-{TRACE}-")
    assert handed_on.endswith("-00")
    assert named(exporter) == {}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(BadImage("no picture: secret"), "bad_image"), (RuntimeError("secret"), "RuntimeError"),
     (asyncio.CancelledError(), "CancelledError")],
)  # fmt: skip
def test_error_is_told_by_its_kind(error: BaseException, kind: str, exporter: InMemorySpanExporter) -> None:
    """Its words, which may quote what a client sent, stay here."""
    with pytest.raises(type(error)), tracing.span("frame"):
        raise error
    span = named(exporter)["frame"]
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == kind
    assert "secret" not in span.to_json()


def test_lines_know_their_trace(exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture) -> None:
    """From a log line to its trace."""
    caplog.handler.setFormatter(logs.JsonLines())
    with tracing.continued(TRACEPARENT):
        logging.getLogger("service").warning("inside")
        with tracing.span("frame"):
            assert logs.context() == {"trace_id": TRACE}
    assert logs.context() == {}
    assert json.loads(caplog.text)["trace_id"] == TRACE


# -- with and without a collector -------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from service.observability import tracing
from service.config import Settings
tracing.configure(Settings(), "x")
with tracing.continued("00-{trace}-{parent}-01"), tracing.span("frame", seq=1):
    assert tracing.current_traceparent() is None
tracing.close()
assert "service.observability.telemetry" not in sys.modules
"""


def test_without_a_collector_nothing_of_opentelemetry_is_needed() -> None:
    """Who does not ask for traces need not install what makes them. (redis-py imports it where it is installed.)"""
    code = WITHOUT.format(trace=TRACE, parent=PARENT)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.delitem(sys.modules, "service.observability.telemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(tracing.TracingUnavailable, match=r"kinepose\[telemetry\]"):
        tracing.configure(Settings(otlp_endpoint="http://127.0.0.1:9"), "x")


@contextmanager
def collector(received: list[ExportTraceServiceRequest]) -> Iterator[str]:
    """URL of an OTLP/HTTP collector that keeps what it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to tell."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
def test_collector_gets_the_spans_in_otlp(path: str) -> None:
    """Over real HTTP; what is left is sent at the end."""
    received: list[ExportTraceServiceRequest] = []
    with collector(received) as url:
        tracing.configure(Settings(otlp_endpoint=url + path), "kinepose-frontend")
        with tracing.continued(TRACEPARENT), tracing.span("frame", seq=7):
            pass
        tracing.close()
    (resource,) = (spans for request in received for spans in request.resource_spans)
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert names["service.name"] == "kinepose-frontend"
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("frame", TRACE, PARENT)


def test_dead_collector_costs_no_frame_and_no_exit(caplog: pytest.LogCaptureFixture) -> None:
    """Spans are lost with a line in the log."""
    tracing.configure(Settings(otlp_endpoint="http://127.0.0.1:9"), "x")
    with tracing.span("frame"):
        pass
    tracing.close()
    assert "export" in caplog.text
    with tracing.span("after"):
        assert tracing.current_traceparent() is None
