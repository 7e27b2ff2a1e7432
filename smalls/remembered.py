"""Migrations that have no file here: what their rows in the history keep of them, and the schema they add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smalls.autoerrors import FormatError, StateError
from smalls.history import TABLE
from smalls.kept import restore
from smalls.manager import MigrationManager
from smalls.migration import Migration, Traits
from smalls.model import Kind
from smalls.promises import Promises
from smalls.reversal import lasting, require_trust
from smalls.snapshot import SchemaSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from smalls.assessment import Applied
    from smalls.kept import Kept
    from smalls.model import HistoryRow
    from smalls.operations import Operation
    from smalls.run import Run
    from smalls.schema import Schema


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of applied migrations without a file here, by key; `faults` tells of the others why."""

    kept: dict[str, Kept] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def remember(run: Run, rows: Sequence[HistoryRow]) -> Memory:
    """Return what is kept of `rows`; what does not fit its row, or its signature, counts as a fault."""
    memory = Memory(texts=run.history.operations_of([row.key for row in rows if row.kept]))
    for row in rows:
        try:
            memory.kept[row.key] = _restored(row, memory.texts.get(row.key), run.settings.history_keys)
        except FormatError as error:
            memory.faults[row.key] = error.message.removeprefix(f"{row.key}: ")
    return memory


def _restored(row: HistoryRow, text: str | None, keys: Sequence[bytes]) -> Kept:
    if row.kind is not Kind.APPLIED:
        raise FormatError(f"it was {row.kind.value}, not run by smalls")
    if text is None:
        large = row.additive is not None
        why = "they were too large" if large else "it is direct code, or an earlier smalls applied it"
        raise FormatError(f"its operations are not kept: {why}")
    kept = restore(text, row.key, keys)
    if kept.checksum not in (row.checksum or "") or kept.min_version != row.min_version:
        raise FormatError("the operations kept with it do not fit the rest of its row")
    return kept


def stand_in(row: HistoryRow, kept: Kept) -> Migration:
    """Return a migration as whoever runs it needs it, without a file."""
    migration = Migration(row.revision, TABLE, b"")
    # What a file would say, and the row says instead.
    vars(migration)["traits"] = Traits(
        transaction=kept.transaction, together=kept.together, phase=kept.phase, declarative=True, derived=True
    )
    return migration


class States:
    """The schema that applied migrations add up to, app by app, in the order in which they were applied.

    Files say what they do, and of the others what is kept. Where neither does, as with direct files, a
    migration counts as nothing. Raises MigrationLoadError for a file that cannot be read.
    """

    def __init__(self, applied: Sequence[Applied], memory: Memory) -> None:
        self._order = [entry.row for entry in applied]
        self._managers = {key: MigrationManager(kept.operations) for key, kept in memory.kept.items()}
        self.untold = {row.revision.app for row in self._order if row.key in memory.faults}
        """The apps of which some migrations do not say what they did."""
        self._kept = memory.kept
        self._revisions = {row.key: row.revision for row in self._order}
        files = [entry.migration for entry in applied if entry.migration]
        for app in dict.fromkeys(migration.revision.app for migration in files):
            own = sorted((m for m in files if m.revision.app == app), key=lambda m: m.revision)
            promises = Promises(own)
            self._managers |= promises.managers
            self.untold |= {app} if promises.unknown else set()

    def operations(self, app: str) -> Iterator[Operation]:
        """Yield what the app's applied migrations did, as far as they tell it."""
        for row in self._order:
            if row.revision.app == app and row.key in self._managers:
                yield from self._managers[row.key].operations

    def total(self, app: str, keys: Collection[str]) -> Schema:
        """Return what the migrations of `keys` add up to in an app.

        Raises StateError where they do not fit one another, and IrreversibleError where one that nobody vouches
        for says more than structure.
        """
        mine = [row.key for row in self._order if row.revision.app == app and row.key in keys]
        for key in mine:
            if key in self._kept:
                require_trust(self._kept[key], lasting(self._kept[key]))
        told = [(key, self._managers[key]) for key in mine if key in self._managers]
        try:
            return SchemaSnapshot(told).schema
        except StateError:  # rows that a repair wrote again stand last
            return SchemaSnapshot(sorted(told, key=lambda each: self._revisions[each[0]])).schema
