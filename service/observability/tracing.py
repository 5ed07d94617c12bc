"""Traces of frames across processes, by OpenTelemetry, where the settings name a collector; else nothing at all.

    configure(settings, "kinepose-frontend")     once, when a command starts; `close()` at its end
    with continued(traceparent): ...             what a client or another process began goes on here
    with span("decode", seq=3): ...              a part of it
    current_traceparent()                        what to hand on: W3C Trace Context, as a string

A frame is `frame` (its whole path), with `decode`, `infer` and `commit` inside; `infer` is continued by the worker.
The SDK's own variables hold, too: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG choose how many are kept.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from service.config import Settings

if TYPE_CHECKING:
    from service.observability.telemetry import Spans

_NOTHING = nullcontext()

_spans: "Spans | None" = None


class TracingUnavailable(RuntimeError):
    """Traces are asked for, and what makes them is not installed."""


def configure(settings: Settings, service_name: str) -> None:
    """Make spans from now on where `settings.otlp_endpoint` is set.

    Raises:
        TracingUnavailable: it is set, and OpenTelemetry is not installed.
    """
    global _spans
    if settings.otlp_endpoint is None:
        return
    try:
        from service.observability.telemetry import open_spans
    except ModuleNotFoundError as error:
        raise TracingUnavailable(
            f"KINEPOSE_OTLP_ENDPOINT is set, which needs the extra 'telemetry' (pip install 'kinepose[telemetry]'):"
            f" {error}"
        ) from error
    _spans = open_spans(settings.otlp_endpoint, service_name)


def close() -> None:
    """Send what is left, for at most a few seconds; no spans are made from now on."""
    global _spans
    if _spans is not None:
        _spans.close()
        _spans = None


def span(name: str, **attributes: str | int | float | None) -> AbstractContextManager[None]:
    """A span around a block, inside of the one around it; attributes that are None are left out."""
    return _NOTHING if _spans is None else _spans.span(name, attributes)


def continued(traceparent: str | None) -> AbstractContextManager[None]:
    """Spans of the block belong to this trace; None or a malformed one leaves the trace as it is."""
    return _NOTHING if _spans is None or traceparent is None else _spans.continued(traceparent)


def current_traceparent() -> str | None:
    """The traceparent of the span around, for whoever goes on with the trace; None where there is none."""
    return None if _spans is None else _spans.traceparent()
