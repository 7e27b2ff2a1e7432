"""What MySQL and MariaDB grant, read from the lines of SHOW GRANTS. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# https://dev.mysql.com/doc/refman/9.1/en/show-grants.html; grants of single tables and of routines are left out.
_GRANT = re.compile(
    r"(GRANT|REVOKE) (?P<names>.+?) ON (?P<quote>[`\"]?)(?P<database>.+?)(?P=quote)\.\* (?:TO|FROM) "
)
_COLUMNS = re.compile(r"\([^)]*\)")
ALL = "ALL PRIVILEGES"


def privileges(lines: Iterable[str], database: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the privileges on the whole server, and those on one database, the server's included."""
    everywhere: set[str] = set()
    here: set[str] = set()
    for line in lines:
        if not (found := _GRANT.match(line)):
            continue
        names = {name.strip().upper() for name in _COLUMNS.sub("", found["names"]).split(",")}
        if found[1] == "REVOKE":  # MySQL's partial revokes, which come after what they take from
            here -= names if _matches(found["database"], database) else set()
        elif found["database"] == "*":
            everywhere |= names
            here |= names
        elif _matches(found["database"].replace("``", "`"), database):
            here |= names
    return frozenset(everywhere), frozenset(here)


def _matches(pattern: str, database: str) -> bool:
    r"""Tell whether a grant is for a database: `%` and `_` stand for others unless a backslash is before them."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    text = "".join(wild.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    return re.fullmatch(text, database, re.DOTALL) is not None


def holds(granted: frozenset[str], *names: str) -> bool:
    """Tell whether all of some privileges are granted."""
    return bool({ALL, "ALL"} & granted) or granted.issuperset(names)
