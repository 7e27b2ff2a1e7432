"""What finds the quoted names of what the models leave unnamed, and the server named by rules of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import SCRATCH, CheckName
from smalls.compilers.mysql.ddl import Ddl, dotted, localized, text
from smalls.schema import Check, types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import Column, ForeignKey, Table


def _table(table: Table) -> str:
    schema = text(table.schema) if table.schema else "DATABASE()"
    return f"table_schema = {schema} AND table_name = {text(table.name)}"


def _quoted(name: str) -> str:
    return f"CONCAT('`', REPLACE({name}, '`', '``'), '`')"


def _in_order(columns: Iterable[str]) -> str:
    return text(",".join(columns))


def foreign_key(key: ForeignKey, table: Table) -> str:
    """Return the query for the name of a foreign key, by what it is."""
    return (
        f"SELECT {_quoted('constraint_name')} FROM information_schema.key_column_usage WHERE {_table(table)}"
        f" AND referenced_table_name = {text(key.ref_table.name)} GROUP BY constraint_name"
        f" HAVING GROUP_CONCAT(column_name ORDER BY ordinal_position) = {_in_order(key.columns)}"
        f" AND GROUP_CONCAT(referenced_column_name ORDER BY ordinal_position) = {_in_order(key.ref_columns)}"
        " ORDER BY constraint_name LIMIT 1"
    )


def index(columns: Iterable[str], table: Table, *, unique: bool, name: str = "") -> str:
    """Return the query for an index over exactly `columns` that is none of the state's, of that name if given."""
    called = f" AND index_name = {text(name)}" if name else ""
    known = ", ".join(
        text(name) for name in ("PRIMARY", *(item.name for item in (*table.indexes, *table.constraints)))
    )
    return (
        f"SELECT {_quoted('index_name')} FROM information_schema.statistics WHERE {_table(table)}"
        f" AND non_unique = {int(not unique)} AND index_name NOT IN ({known}){called} GROUP BY index_name"
        f" HAVING GROUP_CONCAT(column_name ORDER BY seq_in_index) = {_in_order(columns)}"
        " ORDER BY index_name LIMIT 1"
    )


def check(sql: str, table: Table, ddl: Ddl) -> CheckName:
    """Return what the name of an unnamed check is found by: the only one there can be, else what it says."""
    wanted = localized(sql, table)
    columns = [ddl.column(_bare(column), table, checks=False) for column in table.columns]
    members = ", ".join([*columns, f"CONSTRAINT `{SCRATCH}` CHECK ({wanted})"])
    return CheckName(
        dotted(table.key),
        wanted,
        f"CREATE TEMPORARY TABLE `{SCRATCH}` ({members})",
        tuple(item.name for item in table.constraints if item.name),
        alone=len(_unnamed(table, ddl)) == 1,
    )


def _bare(column: Column) -> Column:
    """Return a column with what its type needs, and nothing that a key must be for."""
    number = {"auto": types.integer(), "bigauto": types.bigint()}
    return column.with_(type=number.get(column.type.kind, column.type), default=None, comment="", extra=())


def _unnamed(table: Table, ddl: Ddl) -> list[str]:
    """Return the checks that the server names by a number: in MySQL, those of columns too."""
    found = [item.sql for item in table.constraints if isinstance(item, Check) and not item.name]
    return found + [sql for column in table.columns for sql in column.checks if ddl.is_mysql]
