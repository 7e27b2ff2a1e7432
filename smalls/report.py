"""The report of a run: one document with all that became of it, and the JSON Schema of that document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalls.errors import Exit
from smalls.events import ANYWHERE, COMMON, ERROR, FIELDS
from smalls.naming import revision_of_key
from smalls.version import __version__

if TYPE_CHECKING:
    from datetime import datetime

    from smalls.story import Part, Story

FORMAT = 1


def document(story: Story, finished: dict[str, Any]) -> dict[str, Any]:
    """Return a run's report; `finished` are the fields of its `run.finished`. It still holds secrets.

    The format's number changes when something in it changes its meaning or goes; what is added changes nothing.
    """
    location = story.location
    return {
        "format": FORMAT,
        "run_id": story.run_id,
        "command": story.command,
        "environment": story.environment,
        "smalls_version": __version__,
        "image_version": story.image_version,
        "engine": location and location.engine.value,
        "database": location and location.shown,
        "started_at": _stamp(story.started_at),
        "finished_at": _stamp(story.now()),
        **finished,
        "retryable": Exit(finished["exit_code"]).retryable,
        "error": story.error,
        "migrations": [_part(part) for part in story.parts],
        "warnings": story.warnings,
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "migration": part.migration,
        "app": revision_of_key(part.migration).app,
        "direction": part.direction,
        "kind": part.kind,
        "state": part.state,
        "path": part.path,
        "started_at": _stamp(part.started_at),
        "finished_at": _stamp(part.finished_at),
        "duration_ms": part.duration_ms,
        "statements": part.statements,
        "error": part.error,
    }


def _stamp(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds')}Z"


# ── its schema ──────────────────────────────────────────────────────────────────────────────────────────

_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT: dict[str, Any] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z$",
}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, {"type": "null"}]}


def _whole(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_ERROR = _or_null({"$ref": "#/$defs/error"})
_PART = {
    "migration": {**_TEXT, "description": "The history's name: the file's stem, or app.stem."},
    "app": {**_TEXT, "description": "Empty in a project without apps."},
    "direction": FIELDS["direction"],
    "kind": _or_null({**FIELDS["kind"], "description": "How it came into the history; null unless it did."}),
    "state": {"enum": ["running", "applied", "undone", "failed", "stopped"]},
    "path": _or_null({**_TEXT, "description": "Its file; null where it was recorded without being run."}),
    "started_at": _MOMENT,
    "finished_at": _MOMENT,
    "duration_ms": _or_null(ANYWHERE["duration_ms"]),
    "statements": _or_null({**FIELDS["statements"], "description": "How many statements its code sent."}),
    "error": _ERROR,
}
_RUN = {
    "format": {"const": FORMAT},
    "run_id": COMMON["run_id"],
    "command": _TEXT,
    "environment": _or_null(FIELDS["environment"]),
    "smalls_version": _TEXT,
    "image_version": _or_null({**_TEXT, "description": "SMALLS_VERSION."}),
    "engine": {"enum": ["sqlite", "postgresql", "mysql", None]},
    "database": _or_null({**_TEXT, "description": "As user@host:port/name, or the SQLite file."}),
    "started_at": _MOMENT,
    "finished_at": _MOMENT,
    "duration_ms": ANYWHERE["duration_ms"],
    "outcome": FIELDS["outcome"],
    "exit_code": FIELDS["exit_code"],
    "retryable": {"type": "boolean", "description": "Whether the same run may succeed later without a person."},
    "applied": FIELDS["applied"],
    "undone": FIELDS["undone"],
    "pending": {**FIELDS["pending"], "description": "Null where the run ended before it was known."},
    "held": {**FIELDS["held"], "description": "Contract migrations that wait for the rollout; null as above."},
    "database_wait_ms": FIELDS["database_wait_ms"],
    "lock_wait_ms": FIELDS["lock_wait_ms"],
    "error": _ERROR,
    "migrations": {"type": "array", "items": _whole(_PART)},
    "warnings": {"type": "array", "items": _whole({"event": COMMON["event"], "message": _TEXT})},
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The report of a run of smalls",
        "description": "What SMALLS_REPORT writes. Made by `python -m smalls.report`.",
        **_whole(_RUN),
        "$defs": {"error": ERROR},
    }


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
