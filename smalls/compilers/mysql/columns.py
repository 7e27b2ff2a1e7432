"""Columns in MySQL and MariaDB: added, altered, dropped; always by their whole definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.mysql import keys, lookups
from smalls.compilers.mysql.ddl import LARGE, Ddl, dotted, is_unique, quote, text
from smalls.compilers.mysql.online import (
    COPY,
    IN_PLACE,
    INSTANT,
    NUMBERED,
    adding,
    alter,
    modify,
    named,
    set_null,
)
from smalls.compilers.refusals import refusal
from smalls.schema import Check, Sql, fit

if TYPE_CHECKING:
    from smalls.operations import AddColumn, AlterColumn, DropColumn, Value
    from smalls.schema import Column, Table

# how values are made anew where the server's own conversion would refuse or mean something else
_FORMS = {
    ("uuid", "binary_uuid"): "UNHEX(REPLACE({0}, '-', ''))",
    ("binary_uuid", "uuid"): "LOWER(HEX({0}))",
    ("binary_uuid", "char"): "LOWER(HEX({0}))",
    ("binary_uuid", "varchar"): "LOWER(HEX({0}))",
    ("binary_uuid", "text"): "LOWER(HEX({0}))",
}


def fill(table: Table, column: str, value: Value, where: str = "") -> Statement:
    """Return the UPDATE that gives rows a value."""
    target = f"UPDATE {dotted(table.key)} SET {quote(column)} = "
    if isinstance(value, Sql):
        return Statement(f"{target}({value.text}){where}")
    return Statement((target + "\0" + where).replace("%", "%%").replace("\0", "%s"), (value,))


# ── add ──


def add_column(ddl: Ddl, operation: AddColumn, table: Table) -> list[Statement]:
    """Return what adds a column, instantly where the server can, and fills it."""
    column, backfill = operation.column, operation.backfill
    if column.type.automatic and table.primary_key[:1] != (column.name,):
        index = f"ADD UNIQUE INDEX {quote(keys.spare_key(column.name))} ({quote(column.name)})"
        return [alter(table.key, f"ADD COLUMN {ddl.column(column, table)}, {index}", NUMBERED)]
    after = table.swap("columns", None, column)
    if backfill == Sql(column.default or "") or (backfill is None and (column.null or column.filled)):
        steps = [_add(ddl, after, column)]
    elif (literal := _as_default(column, backfill)) is not None:
        # no row is written: the server remembers the value for all rows that are there
        first = column.with_(default=literal)
        steps = [_add(ddl, after, first), *modify(ddl, after, first, column, checks=not ddl.is_mysql)]
    else:
        steps = _added_empty(ddl, after, column, backfill)
    if any(map(is_unique, column.extra)):
        steps += keys.add_column_unique(ddl, column, after)
    return steps


def _add(ddl: Ddl, table: Table, column: Column) -> Statement:
    way = COPY if column.checks else adding(column)
    return alter(table.key, f"ADD COLUMN {ddl.column(column, table)}", way)


def _added_empty(ddl: Ddl, table: Table, column: Column, backfill: Value) -> list[Statement]:
    """Add a column that rows are NULL in at first; nothing is made up for those that stay so."""
    first = column.with_(null=True, checks=(), default=None)
    steps = [_add(ddl, table, first)]
    steps += [fill(table, column.name, backfill)] if backfill is not None else []
    steps += modify(ddl, table, first, column, checks=not ddl.is_mysql)
    return steps + (_add_checks(ddl, table, column.checks) if ddl.is_mysql else [])


def _as_default(column: Column, value: Value) -> str | None:
    """Return a plain value as a default that the server can remember; None if it can't be one."""
    if value is None or isinstance(value, Sql | bytes) or column.type.kind in {*LARGE, "raw"} or column.checks:
        return None
    if isinstance(value, str):
        return None if "\\" in value else text(value)
    return str(int(value)) if isinstance(value, bool) else repr(value)


# ── drop ──


def drop_column(operation: DropColumn, table: Table) -> list[Statement]:
    """Return what drops a column; one with an index of its own takes that along."""
    column = operation.column
    indexed = column.type.automatic or any(map(is_unique, column.extra))
    way = keys.clustering(table, IN_PLACE) if indexed else INSTANT
    return [alter(table.key, f"DROP COLUMN {quote(column.name)}", way)]


# ── alter ──


def alter_column(ddl: Ddl, operation: AlterColumn, table: Table) -> list[Statement]:
    """Return what alters a column: checks and UNIQUE off, values, definition, checks and UNIQUE on."""
    old, new = operation.old, operation.new
    after = table.swap("columns", old, new)
    ddl.check_keys(after)
    off, on = _checks_off_on(ddl, old, new)
    was, is_ = (any(map(is_unique, column.extra)) for column in (old, new))
    steps = [step for sql in off for step in drop_check(ddl, sql, table)]
    steps += keys.drop_column_unique(ddl, old, table) if was and not is_ else []
    steps += _body(ddl, operation, after)
    steps += keys.add_column_unique(ddl, new, after) if is_ and not was else []
    return steps + _add_checks(ddl, after, on)


def _checks_off_on(ddl: Ddl, old: Column, new: Column) -> tuple[list[str], list[str]]:
    """MySQL keeps a column's checks apart from it; in MariaDB they go with its definition."""
    if not ddl.is_mysql:
        return [], []
    return [c for c in old.checks if c not in new.checks], [c for c in new.checks if c not in old.checks]


def drop_check(ddl: Ddl, sql: str, table: Table) -> list[Statement]:
    """Drop a check that the server named."""
    return [named(table.key, "DROP CONSTRAINT {name}", INSTANT, lookups.check(sql, table, ddl))]


def _add_checks(ddl: Ddl, table: Table, checks: tuple[str, ...] | list[str]) -> list[Statement]:
    return [
        alter(table.key, f"ADD {ddl.constraint(Check(sql), table)}", COPY, lookups.check(sql, table, ddl))
        for sql in checks
    ]


def _body(ddl: Ddl, operation: AlterColumn, table: Table) -> list[Statement]:
    old, new = operation.old, operation.new
    if _is_virtual(old) != _is_virtual(new):
        return _across_virtual(ddl, table, old, new)
    form = _FORMS.get((old.type.kind, new.type.kind), "").format(quote(old.name))
    if (operation.using or form) and not new.generated:
        return _made_anew(ddl, operation, table, operation.using or form)
    checks = not ddl.is_mysql
    if operation.backfill is None:
        return modify(ddl, table, old, new, checks=checks)
    # the value is of the new type, so that comes first
    typed = new.with_(null=True, checks=old.checks)
    first = modify(ddl, table, old, typed, checks=checks) if old.type != new.type else []
    filled = fill(table, new.name, operation.backfill, f" WHERE {quote(new.name)} IS NULL")
    return [*first, filled, *modify(ddl, table, typed if first else old, new, checks=checks)]


def _made_anew(ddl: Ddl, operation: AlterColumn, table: Table, using: str) -> list[Statement]:
    """Make values by SQL of one's own: aside, in a column of the new type, while the old values are there."""
    old, new = operation.old, operation.new
    if old.name in table.primary_key or any(old.name in key.columns for key in table.foreign_keys):
        raise refusal("key-conversion", ddl.engine, f"{table.key}.{old.name}")
    aside = new.with_(name=f"{fit(new.name, 48)}_anew", null=True, default=None, checks=(), extra=())
    empty = old.with_(null=True, default=None, checks=())
    typed = new.with_(null=True, default=None, checks=())
    made = fill(table, aside.name, Sql(using))
    back: Value = Sql(quote(aside.name))
    steps = [_add(ddl, table, aside), made, *set_null(table, old, ddl)]
    steps += [*modify(ddl, table, empty, typed, checks=True), fill(table, new.name, back)]
    if operation.backfill is not None:
        steps.append(fill(table, new.name, operation.backfill, f" WHERE {quote(new.name)} IS NULL"))
    steps += modify(ddl, table, typed, new, checks=not ddl.is_mysql)
    return [*steps, alter(table.key, f"DROP COLUMN {quote(aside.name)}", INSTANT)]


def _is_virtual(column: Column) -> bool:
    return column.generated is not None and not column.generated.stored


def _across_virtual(ddl: Ddl, table: Table, old: Column, new: Column) -> list[Statement]:
    """Make a column anew: no server changes whether it is kept on disk. What a virtual one showed is kept."""
    if table.users_of(old.name):
        raise refusal("virtual-column", ddl.engine, f"{table.key}.{old.name}")
    aside = new.with_(name=f"{fit(new.name, 48)}_anew", null=True, checks=())
    drop = alter(table.key, f"DROP COLUMN {quote(old.name)}", INSTANT)
    if new.generated:
        return [drop, _add(ddl, table, new)]
    rename = alter(table.key, f"RENAME COLUMN {quote(aside.name)} TO {quote(new.name)}", INSTANT)
    filled = fill(table, aside.name, Sql(quote(old.name)))
    named_ = new.with_(null=True, checks=())
    last = modify(ddl, table, named_, new, checks=not ddl.is_mysql)
    return [_add(ddl, table, aside), filled, drop, rename, *last]
