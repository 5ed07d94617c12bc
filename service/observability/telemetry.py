"""Spans by OpenTelemetry's SDK. Imported by `tracing` alone, and only where traces are asked for."""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.errors import KineposeError
from service.observability import logs

# A collector that is away must hold up neither what waits to be sent nor the process's end.
EXPORT_TIMEOUT_S: Final = 3.0
CLOSE_TIMEOUT_S: Final = 4.0
TRACES_PATH: Final = "/v1/traces"

_w3c = TraceContextTextMapPropagator()


def open_spans(endpoint: str, service_name: str) -> "Spans":
    """Spans that are sent in the background to an OTLP/HTTP collector, given by its base URL or its full one."""
    url = endpoint.rstrip("/")
    url = url if url.endswith(TRACES_PATH) else url + TRACES_PATH
    return Spans(service_name, BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=EXPORT_TIMEOUT_S)))


class Spans:
    """Makes the spans of one process, and hands them to a processor.

    Of an error only its kind is recorded: its message may quote what a client sent.
    """

    def __init__(self, service_name: str, processor: SpanProcessor) -> None:
        instance = f"{socket.gethostname()}-{os.getpid()}"
        resource = Resource.create({"service.name": service_name, "service.instance.id": instance})
        # A provider of our own: the global one can be set only once, and belongs to whoever embeds us.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("kinepose")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int | float | None]) -> Iterator[None]:
        """See `tracing.span`."""
        named = {f"kinepose.{key}": value for key, value in attributes.items() if value is not None}
        begun = self._tracer.start_as_current_span(
            name, attributes=named, record_exception=False, set_status_on_exception=False
        )
        with begun as current, logs.bound_context(trace_id=_trace_id(current)):
            try:
                yield
            except BaseException as error:
                kind = error.code if isinstance(error, KineposeError) else type(error).__qualname__
                current.set_attribute("error.type", kind)
                current.set_status(trace.StatusCode.ERROR)
                raise

    @contextmanager
    def continued(self, traceparent: str) -> Iterator[None]:
        """See `tracing.continued`."""
        found = _w3c.extract({"traceparent": traceparent}, context.get_current())
        token = context.attach(found)
        try:
            with logs.bound_context(trace_id=_trace_id(trace.get_current_span(found))):
                yield
        finally:
            context.detach(token)

    def traceparent(self) -> str | None:
        """See `tracing.current_traceparent`."""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        """See `tracing.close`."""
        # The SDK would try each of its batches for EXPORT_TIMEOUT_S.
        closing = threading.Thread(target=self._provider.shutdown, name="kinepose-telemetry", daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_S)


def _trace_id(span: trace.Span) -> str | None:
    place = span.get_span_context()
    return trace.format_trace_id(place.trace_id) if place.is_valid else None
