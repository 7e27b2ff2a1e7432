"""How a change is made online, and statements that assert it; where a table cannot, the next best, step by step.

https://dev.mysql.com/doc/refman/9.1/en/innodb-online-ddl-operations.html,
https://mariadb.com/kb/en/innodb-online-ddl-overview/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.mysql.ddl import LARGE, Ddl, dotted, is_expression, quote

if TYPE_CHECKING:
    from smalls.compilers.base import CheckName
    from smalls.schema import Column, Table, TableKey


@dataclass(frozen=True, slots=True)
class Way:
    """An algorithm, the lock that it takes ("" where the word is not allowed), whether it writes the table anew.

    `unless` tells what it depends on, and what is done otherwise.
    """

    algorithm: str
    lock: str
    rewrites: bool
    unless: str = ""

    @property
    def words(self) -> str:
        """What ALTER TABLE asserts."""
        return f"ALGORITHM={self.algorithm}" + (f", LOCK={self.lock}" if self.lock else "")

    @property
    def told(self) -> str:
        """What the plan says."""
        return f"{self.words}{self.unless}"


INSTANT = Way("INSTANT", "", rewrites=False)
IN_PLACE = Way("INPLACE", "NONE", rewrites=False)
REBUILT = Way("INPLACE", "NONE", rewrites=True)
NUMBERED = Way("INPLACE", "SHARED", rewrites=True)
COPY = Way("COPY", "SHARED", rewrites=True)

# what a table may be unable to do by itself, which nothing but the server knows: it has a full-text index, is
# compressed, is of another engine than InnoDB, or has been changed instantly as often as it can be
_NEXT_BEST = {"INSTANT": [f", {IN_PLACE.words}", ""], "NOCOPY": [f", {IN_PLACE.words}", ""], "INPLACE": [""]}

# the length of a VARCHAR that holds more bytes than this is kept in two bytes
_ONE_BYTE = 255
_SIZES = {4: "utf8mb4", 3: "utf8mb3", 2: "ucs2", 1: "latin1"}


def alter(key: TableKey, change: str, way: Way, found_by: str | CheckName = "") -> Statement:
    """Return ALTER TABLE with the way asserted, and what to send instead where the table refuses it."""
    sql = f"ALTER TABLE {dotted(key)} {change}"
    return Statement(
        f"{sql}, {way.words}",
        transactional=False,
        lock=way.lock or "NONE",
        rewrites=way.rewrites,
        online=way.told,
        found_by=found_by,
        otherwise=tuple(f"{sql}{words}" for words in _NEXT_BEST.get(way.algorithm, ())),
    )


def named(key: TableKey, change: str, way: Way, query: str | CheckName, *, optional: bool = False) -> Statement:
    """Return ALTER TABLE about something whose name `query` finds; `change` holds `{name}`."""
    return replace(alter(key, change, way), named_by=query, optional=optional)


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


def _way(ddl: Ddl, table: Table, old: Column, new: Column, *, checks: bool) -> Way:
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


def _widening(ddl: Ddl, old: int, new: int) -> Way:
    """Return the way of a longer VARCHAR, which is copied where its length then takes a byte more."""
    if new < old:
        return COPY
    copied = [name for size, name in _SIZES.items() if old * size <= _ONE_BYTE < new * size]
    if not copied:
        return metadata(ddl)
    told = f"; {COPY.words} in a character set like {' or '.join(copied)}"
    return replace(metadata(ddl), unless=told, rewrites="utf8mb4" in copied)  # the servers' default


def set_null(table: Table, column: Column, ddl: Ddl) -> list[Statement]:
    """Return what lets a column be NULL, and makes it so in every row."""
    free = column.with_(null=True, checks=(), default=None)
    return [
        *modify(ddl, table, column, free, checks=not ddl.is_mysql),
        Statement(f"UPDATE {dotted(table.key)} SET {quote(column.name)} = NULL"),
    ]
