"""Statements with what a plan tells of them: the strongest lock on a table, copying, and how it stays short.

Locks are those of https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES and of
https://www.postgresql.org/docs/current/sql-altertable.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.postgres.text import beside, deferred, index_statement, literal, quote, relation, string
from smalls.schema import Index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.operations import Value
    from smalls.schema import TableKey, Unique

EXCLUSIVE = "ACCESS EXCLUSIVE"
SHARE_UPDATE = "SHARE UPDATE EXCLUSIVE"
SHARE_ROW = "SHARE ROW EXCLUSIVE"
SHARE = "SHARE"
ROW = "ROW EXCLUSIVE"
VALIDATED = "NOT VALID, validated next"
VALIDATES = "reads every row while others read and write"
CONCURRENT = "CONCURRENTLY: writers are not blocked"
LEFTOVER = "only where a build that failed left it, invalid"
_BUILDING = "SELECT index_relid FROM pg_stat_progress_create_index WHERE index_relid IS NOT NULL"
BUILT = "of the index that is there, no scan"


def alter(
    key: TableKey, action: str, *, lock: str = EXCLUSIVE, rewrites: bool = False, online: str = ""
) -> Statement:
    """Return ALTER TABLE with one action."""
    return Statement(f"ALTER TABLE {relation(key)} {action}", lock=lock, rewrites=rewrites, online=online)


def add_validated(key: TableKey, name: str, definition: str, *, lock: str = EXCLUSIVE) -> list[Statement]:
    """Add a check or foreign key in two steps, so that rows are read without a lock that blocks writers."""
    validate = alter(key, f"VALIDATE CONSTRAINT {quote(name)}", lock=SHARE_UPDATE, online=VALIDATES)
    return [
        alter(key, f"ADD CONSTRAINT {quote(name)} {definition} NOT VALID", lock=lock, online=VALIDATED),
        replace(validate, alone=True),
    ]


def build_index(key: TableKey, index: Index) -> list[Statement]:
    """Build an index while others write, over the invalid one that a build that failed has left behind.

    One that is still being built is invalid too, and is left alone.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    name = beside(key, index.name)
    found = (
        f"SELECT 1 FROM pg_index WHERE indexrelid = to_regclass({string(name)})"
        f" AND indrelid = to_regclass({string(relation(key))}) AND {{}}indisvalid"
    )
    invalid = f"{found.format('NOT ')} AND indexrelid NOT IN ({_BUILDING})"
    built = _outside(index_statement(key, index, concurrently=True), SHARE, CONCURRENT)
    return [
        replace(_outside(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", EXCLUSIVE, LEFTOVER, invalid), clears=True),
        replace(built, found_by=found.format("")),
    ]


def drop_index(key: TableKey, name: str) -> Statement:
    """Drop an index while others read and write."""
    return _outside(f"DROP INDEX CONCURRENTLY IF EXISTS {beside(key, name)}", EXCLUSIVE, CONCURRENT)


def _outside(sql: str, lock: str, online: str, named_by: str = "") -> Statement:
    """Return a statement of CONCURRENTLY; without the word it is one for a transaction, under `lock`."""
    plain = Statement(sql.replace(" CONCURRENTLY", "", 1), lock=lock, named_by=named_by, optional=bool(named_by))
    return replace(plain, sql=sql, transactional=False, lock=SHARE_UPDATE, online=online, inside=plain)


def add_unique(key: TableKey, name: str, item: Unique) -> list[Statement]:
    """Add a unique constraint in two steps, so that its index is built while others write.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX
    """
    using = f"UNIQUE USING INDEX {quote(name)}{deferred(item.deferrable)}"
    return [
        *build_index(key, Index(name, item.columns, unique=True)),
        alter(key, f"ADD CONSTRAINT {quote(name)} {using}", online=BUILT),
    ]


def drop_constraint(key: TableKey, name: str) -> Statement:
    """Drop a constraint by name."""
    return alter(key, f"DROP CONSTRAINT {quote(name)}")


def set_not_null(key: TableKey, column: str) -> list[Statement]:
    """Make a column not null without reading the table under a strong lock: a validated check proves it."""
    name = f"smalls_{column}_not_null"
    proof = f"CHECK ({quote(column)} IS NOT NULL)"
    proven = "proven by the check, no scan"
    return [
        *add_validated(key, name, proof),
        alter(key, f"ALTER COLUMN {quote(column)} SET NOT NULL", online=proven),
        drop_constraint(key, name),
    ]


def fill(key: TableKey, column: str, value: Value, where: str) -> Statement:
    """Give rows a value in one statement."""
    condition = f" WHERE {where}" if where else ""
    return Statement(f"UPDATE {relation(key)} SET {quote(column)} = {literal(value)}{condition}", lock=ROW)


def comment(what: str, text: str) -> Statement:
    """Set a comment, or take it away: https://www.postgresql.org/docs/current/sql-comment.html."""
    return Statement(f"COMMENT ON {what} IS {string(text) if text else 'NULL'}", lock=SHARE_UPDATE)


def renames(key: TableKey, what: str, pairs: Iterable[tuple[str, str]]) -> list[Statement]:
    """Rename constraints or sequences of a table, in the order given."""
    if what == "constraint":
        return [alter(key, f"RENAME CONSTRAINT {quote(old)} TO {quote(new)}") for old, new in pairs]
    return [
        Statement(f"ALTER SEQUENCE {beside(key, old)} RENAME TO {quote(new)}", lock=EXCLUSIVE) for old, new in pairs
    ]
