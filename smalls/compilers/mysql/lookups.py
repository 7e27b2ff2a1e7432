"""Queries for the quoted names of what the models leave unnamed, and the server named by rules of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.mysql.ddl import Ddl, localized, text
from smalls.schema import Check
from smalls.sqltokens import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import ForeignKey, Table

# what a server writes otherwise than we did: quotes, parentheses, spaces, the character set of strings
_NOISE = ("`", '"', "(", ")", " ", "\\", "_utf8mb4", "_utf8mb3", "_latin1")


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


def check(sql: str, table: Table, ddl: Ddl) -> str:
    """Return the query for the name of an unnamed check: the only one there can be, else by its text.

    https://dev.mysql.com/doc/refman/9.1/en/create-table-check-constraints.html,
    https://mariadb.com/kb/en/information-schema-check_constraints-table/
    """
    clause = "LOWER(c.check_clause)"
    for noise in _NOISE:
        clause = f"REPLACE({clause}, {text(noise)}, '')"
    alone = len(_unnamed(table, ddl)) == 1
    wanted = "" if alone else f" AND {clause} = {text(_denoised(sql, table))}"
    schema = text(table.schema) if table.schema else "DATABASE()"
    if not ddl.is_mysql:
        return (
            f"SELECT {_quoted('c.constraint_name')} FROM information_schema.check_constraints c"
            f" WHERE c.constraint_schema = {schema} AND c.table_name = {text(table.name)}"
            f" AND c.level = 'Table' AND c.constraint_name REGEXP '^CONSTRAINT_[0-9]+$'{wanted} ORDER BY 1 LIMIT 1"
        )
    return (
        f"SELECT {_quoted('c.constraint_name')} FROM information_schema.check_constraints c"
        " JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)"
        f" WHERE c.constraint_schema = {schema} AND t.table_name = {text(table.name)}"
        f" AND c.constraint_name REGEXP '_chk_[0-9]+$'{wanted} ORDER BY 1 LIMIT 1"
    )


def _unnamed(table: Table, ddl: Ddl) -> list[str]:
    """Return the checks that the server names by a number: in MySQL, those of columns too."""
    found = [item.sql for item in table.constraints if isinstance(item, Check) and not item.name]
    return found + [sql for column in table.columns for sql in column.checks if ddl.is_mysql]


def _denoised(sql: str, table: Table) -> str:
    found = "".join(token.text for token in tokens(localized(sql, table)) if token.kind != "space").lower()
    for noise in _NOISE:
        found = found.replace(noise, "")
    return found.replace("!=", "<>")
