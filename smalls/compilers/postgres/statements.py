"""Statements with what a plan tells of them: the strongest lock on a table, copying, and how it stays short.

Locks are those of https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES and of
https://www.postgresql.org/docs/current/sql-altertable.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.postgres.text import beside, literal, quote, relation, string

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.operations import Value
    from smalls.schema import TableKey

EXCLUSIVE = "ACCESS EXCLUSIVE"
SHARE_UPDATE = "SHARE UPDATE EXCLUSIVE"
SHARE_ROW = "SHARE ROW EXCLUSIVE"
SHARE = "SHARE"
ROW = "ROW EXCLUSIVE"
VALIDATED = "NOT VALID, validated next"
VALIDATES = "reads every row while others read and write"


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
