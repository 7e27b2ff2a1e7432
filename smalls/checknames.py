"""The name of a check that MySQL or MariaDB named, found by what the check says.

A server writes a check anew when it takes it: other parentheses and quotes, other words for functions and literals.
So it is made once more, on a temporary table, and the texts that the server shows of the two are compared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import peewee

from smalls.compilers.base import SCRATCH
from smalls.sqltokens import meaning

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.compilers.base import CheckName

_SHOWN = re.compile(r"^\s*CONSTRAINT `((?:[^`]|``)+)` CHECK \((.*)\)(?: /\*.*\*/)?,?$", re.MULTILINE)
# what the servers themselves give: https://dev.mysql.com/doc/refman/9.1/en/create-table-check-constraints.html,
# https://mariadb.com/kb/en/constraint/#check-constraints
_GIVEN = re.compile(r"CONSTRAINT_\d+|.*_chk_\d+", re.DOTALL)
_INTRODUCER = re.compile(r"_(?:utf8mb[34]|utf8|latin1|ascii|binary)", re.IGNORECASE)


def name_of(database: Any, wanted: CheckName) -> str | None:
    """Return the check's name, quoted; None if the table has no such check."""
    shown = _checks(database, wanted.table)
    given = {name: sql for name, sql in shown.items() if _GIVEN.fullmatch(name) and name not in wanted.named}
    if wanted.alone:
        return next(map(_quoted, given), None)
    said = [sql for sql in (_rewritten(database, wanted), wanted.sql) if sql]
    for alike in _LIKENESS:
        for sql in said:
            found = next((name for name, other in given.items() if alike(other) == alike(sql)), None)
            if found is not None:
                return _quoted(found)
    return None


def _rewritten(database: Any, wanted: CheckName) -> str:
    """Return what the server makes of the check, "" where the user may not make temporary tables."""
    try:
        database.execute_sql(wanted.scratch.replace("%", "%%"))
    except peewee.DatabaseError:
        return ""
    try:
        return next(iter(_checks(database, f"`{SCRATCH}`").values()), "")
    finally:
        database.execute_sql(f"DROP TEMPORARY TABLE `{SCRATCH}`")


def _checks(database: Any, table: str) -> dict[str, str]:
    """Return the checks of a table, as the server shows them, by name."""
    shown = database.execute_sql(f"SHOW CREATE TABLE {table}".replace("%", "%%")).fetchone()[1]
    return {name.replace("``", "`"): sql for name, sql in _SHOWN.findall(shown)}


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _without_introducers(sql: str) -> str:
    """Return SQL without the character sets of strings, which are those of the connection that made them."""
    return " ".join(token.text for token in meaning(sql) if not _INTRODUCER.fullmatch(token.text))


def _without_noise(sql: str) -> str:
    """Return SQL without parentheses and quotes of names, too; `!=` and `<>` are one."""
    kept = (token.name.lower() if token.kind != "string" else token.text for token in meaning(sql))
    return "".join(_INTRODUCER.sub("", text) for text in kept if text not in "()").replace("!=", "<>")


_LIKENESS: tuple[Callable[[str], str], ...] = (str, _without_introducers, _without_noise)
