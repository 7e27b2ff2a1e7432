"""The history table: applied migrations, in the form that upstream smalls made, with our columns beside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Trouble, message_of
from smalls.errors import HistoryError, PermissionDeniedError, SmallsError
from smalls.model import HistoryRow, Kind
from smalls.naming import revision_of_key
from smalls.versions import as_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalls.clock import Clock
    from smalls.dialects.base import Bound
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
    "additive": "integer",
    "operations": "long text",
}
_KNOWN = (*_UPSTREAM, "version", *(name for name in OUR_COLUMNS if name != "operations"))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the table holds: its rows in order of application, and its columns (none where there is no table)."""

    rows: tuple[HistoryRow, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an applied migration beyond its file: its operations, as `kept` has them.

    `additive` is whether it only added things, so that an image that does not know it can live with it.
    """

    operations: str | None = None
    additive: bool | None = None


NO_FACTS = Facts()


class History:
    """Reads and writes the history table through the working session."""

    def __init__(self, work: WorkSession, clock: Clock, image_version: str | None, who: str) -> None:
        self._work = work
        self._clock = clock
        self.image_version = image_version
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
        columns = self._present()
        if not columns:
            return Recorded((), ())
        self._columns = columns
        missing = [name for name in _UPSTREAM if name not in columns]
        if missing:
            raise HistoryError(
                f"The table {TABLE} has no column {', '.join(missing)}: it is not a migration history.",
                hint="Rename that table, or point smalls at another schema (SMALLS_DB_SCHEMA).",
            )
        found = read_if_there(self._work, f"SELECT {self._wanted(columns)} FROM {self.table}")
        rows = sorted((_row(record) for record in found[1]), key=lambda row: row.id) if found else []
        _refuse_duplicates(rows)
        return Recorded(tuple(rows), columns)

    def _present(self) -> tuple[str, ...]:
        """Return the table's columns, none where it is not there; asked for until they are all that we know of."""
        if "operations" in self._columns:
            return self._columns
        found = read_if_there(self._work, f"SELECT * FROM {self.table} WHERE 1 = 0")
        return found[0] if found else ()

    def _wanted(self, columns: Sequence[str]) -> str:
        """Return what to select: the operations can be large, so only whether there are any."""
        quote = self._work.dialect.quote
        kept = [f"{quote('operations')} IS NOT NULL AS kept"] if "operations" in columns else []
        return ", ".join([*(quote(name) for name in columns if name in _KNOWN), *kept])

    def operations_of(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the operations that are kept with the rows of `keys`, by key, as they stand there."""
        dialect = self._work.dialect
        name, operations = dialect.quote("name"), dialect.quote("operations")
        marks = ", ".join([dialect.param] * len(keys))
        sql = (
            f"SELECT {name}, {operations} FROM {self.table} WHERE {operations} IS NOT NULL AND {name} IN ({marks})"
        )
        return {str(key): str(text) for key, text in self._work.query(sql, tuple(keys))} if keys else {}

    def ensure(self, recorded: Recorded, emit: Emit) -> None:
        """Make the table, or give one that another smalls made our columns; its rows stay as they are."""
        lacking = [name for name in OUR_COLUMNS if name not in recorded.columns]
        dialect = self._work.dialect
        ours = [f"{dialect.quote(name)} {dialect.column_type(OUR_COLUMNS[name])}" for name in lacking]
        if not recorded.columns:
            statements = dialect.create_history(self._work.settings.db_schema, ", ".join(ours))
        else:
            statements = [f"ALTER TABLE {self.table} ADD COLUMN {column}" for column in ours]
        for statement in statements:
            make(self._work, statement)
        self._columns = (*(recorded.columns or (*_UPSTREAM, "version")), *lacking)
        if not recorded.columns:
            emit("history.created", f"Created the history table {TABLE}.", table=TABLE)
        elif lacking:
            emit(
                "history.adopted",
                f"Adopted the history table {TABLE}: {len(lacking)} columns added, {len(recorded.rows)} rows kept.",
                table=TABLE,
                columns=lacking,
            )

    def settle(self) -> None:
        """Find the table from now on where it is now, whatever a migration's code sets for the session."""
        self.table = self._work.dialect.table(home(self._work, TABLE), TABLE)

    def adopt_rows(self, rows: Sequence[HistoryRow], files: dict[str, Migration]) -> None:
        """Record checksums for rows that another smalls wrote, from the files as they are now."""
        for row in rows:
            if row.checksum is None and row.key in files:
                self.set_checksum(row.key, files[row.key].checksum.recorded())

    def add(self, migration: Migration, kind: Kind, duration_ms: int | None, facts: Facts = NO_FACTS) -> None:
        """Record a migration; part of whatever transaction is open."""
        self._work.query(*self.addition(migration, kind, duration_ms, facts))

    def addition(self, migration: Migration, kind: Kind, duration_ms: int | None, facts: Facts = NO_FACTS) -> Bound:
        """Return the statement that records a migration."""
        values: dict[str, Any] = {
            "name": migration.key,
            "migrated_at": self._clock.local(),
            "version": as_integer(self.image_version),
            "applied_at": self._clock.utc(),
            "checksum": migration.checksum.recorded(),
            "image_version": self.image_version,
            "min_version": migration.traits.min_version,
            "duration_ms": duration_ms,
            "applied_by": self._who,
            "kind": kind.value,
            "additive": None if facts.additive is None else int(facts.additive),
            "operations": facts.operations,
        }
        present = {name: value for name, value in values.items() if name in self._columns}
        return _insertion(self.table, tuple(present), self._work.dialect.quote, self._work.dialect.param), tuple(
            present.values()
        )

    def facts_of(self, key: str) -> dict[str, Any]:
        """Return what a row says of when, by whom and from which image it was applied; {} where there is none."""
        dialect = self._work.dialect
        wanted = [name for name in ("applied_at", "applied_by", "image_version") if name in self._columns]
        where = f"WHERE {dialect.quote('name')} = {dialect.param}"
        rows = self._work.query(f"SELECT {', '.join(['id', *wanted])} FROM {self.table} {where}", (key,))
        return {name: value for name, value in zip(wanted, rows[0][1:], strict=True) if value} if rows else {}

    def remove(self, key: str) -> None:
        """Take a row out; part of whatever transaction is open."""
        self._work.query(*self.removal(key))

    def removal(self, key: str) -> Bound:
        """Return the statement that takes a row out."""
        dialect = self._work.dialect
        return f"DELETE FROM {self.table} WHERE {dialect.quote('name')} = {dialect.param}", (key,)

    def set_checksum(self, key: str, checksum: str) -> None:
        """Replace a row's accepted checksums."""
        dialect = self._work.dialect
        self._work.query(
            f"UPDATE {self.table} SET {dialect.quote('checksum')} = {dialect.param} "
            f"WHERE {dialect.quote('name')} = {dialect.param}",
            (checksum, key),
        )


@lru_cache(maxsize=4)  # bounded, since it holds on to a run's dialect
def _insertion(table: str, columns: tuple[str, ...], quote: Callable[[str], str], param: str) -> str:
    """Return the statement that adds a row with these columns, the same for every migration of a run."""
    names, marks = ", ".join(map(quote, columns)), ", ".join([param] * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({marks})"


def home(work: WorkSession, name: str) -> str | None:
    """Return the schema or database of a table of ours that is there."""
    return work.settings.db_schema or work.dialect.home(work.raw_query, name)


def read_if_there(work: WorkSession, sql: str) -> tuple[tuple[str, ...], list[dict[str, Any]]] | None:
    """Return a query's columns and records, None where its table does not exist.

    Raises PermissionDeniedError where the user may not read it, HistoryError where it is no table of ours.
    """
    try:
        return work.records(sql)
    except SmallsError:
        raise
    except Exception as error:
        trouble = work.dialect.trouble(error)
        if trouble is Trouble.NO_TABLE:
            return None
        if trouble is Trouble.PERMISSION:
            raise PermissionDeniedError(f"The history cannot be read: {message_of(error)}.") from None
        if trouble is Trouble.OTHER:
            raise _not_ours("read", error) from None
        raise


def make(work: WorkSession, statement: str) -> None:
    """Run a statement that makes or extends one of our tables; raises HistoryError where its name is taken."""
    try:
        work.query(statement)
    except Exception as error:
        if isinstance(error, SmallsError) or work.dialect.trouble(error) is not Trouble.OTHER:
            raise
        raise _not_ours("made", error) from None


def _not_ours(verb: str, error: Exception) -> HistoryError:
    return HistoryError(
        f"The tables {TABLE} and smalls_journal cannot be {verb}: {message_of(error)}.",
        hint="Something else seems to have one of these names: rename it, or use another schema.",
    )


def _row(record: dict[str, Any]) -> HistoryRow:
    try:
        return HistoryRow(
            id=int(record["id"]),
            revision=revision_of_key(_text(record["name"])),
            migrated_at=record["migrated_at"],
            version=_integer(record.get("version")),
            applied_at=record.get("applied_at"),
            checksum=_optional(record, "checksum"),
            image_version=_optional(record, "image_version"),
            min_version=_optional(record, "min_version"),
            duration_ms=_integer(record.get("duration_ms")),
            applied_by=_optional(record, "applied_by"),
            kind=Kind(record.get("kind") or Kind.APPLIED.value),
            additive=None if record.get("additive") is None else bool(record["additive"]),
            kept=bool(record.get("kept")),
        )
    except (TypeError, ValueError, OverflowError) as error:
        shown = {name: record.get(name) for name in ("id", "name", "version", "kind")}
        raise HistoryError(
            f"A row of {TABLE} cannot be read: {shown!r} ({error}).", hint="Correct or delete that row by hand."
        ) from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("name is not a text")
    return value


def _optional(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    if isinstance(value, bytes | dict | list):  # the last two are what psycopg2 makes of JSON
        raise TypeError(f"{name} is not a text")
    return None if value is None else str(value)


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
