"""How far a declarative migration came outside a transaction, so that a rerun goes on from there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.codec import decode, encode
from smalls.errors import UnfinishedMigrationError
from smalls.model import Direction
from smalls.steps import Start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.journal import Entry, Journal
    from smalls.program import Program

_STEP = {Direction.FORWARD: entries.STEP, Direction.BACKWARD: entries.UNDO_STEP}
_STARTED = {Direction.FORWARD: entries.STARTED, Direction.BACKWARD: entries.UNDO_STARTED}
_FAILED = {Direction.FORWARD: entries.FAILED, Direction.BACKWARD: entries.UNDO_FAILED}


def fingerprint(program: Program) -> str:
    """Return what tells one program's steps from another's."""
    return hashlib.sha256(repr(program.steps).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Progress:
    """The journal's record of one migration, run one way; a `smalls.steps.Mark`."""

    journal: Journal
    key: str
    direction: Direction
    program: str

    def done(self, number: int) -> None:
        """Note that the step of that number is done; in the step's own transaction where it has one."""
        self._note(next=number + 1)

    def reached(self, number: int, key: tuple[Any, ...]) -> None:
        """Note that a backfill is done up to and with the row of that primary key."""
        self._note(next=number, after=encode(key))

    def _note(self, **reached: Any) -> None:
        self.journal.add(self.key, _STEP[self.direction], quietly=True, program=self.program, **reached)

    def start(self) -> Start:
        """Return where to go on; the beginning where no earlier run left it unfinished.

        In doubt is the step at which a run ended without a word, was stopped, or lost its connection: the server
        may have done it all the same.
        Raises UnfinishedMigrationError where the steps are no longer those that were begun.
        """
        story = self.journal.entries(self.key)
        reached, doubt, begun = self._last(story), self._doubt(story), self._begun(story)
        if reached is None:
            return Start(doubt=doubt, begun=begun)
        if reached.get("program") != self.program:
            raise UnfinishedMigrationError(
                f"{self.key} was begun with other steps than it has now (its file, or one before it, was changed).",
                hint=(
                    f"Put the file back as it was and run again; or look at the database and settle it: "
                    f"`smalls repair --retry {self.key}` begins anew."
                ),
                migration=self.key,
            )
        return Start(int(reached["next"]), tuple(decode(reached.get("after", []))), doubt, begun)

    def _begun(self, story: Iterable[Entry]) -> bool:
        """Tell whether a run has begun it."""
        return any(event == _STARTED[self.direction] for event, _ in story)

    def _doubt(self, story: Iterable[Entry]) -> bool:
        """Tell whether a run ended without a word, or in doubt of its last statement, since the last step noted."""
        running = doubt = False
        for event, detail in story:
            if event == _STARTED[self.direction]:
                running, doubt = True, doubt or running
            elif event == _STEP[self.direction]:
                doubt = False
            elif event in {_FAILED[self.direction], entries.WITHDRAWN}:
                doubt = (doubt and event != entries.WITHDRAWN) or "doubt" in json.loads(detail or "{}")
                running = False
            else:
                running = doubt = False
        return doubt or running

    def _last(self, story: Iterable[Entry]) -> dict[str, Any] | None:
        """Return what the last step's entry says, if that run never ended otherwise than by failing."""
        reached: dict[str, Any] | None = None
        for event, detail in story:
            if event == _STEP[self.direction]:
                reached = json.loads(detail)
            elif event not in (_STARTED[self.direction], _FAILED[self.direction]):
                reached = None
        return reached
