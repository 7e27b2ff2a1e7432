"""Indexes, constraints and primary keys in MySQL and MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.mysql import lookups
from smalls.compilers.mysql.ddl import Ddl, is_unique, quote, quoted
from smalls.compilers.mysql.online import COPY, INSTANT, NUMBERED, REBUILT, Way, alter, indexing, metadata, named
from smalls.schema import Check, ForeignKey, Index, Unique, fit

if TYPE_CHECKING:
    from smalls.compilers.base import CheckName
    from smalls.operations import ChangePrimaryKey
    from smalls.schema import Column, Constraint, Table


def add_index(ddl: Ddl, index: Index, table: Table) -> list[Statement]:
    """Return what adds an index; one given as a statement runs as it is.

    An index that a foreign key stood on for want of it goes: the server drops it itself, if it made it.
    """
    if index.sql:
        return [Statement(index.sql, transactional=False)]
    steps = [alter(table.key, f"ADD {ddl.index(index, table)}", _index_way(ddl, index, table))]
    for key in table.foreign_keys:
        if index.columns[: len(key.columns)] == key.columns and not _covered(key, table):
            query = lookups.index(key.columns, table, unique=False, name=key.name or key.columns[0])
            steps.append(named(table.key, "DROP INDEX {name}", indexing(ddl), query, optional=True))
    return steps


def _index_way(ddl: Ddl, index: Index, table: Table) -> Way:
    # the hidden column of an expression is added together with its index
    usual = Way("INPLACE", "SHARED", rewrites=False) if ddl.is_functional(index, table) else indexing(ddl)
    return clustering(table, usual) if index.unique else usual


def drop_index(ddl: Ddl, index: Index, table: Table) -> list[Statement]:
    """Return what drops an index; a foreign key that stands on it gets the one that the server would have made."""
    rest = table.swap("indexes", index, None)
    needing = [key for key in table.foreign_keys if index.columns[: len(key.columns)] == key.columns]
    bare = [key for key in needing if not _covered(key, rest)]
    adds = [f"ADD INDEX {quote(key.name or key.columns[0])} ({quoted(key.columns)})" for key in bare[:1]]
    way = clustering(table, indexing(ddl)) if index.unique else indexing(ddl)
    return [alter(table.key, ", ".join((*adds, f"DROP INDEX {quote(index.name)}")), way)]


def clustering(table: Table, usual: Way) -> Way:
    """Return how a unique index comes or goes: without a primary key it may be what InnoDB keeps the rows by.

    https://dev.mysql.com/doc/refman/9.1/en/innodb-index-types.html
    """
    return usual if table.primary_key else COPY


def _covered(key: ForeignKey, table: Table) -> bool:
    """Whether the state has an index that a foreign key can stand on."""
    indexes = [index.columns for index in table.indexes if not index.sql]
    indexes += [item.columns for item in table.constraints if isinstance(item, Unique)]
    indexes += [(column.name,) for column in table.columns if any(map(is_unique, column.extra))]
    return any(columns[: len(key.columns)] == key.columns for columns in (table.primary_key, *indexes))


def rename_index(ddl: Ddl, old: str, new: str, table: Table) -> list[Statement]:
    """Return what renames an index."""
    return [alter(table.key, f"RENAME INDEX {quote(old)} TO {quote(new)}", metadata(ddl))]


def follow_column(ddl: Ddl, old: str, new: str, table: Table) -> list[Statement]:
    """Return what renames the indexes that a server named by a renamed column; `table` is as it is then."""
    steps = []
    for item in table.constraints:
        if isinstance(item, Check) or item.name or item.columns[:1] != (new,):
            continue
        if isinstance(item, Unique) or not _covered(item, table):
            steps.append(_follow(ddl, item.columns, old, table, unique=isinstance(item, Unique)))
    if any(map(is_unique, table.column(new).extra)):
        steps.append(_follow(ddl, (new,), old, table, unique=True))
    return steps


def _follow(ddl: Ddl, columns: tuple[str, ...], old: str, table: Table, *, unique: bool) -> Statement:
    query = lookups.index(columns, table, unique=unique, name=old)
    return named(table.key, f"RENAME INDEX {{name}} TO {quote(columns[0])}", metadata(ddl), query, optional=True)


def add_constraint(ddl: Ddl, constraint: Constraint, table: Table) -> list[Statement]:
    """Return what adds a constraint: the server holds it against all rows, for keys and checks in a copy."""
    way = clustering(table, indexing(ddl)) if isinstance(constraint, Unique) else COPY
    return [alter(table.key, f"ADD {ddl.constraint(constraint, table)}", way, _found(ddl, constraint, table))]


def _found(ddl: Ddl, constraint: Constraint, table: Table) -> str | CheckName:
    """Return the query that finds a constraint which the server names anew each time that it is made."""
    if constraint.name:
        return ""
    if isinstance(constraint, Check):
        return lookups.check(constraint.sql, table.swap("constraints", None, constraint), ddl)
    if isinstance(constraint, Unique):
        return lookups.index(constraint.columns, table, unique=True)
    return lookups.foreign_key(constraint, table)


def drop_constraint(ddl: Ddl, constraint: Constraint, table: Table) -> list[Statement]:
    """Return what drops a constraint; the name is asked from the server where the models give none."""
    if isinstance(constraint, Check):
        held = "" if constraint.name else lookups.check(constraint.sql, table, ddl)
        return [_drop("CONSTRAINT", constraint.name, table, INSTANT, held)]
    if isinstance(constraint, Unique):
        query = "" if constraint.name else lookups.index(constraint.columns, table, unique=True)
        return [_drop("INDEX", constraint.name, table, clustering(table, indexing(ddl)), query)]
    query = "" if constraint.name else lookups.foreign_key(constraint, table)
    dropped = [_drop("FOREIGN KEY", constraint.name, table, metadata(ddl), query)]
    rest = table.swap("constraints", constraint, None)
    others = [key for key in rest.foreign_keys if key.columns == constraint.columns]
    if not others and not _covered(constraint, table):
        # the server made an index for the key, which nothing else in the state has
        query = lookups.index(constraint.columns, rest, unique=False)
        dropped.append(named(table.key, "DROP INDEX {name}", indexing(ddl), query, optional=True))
    return dropped


def _drop(what: str, name: str, table: Table, way: Way, query: str | CheckName) -> Statement:
    if query:
        return named(table.key, f"DROP {what} {{name}}", way, query)
    return alter(table.key, f"DROP {what} {quote(name)}", way)


def add_column_unique(ddl: Ddl, column: Column, table: Table) -> list[Statement]:
    """Return what makes the column's own UNIQUE."""
    found_by = lookups.index([column.name], table, unique=True)
    return [alter(table.key, f"ADD UNIQUE ({quote(column.name)})", clustering(table, indexing(ddl)), found_by)]


def drop_column_unique(ddl: Ddl, column: Column, table: Table) -> list[Statement]:
    """Return what drops the column's own UNIQUE."""
    query = lookups.index([column.name], table, unique=True)
    return [named(table.key, "DROP INDEX {name}", clustering(table, indexing(ddl)), query)]


def spare_key(column: str) -> str:
    """Return the name of the index that a numbered column has while it is not the primary key.

    The server wants every AUTO_INCREMENT column to lead a key.
    """
    return f"{fit(column, 48)}_numbered"


def change_primary_key(operation: ChangePrimaryKey, table: Table) -> list[Statement]:
    """Return what changes the primary key, in one statement, so that numbered columns always have a key."""
    changes = ["DROP PRIMARY KEY"] if operation.old else []
    numbered = [column.name for column in table.columns if column.type.automatic]
    for name in numbered:
        was, is_ = (key[:1] == (name,) for key in (operation.old, operation.new))
        if was and not is_:
            changes.append(f"ADD UNIQUE INDEX {quote(spare_key(name))} ({quote(name)})")
        if is_ and not was:
            changes.append(f"DROP INDEX {quote(spare_key(name))}")
    if operation.new:
        changes.append(f"ADD PRIMARY KEY ({quoted(operation.new)})")
    way = (NUMBERED if numbered else REBUILT) if operation.new else COPY
    return [alter(table.key, ", ".join(changes), way)]
