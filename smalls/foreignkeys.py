"""Foreign keys that a migration's code breaks, where the engine leaves them to us within a transaction."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalls.dialects.base import Violation
    from smalls.session import WorkSession


class ForeignKeys:
    """Sees what is broken before and after; for statements inside our transaction.

    `before` has what broke keys before any statement was sent that might break more, by the query that tells.
    """

    def __init__(self, work: WorkSession) -> None:
        self._work = work
        self.before: dict[str, list[Violation]] = {}

    def mind(self, sql: str) -> None:
        """See which are broken already, before the first statement that may break more of them.

        The empty statement may be any.
        """
        dialect = self._work.dialect
        check, whole = dialect.key_check(sql), dialect.key_check("")
        if check and not self.before.keys() & {check, whole}:
            if check == whole:
                self.before.clear()  # it finds what those of one table would, which may be gone at the end
            self.before[check] = []
            with contextlib.suppress(Exception):  # a key that cannot hold in between may hold at the end
                self.before[check] = dialect.violations(self._work.raw_query, check)

    def newly_broken(self) -> list[Violation]:
        """Return what is broken between two tables between which more is broken than before.

        Counted, since a table's rebuild may number its rows anew.
        """
        fresh: dict[Violation, None] = {}
        for check, before in self.before.items():
            found = self._work.dialect.violations(self._work.raw_query, check)
            more = Counter((each.table, each.parent) for each in found)
            more.subtract(Counter((each.table, each.parent) for each in before))
            fresh |= {each: None for each in found if each not in before and more[each.table, each.parent] > 0}
        return list(fresh)
