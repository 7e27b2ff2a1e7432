"""The plan of an undo: what would be undone, last applied first, how, what is lost, and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.declared import Prepared, Preparer, shown_of
from smalls.errors import MissingError, SmallsError, UndoDriftError, UndoImpossibleError
from smalls.model import Direction, Edited, Kind
from smalls.operations import apply_all
from smalls.program import prepare
from smalls.progress import fingerprint
from smalls.readying import shown
from smalls.refusals import edited_error, listed, no_files_error, raise_first, unfinished_error
from smalls.remembered import States, remember, stand_in
from smalls.reversal import way_back
from smalls.undodrift import drift
from smalls.versions import later

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalls.assessment import Applied, Assessment
    from smalls.drift import Difference
    from smalls.migration import Migration
    from smalls.model import HistoryRow
    from smalls.remembered import Memory
    from smalls.run import Run


@dataclass(frozen=True, slots=True)
class Aim:
    """How far to go back: to what this image has files for, or, with `to`, to a migration of an app."""

    to: str | None = None
    app: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A migration to undo: what runs it, what that shows, and a mark that tells it from any other."""

    row: HistoryRow
    migration: Migration
    shown: dict[str, Any]
    mark: str
    prepared: Prepared | None = None

    @property
    def losses(self) -> list[str]:
        """What is lost, as phrases that name table and column."""
        told = [op for part in self.shown.get("operations", ()) for op in part["operations"]]
        return [op.get("destroys") or op["may_lose"] for op in told if "destroys" in op or "may_lose" in op]

    @property
    def rebuilds(self) -> list[str]:
        """The tables that are made anew."""
        steps = [step for part in self.shown.get("operations", ()) for step in part["steps"]]
        return [step["rebuilds"] for step in steps if "rebuilds" in step]


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo does, in order; `impossible` says of each that it cannot be undone from here why.

    `drift` is what the live tables that it changes have otherwise than the migrations promise.
    """

    items: tuple[Item, ...]
    impossible: tuple[tuple[str, str], ...]
    place: str
    drift: tuple[Difference, ...] = ()

    @property
    def marks(self) -> list[str]:
        """The marks of the items, in order."""
        return [item.mark for item in self.items]

    @property
    def digest(self) -> str:
        """What tells this plan, on this database, from any other."""
        return digest_of(self.place, self.marks)

    @property
    def possible(self) -> bool:
        """Whether nothing stands against it."""
        return not (self.impossible or self.drift)

    def require_possible(self) -> None:
        """Raise UndoImpossibleError or UndoDriftError, naming all that stands against it."""
        if self.impossible:
            told = "; ".join(f"{key}: {why}" for key, why in self.impossible)
            raise UndoImpossibleError(
                f"These cannot be undone from here: {told}. Nothing was undone.",
                migrations=[key for key, _ in self.impossible],
            )
        if self.drift:
            mending = [item.operation for item in self.drift]
            raise UndoDriftError(
                f"The tables to be changed are not what the migrations promise; to mend: {'; '.join(mending)}. "
                "Nothing was undone.",
                operations=mending,
            )

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for `--json`."""
        return {
            "digest": self.digest if self.items and self.possible else None,
            "undo": [
                {
                    "migration": item.row.key,
                    "applied_at": _when(item.row),
                    "image_version": item.row.image_version,
                    "losses": item.losses,
                    **item.shown,
                }
                for item in self.items
            ],
            "impossible": [{"migration": key, "reason": why} for key, why in self.impossible],
            "drift": [item.as_dict() for item in self.drift],
        }


def digest_of(place: str, marks: Sequence[str]) -> str:
    """Return the digest of a plan with these marks on that database."""
    return hashlib.sha256(json.dumps([place, *marks]).encode()).hexdigest()


def plan_undo(run: Run, aim: Aim, *, locked: bool = False) -> UndoPlan:
    """Return the plan; everything is compiled and nothing is run.

    Of a declarative file here that only running it could tell, migrate() is called for its operations.

    Raises what stands against it: UnfinishedMigrationError, NoFilesError, MissingError, EditedError, UsageError.
    """
    assessment = run.look(locked=locked)
    scope = _scope(run, aim, assessment)
    keys = {entry.row.key for entry in scope}
    left = [
        work
        for work in assessment.unfinished
        if work.direction is Direction.FORWARD or not work.resumable or work.key not in keys
    ]
    raise_first([*map(unfinished_error, left), *_refusals(run, aim, assessment, scope)])
    place = f"{run.chosen.dialect.engine.value} {run.lock_key}"
    planner = _Planner(run, assessment)
    items, impossible = planner.items(scope)
    rebuilt = {name for item in items for name in item.rebuilds}
    found = [] if impossible else drift(run, assessment, scope, planner.states, rebuilt, locked=locked)
    return UndoPlan(tuple(items), tuple(impossible), place, tuple(found))


def _refusals(run: Run, aim: Aim, assessment: Assessment, scope: Sequence[Applied]) -> list[SmallsError]:
    if assessment.applied and not assessment.has_files:
        return [no_files_error(assessment)]
    found: list[SmallsError] = []
    rows = [entry.row for entry in scope]
    missing = [row.key for row in assessment.missing if row not in rows] if aim.to is None else []
    if missing:
        found.append(MissingError(f"Applied migrations without a file: {listed(missing)}.", migrations=missing))
    edited = [entry for entry in assessment.edited if entry in scope]
    if edited and run.settings.policies.edited is Edited.REFUSE:
        found.append(edited_error(edited))
    return found


# ── what is to be undone ────────────────────────────────────────────────────────────────────────────────


def _scope(run: Run, aim: Aim, assessment: Assessment) -> list[Applied]:
    """Return the applied migrations that the aim means, last applied first."""
    backward = list(reversed(assessment.applied))
    if aim.to is None:
        beyond = beyond_image(run, assessment)
        return [entry for entry in backward if entry.row in beyond]
    app = aim.app or (run.apps.names[0] if len(run.apps.names) == 1 else "")
    target = run.target(aim.to, assessment, app)
    above = [entry for entry in backward if target.is_below(entry.row.revision) and entry.row.kind is Kind.APPLIED]
    first = min((entry.row.id for entry in above), default=0)
    dependents = {*run.apps.dependents_of(target.app)} if target.app in run.apps.names else set()
    known = {"", *run.apps.names, target.app}
    return [
        entry
        for entry in backward
        if entry in above
        or (
            above
            and entry.row.id > first
            and entry.row.kind is Kind.APPLIED
            and (entry.row.revision.app in dependents or entry.row.revision.app not in known)
        )
    ]


def beyond_image(run: Run, assessment: Assessment) -> list[HistoryRow]:
    """Return the rows above what this image has files for, but none that it, or one before it, recorded itself."""
    highest: dict[str, int] = {}
    for migration in run.files:
        app = migration.revision.app
        highest[app] = max(migration.revision.number, highest.get(app, -1))
    own = run.settings.image_version
    found = []
    for row in (*assessment.newer, *assessment.missing):
        recorded = row.image_version or (str(row.version) if row.version else None)
        known = own is None or recorded is None or later(recorded, own, where=f"The version recorded for {row.key}")
        if known and row.revision.number > highest.get(row.revision.app, -1):
            found.append(row)
    return found


# ── how ─────────────────────────────────────────────────────────────────────────────────────────────────


class _Planner:
    """Finds out how each migration is undone, one after the other, as the schema will be then."""

    def __init__(self, run: Run, assessment: Assessment) -> None:
        self.run = run
        self.preparer = Preparer(run, (), Direction.BACKWARD, may_run=False)
        self.compiler = self.preparer.compiler
        rows = [entry.row for entry in assessment.applied if entry.migration is None]
        self.memory: Memory = remember(run, rows)
        self.remaining = {entry.row.key for entry in assessment.applied}
        self.states = States(assessment.applied, self.memory)

    def items(self, scope: Iterable[Applied]) -> tuple[list[Item], list[tuple[str, str]]]:
        """Return the items, and of those that cannot be had why not."""
        items: list[Item] = []
        impossible: list[tuple[str, str]] = []
        entries = list(scope)
        files = [entry.migration for entry in entries if entry.migration]
        told = self._told(files)
        for entry in entries:
            try:
                if entry.migration:
                    up_to = files[: files.index(entry.migration) + 1]
                    items.append(self._filed(entry.row, entry.migration, told or self._show(up_to)))
                else:
                    items.append(self._remembered(entry.row))
            except SmallsError as error:
                impossible.append((entry.row.key, error.message.removesuffix(".")))
            except Exception as error:  # what a forged row makes of values that fit nowhere
                if entry.migration:
                    raise
                impossible.append((entry.row.key, f"what is kept of it cannot be meant ({error})"))
            self.remaining.discard(entry.row.key)
        return items, impossible

    def _show(self, files: Sequence[Migration]) -> dict[str, dict[str, Any]]:
        return shown(self.run, files, Direction.BACKWARD)

    def _told(self, files: Sequence[Migration]) -> dict[str, dict[str, Any]]:
        """Return what the files would do one after the other; {} where one of them stands against it."""
        try:
            return self._show(files)
        except SmallsError:
            return {}

    @staticmethod
    def _filed(row: HistoryRow, migration: Migration, told: dict[str, dict[str, Any]]) -> Item:
        """Return how a migration is undone through its file."""
        if not migration.traits.can_be_undone:
            raise UndoImpossibleError("its file has no way back")
        own = {"by": "its file", **told.get(row.key, {"style": "direct", "previewable": False})}
        return Item(row, migration, own, _mark(row, migration.checksum.raw, own))

    def _remembered(self, row: HistoryRow) -> Item:
        """Return how a migration is undone through what is kept of it."""
        if row.key in self.memory.faults:
            raise UndoImpossibleError(self.memory.faults[row.key])
        kept, app = self.memory.kept[row.key], row.revision.app
        operations = way_back(kept)
        before = self.states.total(app, self.remaining)
        if apply_all(operations, before) != self.states.total(app, self.remaining - {row.key}):
            raise UndoImpossibleError("what is left would not be what the migrations before it promise")
        migration = stand_in(row, kept)
        together = self.preparer.together(migration)
        program = prepare(self.compiler, operations, before, together=together)
        told = shown_of(self.compiler, operations, before, together=together)
        told["transaction"] = told["transaction"] and self.preparer.wraps(migration)
        told = {"by": f"what is kept of it ({'signed' if kept.signed else 'structure only'})", **told}
        mark = _mark(row, self.memory.texts[row.key], fingerprint(program))
        return Item(row, migration, told, mark, Prepared(program, {}, operations))


def _mark(row: HistoryRow, source: str, what: Any) -> str:
    """Return what tells this undoing from any other: of this row, by this source, with these steps."""
    told = [row.id, row.key, _when(row), hashlib.sha256(source.encode()).hexdigest(), what]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:32]


def _when(row: HistoryRow) -> str:
    return str(row.applied_at or row.migrated_at)
