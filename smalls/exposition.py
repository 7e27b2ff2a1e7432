"""The metrics of a run in Prometheus' text format, for the textfile collector of node_exporter.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format; the collector:
https://github.com/prometheus/node_exporter#textfile-collector (which refuses samples with timestamps).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

_LABEL = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_MILLI = 1000


def exposition(report: dict[str, Any]) -> str:
    """Return the metrics of a report, secrets taken out; what is not known is left out."""
    labels = {"command": report["command"], "database": report["database"] or ""}
    told = {"outcome": report["outcome"], "error": (report["error"] or {}).get("code", "")}
    versions = {"version": report["smalls_version"], "image_version": report["image_version"] or ""}
    lines = [_metric("smalls_last_run_info", "How the last run ended.", 1, labels | told | versions)]
    lines += [
        _metric(name, meaning, value, labels) for name, meaning, value in _values(report) if value is not None
    ]
    return "".join(lines)


def _values(report: dict[str, Any]) -> list[tuple[str, str, float | None]]:
    ended = datetime.fromisoformat(report["finished_at"]).timestamp()
    last = "smalls_last_run"
    return [
        (f"{last}_timestamp_seconds", "When the last run ended, in Unix time.", ended),
        (f"{last}_duration_seconds", "How long the last run took.", report["duration_ms"] / _MILLI),
        (f"{last}_success", "Whether the last run ended with exit code 0.", int(report["exit_code"] == 0)),
        (f"{last}_exit_code", "The exit code of the last run.", report["exit_code"]),
        (f"{last}_applied", "Migrations that the last run applied.", report["applied"]),
        (f"{last}_undone", "Migrations that the last run undid.", report["undone"]),
        (
            f"{last}_database_wait_seconds",
            "How long the last run waited for the database.",
            report["database_wait_ms"] / _MILLI,
        ),
        (f"{last}_lock_wait_seconds", "How long the last run waited for locks.", report["lock_wait_ms"] / _MILLI),
        ("smalls_pending_migrations", "Migrations that are pending after the last run.", report["pending"]),
        ("smalls_held_migrations", "Migrations that wait for the rollout after the last run.", report["held"]),
    ]


def _metric(name: str, meaning: str, value: float, labels: dict[str, str]) -> str:
    told = ",".join(f'{label}="{text.translate(_LABEL)}"' for label, text in labels.items())
    return f"# HELP {name} {meaning}\n# TYPE {name} gauge\n{name}{{{told}}} {value:.15g}\n"
