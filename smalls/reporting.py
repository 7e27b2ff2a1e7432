"""`status`: files and history side by side, for a person and for a machine. Creates nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from smalls.errors import PendingError, SmallsError
from smalls.model import Kind, OutOfOrder
from smalls.refusals import listed, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalls.assessment import Applied, Assessment
    from smalls.migration import Migration
    from smalls.model import Policies, Unfinished
    from smalls.run import Run
    from smalls.settings import Settings


@dataclass(frozen=True, slots=True)
class Line:
    """One migration's line: its name, its state in one word, and what else is known."""

    name: str
    state: str
    at: str | None = None
    note: str | None = None
    duration_ms: int | None = None
    image_version: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture: a line a migration, and what the policies would refuse."""

    lines: tuple[Line, ...]
    problems: tuple[SmallsError, ...]
    pending: int
    held: int
    applied: int
    environment: str
    database: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for `--json`."""
        return {
            "database": self.database,
            "policy": self.environment,
            "applied": self.applied,
            "pending": self.pending,
            "held": self.held,
            "migrations": [
                {
                    name: getattr(line, name)
                    for name in ("name", "state", "at", "note", "duration_ms", "image_version")
                }
                for line in self.lines
            ],
            "problems": [{**error.as_dict(), "exit_code": int(error.exit_code)} for error in self.problems],
        }

    def as_text(self) -> str:
        """Return it as a table."""
        rows = [(line.state, line.name, line.at or "", line.note or "") for line in self.lines]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        table = [
            "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)).rstrip()
            for row in rows
        ]
        held = f", {self.held} held" if self.held else ""
        summary = f"{self.applied} applied, {self.pending} pending{held} on {self.database}"
        told = [
            f"{self.environment} would refuse ({int(error.exit_code)}, {error.code}): {error.message}\n"
            f"  What to do: {error.hint}"
            for error in self.problems
        ]
        return "\n".join([*(table or ["No migrations."]), "", summary, *told])


def status(run: Run, settings: Settings, app: str = "") -> Status:
    """Return the status under the policies of `settings`, of all migrations or of one app's."""
    assessment = run.look()
    if app:
        assessment = of_app(assessment, run.apps.get(app).app_name)
    running = {work.key: work for work in run.journal.unfinished()}
    lines = [_applied_line(entry, assessment, running) for entry in assessment.applied]
    waiting = {m.key: m for m in (*assessment.waiting, *assessment.out_of_order)}.values()
    lines += [_waiting_line(m, assessment, settings.policies, running) for m in waiting]
    return Status(
        lines=tuple(_with_equals(lines, assessment)),
        problems=tuple(refusals(assessment, settings.policies)),
        pending=len(assessment.pending),
        held=len(assessment.held),
        applied=len(assessment.applied),
        environment=settings.environment.value,
        database=run.chosen.location.shown,
    )


def of_app(assessment: Assessment, app: str) -> Assessment:
    """Return the part of an assessment that is one app's."""
    return replace(
        assessment,
        applied=tuple(entry for entry in assessment.applied if entry.row.revision.app == app),
        waiting=tuple(m for m in assessment.waiting if m.revision.app == app),
        held=tuple(m for m in assessment.held if m.revision.app == app),
        out_of_order=tuple(m for m in assessment.out_of_order if m.revision.app == app),
        edited=tuple(entry for entry in assessment.edited if entry.row.revision.app == app),
        missing=tuple(row for row in assessment.missing if row.revision.app == app),
        newer=tuple(row for row in assessment.newer if row.revision.app == app),
        incompatible=tuple(row for row in assessment.incompatible if row.revision.app == app),
        unfinished=tuple(work for work in assessment.unfinished if work.key.startswith(f"{app}.")),
    )


def verdict(found: Status) -> None:
    """Raise what `--exit-code` stands for: the gravest problem, else PendingError, else nothing."""
    if found.problems:
        first, *others = found.problems
        if others:
            first.fields["also"] = [error.message for error in others]
        raise first
    if found.pending:
        raise PendingError(f"{found.pending} pending.")


def _applied_line(entry: Applied, assessment: Assessment, running: dict[str, Any]) -> Line:
    row = entry.row
    state = "applied" if row.kind is Kind.APPLIED else row.kind.value
    notes = []
    if row in assessment.missing:
        state = "missing"
        notes.append("its file is not here")
    elif row in assessment.newer:
        state = "newer"
        fits = (
            "this image can live with it"
            if row not in assessment.incompatible
            else "this image cannot live with it"
        )
        notes.append(f"from image {row.image_version or row.version}; {fits}")
    elif entry in assessment.edited:
        state = "edited"
        notes.append("its file was changed since")
    if row.key in running:
        notes.append(_undoing(running[row.key]))
    at = row.applied_at or row.migrated_at
    return Line(
        row.key,
        state,
        str(at).partition(".")[0] if at else None,
        "; ".join(notes) or None,
        row.duration_ms,
        row.image_version,
    )


def _undoing(work: Unfinished) -> str:
    if work.state == "failed":
        return "undoing it failed part-way; `smalls repair` tells more"
    return "undoing it was begun, and no end recorded"


def _waiting_line(
    migration: Migration, assessment: Assessment, policies: Policies, running: dict[str, Any]
) -> Line:
    late = migration in assessment.out_of_order
    if migration.key in running:
        work = running[migration.key]
        return Line(
            migration.key, work.state, work.at, "`smalls repair` tells more" if work.state == "failed" else None
        )
    if migration in assessment.held:
        return Line(migration.key, "held", None, "contract: `smalls migrate --phase contract`, after the rollout")
    if not late:
        return Line(migration.key, "pending")
    word = "ignored" if policies.out_of_order is OutOfOrder.IGNORE else "pending"
    return Line(migration.key, word, None, "out of order: numbered below an applied one")


def _with_equals(lines: Sequence[Line], assessment: Assessment) -> list[Line]:
    """Add to each line of an equal number the names it shares it with."""
    notes: dict[str, str] = {}
    for group in assessment.equal_numbers:
        for migration in group:
            others = listed(m.key for m in group if m is not migration)
            notes[migration.key] = f"same number as {others}"
    return [_noted(line, notes[line.name]) if line.name in notes else line for line in lines]


def _noted(line: Line, note: str) -> Line:
    return Line(
        line.name,
        line.state,
        line.at,
        f"{line.note}; {note}" if line.note else note,
        line.duration_ms,
        line.image_version,
    )
