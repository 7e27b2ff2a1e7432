"""Where a run's story goes at its end: report, metrics and trace, each where a variable asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smalls.logs import Log
    from smalls.story import Story


def tell(story: Story, finished: dict[str, Any], environ: Mapping[str, str], log: Log) -> None:
    """Write what is asked for; `finished` are the fields of `run.finished`. What fails is a warning.

    The environment is read here, so that runs whose settings cannot be read are told as well.
    """
    wanted = [(environ[name], form) for name, form in _FORMS.items() if environ.get(name)]
    traced = _traced(environ)
    if not wanted and not traced:
        return
    from smalls.report import document

    report = log.clean(document(story, finished))
    for path, form in wanted:
        _write(path, form, report, log)
    if traced:
        _send(story, report, environ, log)


def _traced(environ: Mapping[str, str]) -> bool:
    """Tell whether a trace is asked for: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporters := environ.get("OTEL_TRACES_EXPORTER"):
        return "otlp" in exporters.replace(",", " ").split()
    return any(environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))


def _send(story: Story, report: Any, environ: Mapping[str, str], log: Log) -> None:
    from smalls.tracing import database_of, secrets_of, send

    reason = send(report, log.redactor.value(database_of(story.location)), environ, stopped=story.stopped)
    if reason:
        for secret in secrets_of(environ):
            log.redactor.add(secret)
        log("trace.warned", f"The trace could not be sent: {reason}.")


def _write(path: str, form: Callable[[Any], str], report: Any, log: Log) -> None:
    from smalls.writing import write_whole

    try:
        write_whole(path, form(report).encode(errors="backslashreplace"))
    except (OSError, ValueError) as error:
        log("report.warned", f"{path} could not be written: {error}.", path=path)


def _json(report: dict[str, Any]) -> str:
    import json

    return json.dumps(report, indent=2, ensure_ascii=False, default=str) + "\n"


def _metrics(report: dict[str, Any]) -> str:
    from smalls.exposition import exposition

    return exposition(report)


_FORMS: dict[str, Callable[[Any], str]] = {"SMALLS_REPORT": _json, "SMALLS_METRICS_FILE": _metrics}
