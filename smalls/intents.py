"""What a migration's statements are about to change for good, in the journal before each of them is sent.

So that after a kill -9 it is known which of them ran, which one was running, and which were never sent.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.dialects.base import Trouble, message_of
from smalls.model import Direction
from smalls.statements import DATA, may_fail_halfway, verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalls.dialects.base import Bound
    from smalls.errors import LockLostError
    from smalls.journal import Entry, Journal
    from smalls.lock import HeldLocks
    from smalls.session import WorkSession
    from smalls.tap import Sent

_EVENT = {Direction.FORWARD: entries.STATEMENT, Direction.BACKWARD: entries.UNDO_STATEMENT}
_KEPT = 200
_AGAIN = " (again; how often is not noted)"


class JournalError(Exception):
    """The journal cannot be written."""


@dataclass(slots=True)
class Intents:
    """Notes the statements of one migration, run one way.

    One entry tells how those before it ended, and what is sent next. Rows that are changed one by one, by the same
    statement, are noted as one and as more of it, or a loop would cost a commit of the journal's for each row.
    The first is not written, and nothing is sent, where a statement of `fence` fails: `lost` is what that means.
    """

    work: WorkSession
    journal: Journal
    locks: HeldLocks
    key: str
    direction: Direction
    fence: Sequence[Bound] = ()
    begun: bool = False
    lost: LockLostError | None = None
    _number: int = 0
    _last: Sequence[Sent] = ()
    _looping: bool = False
    _thread: int = field(default_factory=threading.get_ident)

    def note(self, sent: Sequence[Sent]) -> None:
        """Note what is about to be sent, all of which takes effect with the last of it.

        Raises JournalError where the journal cannot be written, and LockLostError: then nothing is sent.
        """
        if not self.work.dialect.has_sessions and threading.get_ident() != self._thread:
            return  # SQLite's one writer is at work in the other thread
        again = _goes_on(self._last, sent)
        if again and self._looping:
            self._last = tuple(sent)
            return  # the journal has it that there are more
        self._make_way(sent[-1].sql)
        detail = {
            "number": self._number + len(self._last),
            "ended": _outcomes(self._last),
            "statements": [f"{each.sql}{_AGAIN if again else ''}" for each in sent],
        }
        with self.work.shielded():
            self._add(detail)
        self.begun = True
        self._number, self._last, self._looping = self._number + len(self._last), tuple(sent), again

    def check(self) -> None:
        """Raise LockLostError where the code went on although nothing was sent for it."""
        if self.lost:
            raise self.lost

    def _make_way(self, sql: str) -> None:
        """Take away what a statement left half-way, if an earlier run of the migration sent it too."""
        if may_fail_halfway(sql) and not self.work.in_transaction and self.journal.has_sent(self.key, sql):
            self.work.dialect.clear_leftover(self.work.raw_query, sql)

    def _add(self, detail: dict[str, Any]) -> None:
        try:
            fence = () if self.begun else self.fence
            self.journal.add_beside(self.key, _EVENT[self.direction], fence=fence, **detail)
        except Exception as error:
            self.lost = self.locks.denies(error)
            if self.lost:
                raise self.lost from None
            if self.work.dialect.trouble(error) is Trouble.LOST:
                raise
            raise JournalError(f"the journal cannot be written: {message_of(error)}") from None


def _goes_on(last: Sequence[Sent], sent: Sequence[Sent]) -> bool:
    """Tell whether a change of rows is made once more, and the one before it was done."""
    if len(last) != 1 or len(sent) != 1 or last[0].outcome != "done":
        return False
    return last[0].sql == sent[0].sql and verb(sent[0].sql) in DATA


def _outcomes(sent: Sequence[Sent]) -> list[str]:
    """Return how statements ended; those that a COMMIT did not bring about have failed with it."""
    ended = [each.outcome for each in sent]
    return (
        ["failed"] * len(ended) if ended[-1:] == ["failed"] and verb(sent[-1].sql) in {"COMMIT", "END"} else ended
    )


def told(story: Iterable[Entry]) -> list[dict[str, str]]:
    """Return a run's statements of one migration with their outcomes, as its entries tell them.

    "running" is what was about to be sent, or had been, when the run ended. Of very many the last are kept.
    """
    found: list[dict[str, str]] = []
    for event, detail in story:
        if event in _EVENT.values():
            _read(found, json.loads(detail))
    if len(found) <= _KEPT:
        return found
    before = {"statement": f"({len(found) - _KEPT} statements before these)", "outcome": "done or failed"}
    return [before, *found[-_KEPT:]]


def _read(found: list[dict[str, str]], detail: dict[str, Any]) -> None:
    del found[detail["number"] :]  # where an entry was written twice, when its connection was cut
    for each, outcome in zip(reversed(found), reversed(detail["ended"]), strict=False):
        each["outcome"] = outcome
    found += [{"statement": text, "outcome": "running"} for text in detail["statements"]]
