"""In which order a database has had its migrations, and will have them: not always that of their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.model import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.assessment import Assessment
    from smalls.migration import Migration


@dataclass(frozen=True, slots=True)
class Course:
    """One app's migrations around a run: those that stay as they are, then those that it moves, then those held.

    `given` has the same ones as if nothing were held, or left out of a rollback.
    """

    direction: Direction
    stays: tuple[Migration, ...]
    moves: tuple[Migration, ...]
    held: tuple[Migration, ...]
    given: tuple[Migration, ...]

    @property
    def known(self) -> tuple[Migration, ...]:
        """What the database has while all of `moves` are there."""
        return (*self.stays, *self.moves)

    @property
    def is_straight(self) -> bool:
        """Whether no migration goes past another one."""
        return (*self.known, *self.held) == self.given

    def passed_by(self, migration: Migration) -> tuple[Migration, ...]:
        """Return what one of `moves` goes past: held ones before it; in a rollback those after it that stay."""
        place = self.given.index(migration)
        if self.direction is Direction.FORWARD:
            return tuple(m for m in self.given[:place] if m in self.held)
        return tuple(m for m in self.given[place + 1 :] if m in self.stays)


def applied_in(files: Iterable[Migration], assessment: Assessment) -> tuple[Migration, ...]:
    """Return those of `files` that are applied, in the order in which they were."""
    own = {migration.key: migration for migration in files}
    return tuple(own[entry.row.key] for entry in assessment.applied if entry.row.key in own)


def course_forward(
    app: str, applied: tuple[Migration, ...], assessment: Assessment, moves: Iterable[Migration]
) -> Course:
    """Return the course of an app, of which `applied` is there, in a run that applies `moves`."""
    keys = {migration.key for migration in moves}
    own = [migration for migration in assessment.waiting if migration.revision.app == app]
    held_keys = {migration.key for migration in assessment.held} - keys
    held = tuple(m for m in own if m.key in held_keys)
    ahead = tuple(m for m in own if m.key in keys)
    given = (*applied, *(m for m in own if m.key in keys | held_keys))
    return Course(Direction.FORWARD, applied, ahead, held, given)


def course_backward(applied: tuple[Migration, ...], moves: Iterable[Migration]) -> Course:
    """Return the course of an app, of which `applied` is there, in a run that undoes `moves`."""
    keys = {migration.key for migration in moves}
    stays = tuple(m for m in applied if m.key not in keys)
    return Course(Direction.BACKWARD, stays, tuple(m for m in applied if m.key in keys), (), applied)
