"""The history table: applied migrations, in the form that upstream smalls made, with our columns beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Trouble, message_of
from smalls.errors import HistoryError, PermissionDeniedError
from smalls.model import HistoryRow, Kind
from smalls.naming import revision_of_key
from smalls.versions import as_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalls.clock import Clock
    from smalls.events import Emit
    from smalls.migration import Migration
    from smalls.session import WorkSession

TABLE = "migration_history"
_UPSTREAM = ("id", "name", "migrated_at")
# Ours, all nullable, so that upstream can go on inserting rows of its own.
OUR_COLUMNS = {
    "applied_at": "time",
    "checksum": "text",
    "image_version": "text",
    "min_version": "text",
    "duration_ms": "integer",
    "applied_by": "text",
    "kind": "text",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the table holds: its rows in order of application, and its columns (none where there is no table)."""

    rows: tuple[HistoryRow, ...]
    columns: tuple[str, ...]


class History:
    """Reads and writes the history table through the working session."""

    def __init__(self, work: WorkSession, clock: Clock, image_version: str | None, who: str) -> None:
        self._work = work
        self._clock = clock
        self._image_version = image_version
        self._who = who
        self._columns: tuple[str, ...] = ()
        self.table = work.dialect.table(work.settings.db_schema, TABLE)

    def read(self) -> Recorded:
        """Return what is recorded; creates nothing.

        Raises HistoryError for a table of that name that is not a history, or rows that cannot be meant,
        and PermissionDeniedError where the user may not read it.
        """
        if not self._work.exists:
            return Recorded((), ())
        found = read_if_there(self._work, f"SELECT * FROM {self.table}")
        if found is None:
            return Recorded((), ())
        columns, records = found
        self._columns = columns
        missing = [name for name in _UPSTREAM if name not in columns]
        if missing:
            raise HistoryError(
                f"The table {TABLE} has no column {', '.join(missing)}: it is not a migration history.",
                hint="Rename that table, or point smalls at another schema (SMALLS_DB_SCHEMA).",
            )
        rows = sorted((_row(record) for record in records), key=lambda row: row.id)
        _refuse_duplicates(rows)
        return Recorded(tuple(rows), columns)

    def ensure(self, recorded: Recorded, emit: Emit) -> None:
        """Make the table, or give one that another smalls made our columns; its rows stay as they are."""
        lacking = [name for name in OUR_COLUMNS if name not in recorded.columns]
        if not recorded.columns:
            for statement in self._work.dialect.create_history(self._work.settings.db_schema):
                self._work.query(statement)
            self._columns = (*_UPSTREAM, "version")
        for name in lacking:
            kind = self._work.dialect.column_type(OUR_COLUMNS[name])
            self._work.query(f"ALTER TABLE {self.table} ADD COLUMN {self._work.dialect.quote(name)} {kind}")
        self._columns = (*(self._columns or recorded.columns), *lacking)
        if not recorded.columns:
            emit("history.created", f"Created the history table {TABLE}.", table=TABLE)
        elif lacking:
            emit(
                "history.adopted",
                f"Adopted the history table {TABLE}: {len(lacking)} columns added, {len(recorded.rows)} rows kept.",
                table=TABLE,
                columns=lacking,
            )

    def adopt_rows(self, rows: Sequence[HistoryRow], files: dict[str, Migration]) -> None:
        """Record checksums for rows that another smalls wrote, from the files as they are now."""
        for row in rows:
            if row.checksum is None and row.key in files:
                self.set_checksum(row.key, files[row.key].checksum.recorded())

    def add(self, migration: Migration, kind: Kind, duration_ms: int | None) -> None:
        """Record a migration; part of whatever transaction is open."""
        values: dict[str, Any] = {
            "name": migration.key,
            "migrated_at": self._clock.local(),
            "version": as_integer(self._image_version),
            "applied_at": self._clock.utc(),
            "checksum": migration.checksum.recorded(),
            "image_version": self._image_version,
            "min_version": migration.traits.min_version,
            "duration_ms": duration_ms,
            "applied_by": self._who,
            "kind": kind.value,
        }
        present = {name: value for name, value in values.items() if name in self._columns}
        quote, param = self._work.dialect.quote, self._work.dialect.param
        names = ", ".join(quote(name) for name in present)
        marks = ", ".join(param for _ in present)
        self._work.query(f"INSERT INTO {self.table} ({names}) VALUES ({marks})", tuple(present.values()))

    def remove(self, key: str) -> None:
        """Take a row out; part of whatever transaction is open."""
        dialect = self._work.dialect
        self._work.query(f"DELETE FROM {self.table} WHERE {dialect.quote('name')} = {dialect.param}", (key,))

    def set_checksum(self, key: str, checksum: str) -> None:
        """Replace a row's accepted checksums."""
        dialect = self._work.dialect
        self._work.query(
            f"UPDATE {self.table} SET {dialect.quote('checksum')} = {dialect.param} "
            f"WHERE {dialect.quote('name')} = {dialect.param}",
            (checksum, key),
        )


def read_if_there(work: WorkSession, sql: str) -> tuple[tuple[str, ...], list[dict[str, Any]]] | None:
    """Return a query's columns and records, None where its table does not exist.

    Raises PermissionDeniedError where the user may not read it.
    """
    try:
        return work.records(sql)
    except Exception as error:
        trouble = work.dialect.trouble(error)
        if trouble is Trouble.NO_TABLE:
            return None
        if trouble is Trouble.PERMISSION:
            raise PermissionDeniedError(f"The history cannot be read: {message_of(error)}.") from None
        raise


def _row(record: dict[str, Any]) -> HistoryRow:
    try:
        return HistoryRow(
            id=int(record["id"]),
            revision=revision_of_key(_text(record["name"])),
            migrated_at=record["migrated_at"],
            version=_integer(record.get("version")),
            applied_at=record.get("applied_at"),
            checksum=record.get("checksum"),
            image_version=record.get("image_version"),
            min_version=record.get("min_version"),
            duration_ms=_integer(record.get("duration_ms")),
            applied_by=record.get("applied_by"),
            kind=Kind(record.get("kind") or Kind.APPLIED.value),
        )
    except (TypeError, ValueError) as error:
        shown = {name: record.get(name) for name in ("id", "name", "version", "kind")}
        raise HistoryError(
            f"A row of {TABLE} cannot be read: {shown!r} ({error}).", hint="Correct or delete that row by hand."
        ) from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("name is not a text")
    return value


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _refuse_duplicates(rows: Sequence[HistoryRow]) -> None:
    keys = [row.key for row in rows]
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        raise HistoryError(
            f"{TABLE} has more than one row for: {', '.join(twice)}.",
            hint="Delete all but the first of each by hand.",
        )
