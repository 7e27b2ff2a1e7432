"""How a change is made online, and statements that assert it: the server refuses rather than do it otherwise.

https://dev.mysql.com/doc/refman/9.1/en/innodb-online-ddl-operations.html,
https://mariadb.com/kb/en/innodb-online-ddl-overview/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.mysql.ddl import LARGE, Ddl, dotted, is_expression, quote

if TYPE_CHECKING:
    from smalls.schema import Column, Table, TableKey


@dataclass(frozen=True, slots=True)
class Way:
    """An algorithm, the lock that it takes ("" where the word is not allowed), whether it writes the table anew."""

    algorithm: str
    lock: str
    rewrites: bool

    @property
    def words(self) -> str:
        """What the plan says, and ALTER TABLE asserts."""
        return f"ALGORITHM={self.algorithm}" + (f", LOCK={self.lock}" if self.lock else "")


INSTANT = Way("INSTANT", "", rewrites=False)
IN_PLACE = Way("INPLACE", "NONE", rewrites=False)
REBUILT = Way("INPLACE", "NONE", rewrites=True)
NUMBERED = Way("INPLACE", "SHARED", rewrites=True)
COPY = Way("COPY", "SHARED", rewrites=True)

# the lengths that VARCHAR may grow between with as many bytes for its length as before, whatever the characters'
# size: 255 bytes are 63, 85, 127 or 255 characters
_BRACKETS = (63, 85, 127, 255)


def alter(key: TableKey, change: str, way: Way | None = None, found_by: str = "") -> Statement:
    """Return ALTER TABLE with the way asserted, or left to the server where that alone can tell."""
    sql = f"ALTER TABLE {dotted(key)} {change}"
    if way is None:
        chosen = "ALGORITHM chosen by the server"
        return Statement(sql, transactional=False, lock="SHARED", rewrites=True, online=chosen)
    lock = way.lock or "NONE"
    return Statement(
        f"{sql}, {way.words}",
        transactional=False,
        lock=lock,
        rewrites=way.rewrites,
        online=way.words,
        found_by=found_by,
    )


def named(key: TableKey, change: str, way: Way, query: str, *, optional: bool = False) -> Statement:
    """Return ALTER TABLE about something whose name `query` finds; `change` holds `{name}`."""
    made = alter(key, change, way)
    return Statement(
        made.sql,
        transactional=False,
        lock=made.lock,
        rewrites=made.rewrites,
        online=made.online,
        named_by=query,
        optional=optional,
    )


def metadata(ddl: Ddl) -> Way:
    """Return the way of a change that no row sees: INPLACE is MySQL's word for it."""
    return IN_PLACE if ddl.is_mysql else INSTANT


def indexing(ddl: Ddl) -> Way:
    """Return the way of adding and dropping indexes; MariaDB can assert that no row is written."""
    return IN_PLACE if ddl.is_mysql else Way("NOCOPY", "NONE", rewrites=False)


def adding(column: Column) -> Way:
    """Return the way of ADD COLUMN, without its checks."""
    stored = column.generated is not None and column.generated.stored
    return COPY if stored or is_expression(column.default) or (column.default and _large(column)) else INSTANT


def _large(column: Column) -> bool:
    return column.type.kind in LARGE


def modify(ddl: Ddl, table: Table, old: Column, new: Column, *, checks: bool) -> list[Statement]:
    """Return MODIFY from `old` to `new`, a whole definition; none if there is no difference."""
    before, after = (ddl.column(column, table, checks=checks) for column in (old, new))
    if before == after:
        return []
    return [alter(table.key, f"MODIFY COLUMN {after}", _way(ddl, table, old, new, checks=checks))]


def _way(ddl: Ddl, table: Table, old: Column, new: Column, *, checks: bool) -> Way | None:
    def rest(column: Column, **changes: object) -> str:
        plain = column.with_(default=None, comment="", **changes)
        return ddl.column(plain, table, checks=False)

    if (checks and old.checks != new.checks) or new.generated or (not ddl.is_mysql and new.type.kind == "json"):
        # MariaDB would take a new check INSTANTly, and not hold it against rows that are there; its JSON has one
        return COPY
    if rest(old) == rest(new):
        return INSTANT
    if rest(old, null=True) == rest(new, null=True):
        return REBUILT
    if rest(old, type=new.type) == rest(new) and old.type.kind == new.type.kind == "varchar":
        return _widening(ddl, old.type.params["length"], new.type.params["length"])
    return COPY


def _widening(ddl: Ddl, old: int, new: int) -> Way | None:
    if new < old:
        return COPY
    same = [old <= edge for edge in _BRACKETS] == [new <= edge for edge in _BRACKETS]
    return metadata(ddl) if same else None


def set_null(table: Table, column: Column, ddl: Ddl) -> list[Statement]:
    """Return what lets a column be NULL, and makes it so in every row."""
    free = column.with_(null=True, checks=(), default=None)
    return [
        *modify(ddl, table, column, free, checks=not ddl.is_mysql),
        Statement(f"UPDATE {dotted(table.key)} SET {quote(column.name)} = NULL"),
    ]
