"""Traces by OpenTelemetry, where a setting names a collector: requests, decisions and jobs, by identifiers that name nobody.

A span holds the route and never the path, the identifiers of decisions and objects, and neither names nor values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from gateway.errors import SettingsInvalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_tracer: Tracer | None = None
_provider: TracerProvider | None = None


def begin_traces(url: str | None, service: str) -> None:
    """From now on spans of this process go to the collector at `url` (OTLP over HTTP); none if it is unset.

    A collector that is down loses spans and nothing else. Raises SettingsInvalid where the extra `traces` is not installed.
    """
    global _tracer, _provider  # noqa: PLW0603 - a process has one place its spans go to
    if url is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsInvalid("SALLYPORT_TRACES_URL needs what the extra `traces` installs.") from error
    about = Resource({"service.name": service, "service.version": version("sallyport")})
    _provider = TracerProvider(resource=about)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=5)))
    _tracer = _provider.get_tracer("sallyport")


def end_traces() -> None:
    """What was traced has been sent, as far as the collector takes it."""
    if _provider is not None:
        _provider.shutdown()


@contextmanager
def span(name: str, carrier: Mapping[str, str] | None = None, **identifiers: str) -> Iterator[Span | None]:
    """What happens inside is one span, a child of the one around it or of the caller's in `carrier` (W3C trace context)."""
    if _tracer is None:
        yield None
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    around = TraceContextTextMapPropagator().extract(carrier) if carrier else None
    about = {f"sallyport.{key}": value for key, value in identifiers.items()}
    # An error's text may hold data, so its type alone is kept.
    with _tracer.start_as_current_span(
        name, around, attributes=about, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            raise
