"""Every event that smalls logs: its name, its usual level, and what it tells.

The JSON Schema in `docs/events.schema.json` is made from this table (`python -m smalls.events`), and the
tests hold real output against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What an event means, and the fields it carries besides those that every line has."""

    meaning: str
    level: str = "info"
    fields: tuple[str, ...] = ()


EVENTS: dict[str, EventSpec] = {
    "run.started": EventSpec("A command began.", "info", ("command", "environment", "smalls_version")),
    "run.finished": EventSpec(
        "The command ended; the last line of every run.",
        "info",
        ("command", "outcome", "exit_code", "applied", "undone", "pending"),
    ),
    "run.failed": EventSpec("The command ended with an error, told in `error`.", "error"),
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
    "database.connected": EventSpec("The database answered.", "info", ("server", "waited_ms")),
    "lock.waiting": EventSpec("Another session holds the lock.", "info", ("holder", "lock", "waited_ms")),
    "lock.acquired": EventSpec("The lock is ours.", "info", ("lock", "waited_ms")),
    "lock.inherited": EventSpec("The parent run holds the lock for us.", "info", ("lock",)),
    "lock.released": EventSpec("The lock was given back.", "debug", ("lock", "held_ms")),
    "lock.lost": EventSpec("The lock's session broke.", "error", ("lock",)),
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
    "migration.started": EventSpec("A migration begins.", "info", ("direction", "path")),
    "migration.applied": EventSpec("A migration was applied and recorded.", "info", ("kind",)),
    "migration.undone": EventSpec("A migration was undone and its row taken out.", "info"),
    "migration.failed": EventSpec("A migration failed; `error` tells how far it came.", "error", ("direction",)),
    "migration.output": EventSpec("A line that a migration printed.", "info", ("stream",)),
    "migration.unwrapped": EventSpec(
        "The file ended smalls' transaction as it would end its own; the rest runs outside it.",
        "warning",
        ("reason",),
    ),
    "migration.planned": EventSpec("What a run would do.", "info", ("direction", "previewable")),
    "migration.created": EventSpec("A new migration file was written.", "info", ("path",)),
    "migration.warned": EventSpec("A file in the migrations folder is doubtful.", "warning", ("path",)),
    "migration.repaired": EventSpec("A difference was settled by repair.", "info", ("action",)),
    "script.started": EventSpec("initdb.py or seed.py begins.", "info", ("script",)),
    "script.output": EventSpec("A line that the script printed.", "info", ("script", "stream")),
    "script.finished": EventSpec("The script ended.", "info", ("script", "exit_code")),
    "project.output": EventSpec(
        "A line that the project's own code printed while it was imported or outside migrate().",
        "info",
        ("stream",),
    ),
    "stop.requested": EventSpec("A signal asked the run to stop.", "warning", ("signal",)),
}


class Emit(Protocol):
    """Log one event: a name of `EVENTS`, a sentence for a person, and fields."""

    def __call__(self, event: str, message: str, /, **fields: Any) -> None:
        """Log it at the event's level."""
