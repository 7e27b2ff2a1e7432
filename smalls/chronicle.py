"""`history`: who applied what, when and from which image; what became of it; whether it can be undone from here.

Reads what is there, also a table of upstream's alone, and creates nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from smalls import journal as entries
from smalls.autoerrors import IrreversibleError
from smalls.declarative import NotPlainError
from smalls.model import Kind
from smalls.promises import can_be_undone, manager_of
from smalls.remembered import remember
from smalls.reversal import way_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalls.assessment import Applied
    from smalls.migration import Migration
    from smalls.remembered import Memory
    from smalls.run import Run

Told: TypeAlias = "tuple[Any, str, str, dict[str, Any]]"
_WORDS = {
    entries.FAILED: "failed",
    entries.WITHDRAWN: "failed",
    entries.UNDO_FAILED: "undo failed",
    entries.UNDONE: "undone",
    entries.REPAIRED: "repaired",
    entries.UNDO_APPROVED: "undo approved",
    entries.SKIPPED: "skipped",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a migration, or to none; `undo` says of an applied one how it can be undone."""

    at: str
    event: str
    migration: str | None
    by: str | None = None
    image_version: str | None = None
    duration_ms: int | None = None
    note: str | None = None
    undo: str | None = None


@dataclass(frozen=True, slots=True)
class Chronicle:
    """All that happened, oldest first."""

    database: str
    happenings: tuple[Happening, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for `--json`."""
        return {"database": self.database, "history": [asdict(each) for each in self.happenings]}

    def as_text(self) -> str:
        """Return it as a table."""
        told = [
            (
                each.at.partition(".")[0],
                each.event,
                each.migration or "",
                f"{each.duration_ms} ms" if each.duration_ms is not None else "",
                each.image_version or "",
                each.by or "",
                "; ".join(part for part in (each.note, each.undo and f"undo: {each.undo}") if part),
            )
            for each in self.happenings
        ]
        head = ("at", "event", "migration", "took", "image", "by", "")
        rows = [head, *told] if told else []
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(len(head))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines or ["Nothing has happened here."])


def chronicle(run: Run, app: str = "") -> Chronicle:
    """Return what happened, to all migrations or to those of one app."""
    applied = run.look().applied
    memory = remember(run, [entry.row for entry in applied if entry.migration is None])
    story = run.journal.story([*_WORDS])
    found = [*_dated(_applied(entry, _undo(entry, memory)) for entry in applied), *_dated(_journalled(story))]
    found += [(each.at, each) for each in _undone_since(story)]
    wanted = f"{run.apps.get(app).app_name}." if app else ""
    ordered = [each for _, each in sorted(found, key=lambda pair: pair[0])]
    chosen = [each for each in ordered if not wanted or (each.migration or "").startswith(wanted)]
    return Chronicle(run.chosen.location.shown, tuple(chosen))


def _dated(written: Iterable[Happening]) -> Iterator[tuple[str, Happening]]:
    """Yield each with the time to sort by: what was written later was later, also where a clock was set back."""
    latest = ""
    for each in written:
        latest = max(latest, each.at)
        yield latest, each


def _applied(entry: Applied, undo: str) -> Happening:
    row = entry.row
    return Happening(
        at=_text(row.applied_at or row.migrated_at),
        event=row.kind.value,
        migration=row.key,
        by=row.applied_by,
        image_version=row.image_version or (str(row.version) if row.version else None),
        duration_ms=row.duration_ms,
        undo=undo,
    )


def _undo(entry: Applied, memory: Memory) -> str:
    """Return by what a migration can be undone from here, or why it cannot."""
    row, migration = entry.row, entry.migration
    if row.kind is not Kind.APPLIED:
        return f"no, it was {row.kind.value}, not run by smalls"
    if migration is not None:
        return "by its file" if _has_way_back(migration) else "no, its file has no way back"
    if row.key in memory.faults:
        return f"no, {memory.faults[row.key]}"
    try:
        way_back(memory.kept[row.key])
    except IrreversibleError as error:
        return f"no, {error.message}"
    return f"by what is kept of it ({'signed' if memory.kept[row.key].signed else 'structure only'})"


def _has_way_back(migration: Migration) -> bool:
    try:
        manager = manager_of(migration, may_run=False)
    except NotPlainError:
        manager = None
    return can_be_undone(migration, manager) if manager else migration.traits.can_be_undone


def _undone_since(story: Iterable[Told]) -> Iterator[Happening]:
    for _, key, event, detail in story:
        was = detail.get("was")
        if event == entries.UNDONE and isinstance(was, dict) and was:
            yield Happening(
                at=_text(was.get("applied_at")),
                event="applied",
                migration=key,
                by=was.get("applied_by"),
                image_version=was.get("image_version"),
                note="undone since",
            )


def _journalled(story: Iterable[Told]) -> Iterator[Happening]:
    for at, key, event, detail in story:
        yield Happening(
            at=_text(at),
            event=_WORDS[event],
            migration=key or None,
            by=detail.get("who"),
            image_version=detail.get("image_version"),
            duration_ms=detail.get("duration_ms"),
            note=_note(event, detail),
        )


def _note(event: str, detail: dict[str, Any]) -> str | None:
    told = {
        entries.FAILED: "a part of it took effect",
        entries.WITHDRAWN: "nothing of it took effect",
        entries.REPAIRED: detail.get("action"),
        entries.UNDO_APPROVED: detail.get("digest"),
        entries.SKIPPED: f"{detail.get('command')}: {detail.get('reason')}",
    }
    return told.get(event)


def _text(at: object) -> str:
    return str(at or "").replace("T", " ")
