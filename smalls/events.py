"""Every event that smalls logs: its name, its usual level, and what it tells.

The JSON Schema in `docs/events.schema.json` is made from this table (`python -m smalls.events`), and the
tests hold real output against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What an event means, and the fields it always carries besides those that every line has."""

    meaning: str
    level: str = "info"
    fields: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()


EVENTS: dict[str, EventSpec] = {
    "run.started": EventSpec("A command began.", "info", ("command", "environment", "smalls_version")),
    "run.finished": EventSpec(
        "The command ended; the last line of every run.",
        "info",
        ("command", "outcome", "exit_code", "applied", "undone", "pending", "held", "duration_ms"),
        ("database_wait_ms", "lock_wait_ms"),
    ),
    "run.skipped": EventSpec(
        "SMALLS_SKIP kept the command from doing anything.", "warning", ("command", "cause", "recorded")
    ),
    "run.failed": EventSpec("The command ended with an error, told in `error`.", "error", ("error",)),
    "config.warned": EventSpec("A setting is doubtful: unknown, ignored or overridden.", "warning", ("setting",)),
    "database.chosen": EventSpec("Which database the run works on, and what named it.", "debug", ("source",)),
    "database.repointed": EventSpec(
        "The project's own database object was pointed at the database that smalls was told to use.",
        "info",
        ("source",),
    ),
    "database.waited": EventSpec(
        "The database does not answer yet; logged at every change of the reason.", "warning", ("reason",)
    ),
    "database.connected": EventSpec("The database answered.", "info", ("waited_ms", "tries")),
    "database.created": EventSpec("The database itself was made, as SMALLS_CREATE_DATABASE asks."),
    "pending.waited": EventSpec(
        "`wait --migrated` waits for what is pending; logged at every change of it.", "info", ("pending",)
    ),
    "lock.waiting": EventSpec("Another session holds the lock.", "info", ("holder", "lock", "waited_ms")),
    "lock.acquired": EventSpec("The lock is ours.", "info", ("lock", "waited_ms")),
    "lock.inherited": EventSpec("The parent run holds the lock for us.", "info", ("lock",)),
    "lock.released": EventSpec("The lock was given back.", "debug", ("lock", "held_ms")),
    "lock.lost": EventSpec("The lock's session broke.", "error", ("lock",)),
    "lock.changed": EventSpec(
        "Session locks would not keep two runs apart here, so another kind is used.", "info", ("lock", "reason")
    ),
    "lock.doubted": EventSpec(
        "SMALLS_LOCK=advisory was asked for where session locks may not keep two runs apart.",
        "warning",
        ("reason",),
    ),
    "lock.skipped": EventSpec("The lock is switched off by SMALLS_LOCK=none.", "warning"),
    "history.created": EventSpec("The history table was made.", "info", ("table",)),
    "history.adopted": EventSpec(
        "A history table that another smalls made was given our columns; its rows are as they were.",
        "info",
        ("table", "columns"),
    ),
    "history.warned": EventSpec(
        "Files and history differ in a way that the policy lets pass.", "warning", ("migrations",)
    ),
    "migration.started": EventSpec("A migration begins.", "info", ("migration", "direction", "path")),
    "migration.applied": EventSpec(
        "A migration was applied and recorded.", "info", ("migration", "kind"), ("statements",)
    ),
    "migration.undone": EventSpec(
        "A migration was undone and its row taken out.", "info", ("migration", "duration_ms"), ("statements",)
    ),
    "migration.failed": EventSpec(
        "A migration failed; `error` tells how far it came.",
        "error",
        ("migration", "direction", "error"),
        ("statements",),
    ),
    "ddl.blocked": EventSpec(
        "A statement of a migration waits for a lock that another session holds.",
        "warning",
        ("migration", "statement", "holder", "waited_ms"),
    ),
    "ddl.retried": EventSpec(
        "A lock or a deadlock was in the way; it was rolled back, and is tried again after a pause.",
        "warning",
        ("migration", "reason", "tries", "most"),
    ),
    "migration.output": EventSpec("A line that a migration printed.", "info", ("migration", "stream")),
    "migration.unwrapped": EventSpec(
        "The file ended smalls' transaction as it would end its own; the rest runs outside it.",
        "warning",
        ("reason",),
    ),
    "migration.downgraded": EventSpec(
        "A table cannot do a change as planned; it is done in the next best way, which may block writers.",
        "warning",
        ("migration", "reason", "statement"),
    ),
    "migration.planned": EventSpec("What a run would do.", "info", ("migration", "direction"), ("previewable",)),
    "migration.held": EventSpec(
        "Contract migrations that wait until the rollout is over.", "info", ("migrations",)
    ),
    "schema.verified": EventSpec(
        "The live schema was held against what the migrations promise.", "info", ("missing", "changed", "extra")
    ),
    "schema.warned": EventSpec(
        "The user may not build what to compare the live schema with, so only names were compared.",
        "warning",
        ("reason",),
    ),
    "migration.created": EventSpec("A new migration file was written.", "info", ("path",)),
    "migration.renumbered": EventSpec("A migration file was given another number.", "info", ("migration", "path")),
    "models.changed": EventSpec("An operation that `create --auto` wrote.", "info", ("destructive",)),
    "models.warned": EventSpec(
        "What `create --auto` took for granted; `hint` says how to say otherwise.", "warning", ("hint",)
    ),
    "app.created": EventSpec("A file of a new app was written.", "info", ("path",)),
    "migration.warned": EventSpec("A file in the migrations folder is doubtful.", "warning", ("path",)),
    "migration.repaired": EventSpec("A difference was settled by repair.", "info", ("migration", "action")),
    "script.started": EventSpec("initdb.py or seed.py begins.", "info", ("script",)),
    "script.output": EventSpec("A line that the script printed.", "info", ("script", "stream")),
    "script.finished": EventSpec("The script ended.", "info", ("script", "exit_code")),
    "project.output": EventSpec(
        "A line that the project's own code printed while it was imported or outside migrate().",
        "info",
        ("stream",),
    ),
    "termination.warned": EventSpec("The termination message could not be written.", "warning", ("path",)),
    "trace.warned": EventSpec("The trace could not be sent.", "warning"),
    "report.warned": EventSpec("The report or the metrics could not be written.", "warning", ("path",)),
    "stop.abandoned": EventSpec(
        "What was to be stopped does not end at the server, or no answer comes from there; the connections were "
        "given up. `answering` is whether new ones still get an answer.",
        "warning",
        ("answering",),
    ),
    "stop.enforced": EventSpec(
        "A migration did not finish in the time that SIGTERM left it, or a second signal came; it is cut off.",
        "warning",
        ("reason",),
    ),
    "stop.requested": EventSpec("A signal asked the run to stop.", "warning", ("signal",)),
}


# ── the types of the fields ─────────────────────────────────────────────────────────────────────────────

_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}

COMMON: dict[str, dict[str, Any]] = {
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    "level": {"enum": ["debug", "info", "warning", "error"]},
    "severity": {"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
    "message": _TEXT,
    "event": {"enum": list(EVENTS)},
    "run_id": {"type": "string", "pattern": "^[0-9a-f]+$"},
}
ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "pattern": "^SML-[A-Z-]+$"},
        "message": _TEXT,
        "hint": _TEXT,
        "statement": _TEXT,
        "file": _TEXT,
        "line": {"type": "integer", "minimum": 1},
        "migrations": _TEXTS,
        "statements": {"type": "array", "items": {"type": "object", "additionalProperties": _TEXT}},
        "holder": {"type": "object", "additionalProperties": _TEXT},
        "also": _TEXTS,
        "operations": _TEXTS,
    },
    "required": ["code", "message", "hint"],
    "additionalProperties": False,
}
ANYWHERE: dict[str, dict[str, Any]] = {
    "migration": _TEXT,
    "app": _TEXT,
    "duration_ms": _COUNT,
    "database": _TEXT,
    "error": {"$ref": "#/$defs/error"},
}
FIELDS: dict[str, dict[str, Any]] = {
    "command": _TEXT,
    "environment": {"enum": ["DEV", "PROD"]},
    "smalls_version": _TEXT,
    "outcome": {"enum": ["ok", "pending", "skipped", "stopped", "failed"]},
    "exit_code": {"type": "integer", "minimum": 0, "maximum": 255},
    "applied": _COUNT,
    "undone": _COUNT,
    "pending": {"type": ["integer", "null"], "minimum": 0},
    "held": {"type": ["integer", "null"], "minimum": 0},
    "setting": _TEXT,
    "missing": _COUNT,
    "changed": _COUNT,
    "extra": _COUNT,
    "source": _TEXT,
    "reason": _TEXT,
    "statement": _TEXT,
    "waited_ms": _COUNT,
    "tries": {"type": "integer", "minimum": 1},
    "most": _COUNT,
    "database_wait_ms": _COUNT,
    "lock_wait_ms": _COUNT,
    "statements": _COUNT,
    "held_ms": _COUNT,
    "holder": ERROR["properties"]["holder"],
    "lock": _TEXT,
    "table": _TEXT,
    "columns": _TEXTS,
    "migrations": _TEXTS,
    "direction": {"enum": ["forward", "backward"]},
    "path": _TEXT,
    "kind": {"enum": ["applied", "baselined", "faked"]},
    "stream": {"enum": ["stdout", "stderr"]},
    "previewable": {"type": "boolean"},
    "action": _TEXT,
    "script": _TEXT,
    "cause": _TEXT,
    "recorded": {"type": "boolean"},
    "answering": {"type": "boolean"},
    "signal": _TEXT,
    "destructive": {"type": "boolean"},
    "hint": _TEXT,
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a log line: by `event`, what else is in it."""
    rules = [
        {"if": {"properties": {"event": {"const": name}}}, "then": {"$ref": f"#/$defs/{name}"}} for name in EVENTS
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of smalls' log",
        "description": "Made by `python -m smalls.events`. A field that is not listed for its event is not there.",
        "type": "object",
        "properties": COMMON,
        "required": list(COMMON),
        "allOf": rules,
        "$defs": {"error": ERROR, **{name: _line(spec) for name, spec in EVENTS.items()}},
    }


def _line(spec: EventSpec) -> dict[str, Any]:
    own = {name: (FIELDS | ANYWHERE)[name] for name in (*spec.fields, *spec.sometimes)}
    return {
        "description": spec.meaning,
        "properties": {**dict.fromkeys(COMMON, True), **ANYWHERE, **own},
        "required": list(spec.fields),
        "additionalProperties": False,
    }


class Emit(Protocol):
    """Log one event: a name of `EVENTS`, a sentence for a person, and fields."""

    def __call__(self, event: str, message: str, /, **fields: Any) -> None:
        """Log it at the event's level."""


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
