"""A run as an OpenTelemetry trace: a span for it, and below it one for each of its migrations.

Made at the run's end, when all of it is known, so that nothing of OpenTelemetry is imported before, and nothing
at all where nobody asked. Attributes: https://opentelemetry.io/docs/specs/semconv/database/database-spans/
"""

from __future__ import annotations

import logging
import threading
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from smalls.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span

    from smalls.urls import Location

_BOUND = 5.0
_STOPPED_BOUND = 1.0  # who asked the run to stop kills it soon
_BATCH = 512  # as OpenTelemetry's own batches
_LOGGERS = ("opentelemetry", "urllib3", "requests")
_EPOCH = datetime.fromtimestamp(0, UTC)
_VERBS = {"forward": "apply", "backward": "undo"}
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    """Give what may be secret in the exporter's settings: its headers, and credentials in its endpoint."""
    for header in ",".join(environ.get(name, "") for name in _HEADERS).split(","):
        value = unquote(header.partition("=")[2].strip())
        yield from (value, value.rpartition(" ")[2])
    for endpoint in (environ.get(name, "") for name in _ENDPOINTS):
        yield unquote(endpoint.rpartition("@")[0].rpartition(":")[2])
        yield from (value for _, value in parse_qsl(urlsplit(endpoint).query))


def send(
    report: dict[str, Any], database: dict[str, Any], environ: Mapping[str, str], *, stopped: bool
) -> str | None:
    """Send a run's trace as the OTEL_* variables say; return why that failed, None where it did not.

    `database` are the attributes that tell which it was. Nothing is sent where `smalls[otel]` is not installed.
    Takes five seconds at most, and one after a run that was asked to stop. Secrets are out of all that is given.
    """
    bound = _STOPPED_BOUND if stopped else _BOUND
    outcome = [f"no answer within {bound:g} s"]

    def work() -> None:
        last = _Last()
        try:
            outcome[0] = "" if _send(report, database, environ) else last.message
        except ImportError:
            outcome[0] = ""
        except Exception as error:
            outcome[0] = f"{type(error).__name__}: {error}"

    worker = threading.Thread(target=work, daemon=True, name="smalls-trace")
    worker.start()
    worker.join(bound)
    return outcome[0] or None


class _Last(logging.Handler):
    """Keeps the last thing that the exporter says; it must not come among our own lines."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.message = "it gave no reason"
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.message = record.getMessage()


def _send(report: dict[str, Any], database: dict[str, Any], environ: Mapping[str, str]) -> bool:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spans = _spans(report, database, environ)
        exporter = OTLPSpanExporter()
        batches = [spans[first : first + _BATCH] for first in range(0, len(spans), _BATCH)]
        return all(exporter.export(batch) is SpanExportResult.SUCCESS for batch in batches)


def _spans(
    report: dict[str, Any], database: dict[str, Any], environ: Mapping[str, str]
) -> tuple[ReadableSpan, ...]:
    """Return the finished spans, none where the parent was not sampled."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import SpanKind, set_span_in_context

    provider = TracerProvider(resource=_resource(report), shutdown_on_exit=False)
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("smalls", report["smalls_version"])
    run = tracer.start_span(
        f"smalls {report['command']}",
        _parent(environ),
        attributes=_known(_run(report)) | database,
        start_time=_nanoseconds(report["started_at"]),
    )
    for part in report["migrations"]:
        span = tracer.start_span(
            f"{_VERBS[part['direction']]} {part['migration']}",
            set_span_in_context(run),
            SpanKind.CLIENT,
            attributes=_known(_part(part)) | database,
            start_time=_nanoseconds(part["started_at"]),
        )
        _end(span, part["error"], part["finished_at"])
    _end(run, report["error"] if report["exit_code"] != Exit.PENDING else None, report["finished_at"])
    return kept.get_finished_spans()


def _resource(report: dict[str, Any]) -> Any:
    """Return what the environment says of the service, and our name where it says none."""
    from opentelemetry.sdk.resources import Resource

    found = Resource.create({"service.version": report["image_version"] or report["smalls_version"]})
    unnamed = str(found.attributes["service.name"]).startswith("unknown_service")
    return found.merge(Resource({"service.name": "smalls"})) if unnamed else found


def _parent(environ: Mapping[str, str]) -> Context:
    """Return the caller's span: https://www.w3.org/TR/trace-context/, in the variables' spelling of it."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {name: environ[name.upper()] for name in ("traceparent", "tracestate") if name.upper() in environ}
    return TraceContextTextMapPropagator().extract(carrier)


def database_of(location: Location | None) -> dict[str, Any]:
    """Return the attributes that tell which database it is."""
    if location is None:
        return {}
    named = {"db.system.name": "mariadb" if location.scheme == "mariadb" else location.engine.value}
    where = {"db.namespace": location.name, "server.address": location.host, "server.port": location.port}
    return _known(named | where)


def _run(report: dict[str, Any]) -> dict[str, Any]:
    names = ("run_id", "command", "environment", "image_version", "outcome", "applied", "undone", "pending")
    waits = ("database_wait_ms", "lock_wait_ms")
    return {f"smalls.{name}": report[name] for name in names + waits} | {"process.exit.code": report["exit_code"]}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    names = ("migration", "app", "direction", "kind", "state", "statements")
    error = part["error"] or {}
    return {f"smalls.{name}": part[name] for name in names} | {
        "code.file.path": error.get("file") or part["path"],
        "code.line.number": error.get("line"),
        "db.query.text": error.get("statement"),
    }


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value not in {None, ""}}


def _end(span: Span, error: dict[str, Any] | None, finished_at: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    if error:
        span.set_attributes({"error.type": error["code"], "smalls.hint": error["hint"]})
        span.set_status(Status(StatusCode.ERROR, error["message"]))
    span.end(_nanoseconds(finished_at))


def _nanoseconds(stamp: str) -> int:
    return (datetime.fromisoformat(stamp) - _EPOCH) // timedelta(microseconds=1) * 1000
