"""A SQLite table made anew, with what depends on it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from smalls.errors import MigrationFailedError
from smalls.sending import run_sql

if TYPE_CHECKING:
    from smalls.compilers.base import Rebuild
    from smalls.schema import Table

_UNHEX_SINCE = (3, 41)


def rebuild(database: Any, step: Rebuild) -> None:
    """Make a SQLite table anew; its triggers and all views are taken away before and made again after.

    So are indexes that the state does not know: somebody made them by hand.

    Steps 3, 8 and 9 of https://www.sqlite.org/lang_altertable.html#otheralter. Foreign keys must be off.
    """
    _require_columns(database, step.before)
    _provide_unhex(database)
    held = _dependents(database, step.before)
    for kind, name, _ in held:
        if kind == "view":
            database.execute_sql(f"DROP VIEW {_quoted(name)}")
    for statement in step.statements:
        run_sql(database, statement)
    for _, _, sql in held:
        database.execute_sql(sql)


def _require_columns(database: Any, table: Table) -> None:
    """Raise MigrationFailedError where the live table has other columns than its rows would be copied from.

    One that nobody knows would go with its rows, and of one that is not there SQLite would copy the name as a text.
    """
    rows = database.execute_sql("SELECT name FROM pragma_table_xinfo(?)", (table.name,)).fetchall()
    live, known = {row[0].lower() for row in rows}, {name.lower() for name in table.column_names}
    if live and live != known:
        told = [f"{name} is missing" for name in sorted(known - live)]
        told += [f"{name} is nobody's" for name in sorted(live - known)]
        raise MigrationFailedError(
            f"Table {table.key} cannot be made anew: somebody changed its columns by hand ({', '.join(told)}).",
            hint="Make the table as the migrations have it (`smalls verify`), or tell of it in a migration.",
        )


def _dependents(database: Any, table: Table) -> list[tuple[str, str, str]]:
    """Return kind, name and SQL of all views, of their triggers, of the table's, and of its unknown indexes."""
    rows = database.execute_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE type = 'view' OR (type = 'trigger' AND"
        " (lower(tbl_name) = lower(?) OR tbl_name IN (SELECT name FROM sqlite_master WHERE type = 'view')))"
        " OR (type = 'index' AND sql IS NOT NULL AND lower(tbl_name) = lower(?)) ORDER BY type = 'trigger', rowid",
        (table.name, table.name),
    )
    known = {index.name.lower() for index in table.indexes}
    return [row for row in rows.fetchall() if row[0] != "index" or row[1].lower() not in known]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _provide_unhex(database: Any) -> None:
    """Give SQLite the function unhex() where it is older than that."""
    if sqlite3.sqlite_version_info < _UNHEX_SINCE:
        database._state.conn.create_function("unhex", 1, _unhex, deterministic=True)  # noqa: SLF001


def _unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
