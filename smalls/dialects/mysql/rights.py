"""What a user of MySQL or MariaDB may do, by the grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.grants import holds, privileges

if TYPE_CHECKING:
    from smalls.dialects.base import Query

_ABILITIES = {
    "create tables": ("CREATE",),
    "alter tables": ("ALTER",),
    "create and drop indexes": ("INDEX",),
    "drop tables": ("DROP",),
    "create foreign keys": ("REFERENCES",),
    "read and write rows": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}


def abilities(query: Query, *, takes_writes: bool) -> dict[str, bool | str]:
    """Return what the user may do, by the grants, of active roles too; and the grants themselves.

    Locks by name and the cancelling of one's own statements need no privilege.
    """
    user, role, database = query("SELECT CURRENT_USER(), CURRENT_ROLE(), DATABASE()")[0]
    lines = [str(row[0]).split(" IDENTIFIED ")[0] for row in query("SHOW GRANTS")]
    everywhere, here = privileges(lines, str(database))
    return {
        "user": str(user),
        "role": str(role or "NONE"),
        "superuser": holds(everywhere, "SUPER"),
        "create databases": holds(everywhere, "CREATE"),
        **{ability: holds(here, *names) for ability, names in _ABILITIES.items()},
        "take an advisory lock": True,
        "cancel its own statements": True,
        "see what other users' sessions run": holds(everywhere, "PROCESS"),
        "the server takes writes": takes_writes,
        "grants": "; ".join(lines),
    }
