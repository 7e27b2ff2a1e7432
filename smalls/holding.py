"""What an app's files promise in the order in which its database has them, without those that are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.autoerrors import StateError
from smalls.course import applied_in, course_backward, course_forward
from smalls.errors import PhaseOrderError
from smalls.model import Direction
from smalls.promises import Promises
from smalls.refusals import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalls.assessment import Assessment
    from smalls.course import Course
    from smalls.migration import Migration


def promises_around(
    app: str,
    files: Iterable[Migration],
    assessment: Assessment,
    moves: Sequence[Migration],
    direction: Direction,
    *,
    may_run: bool = True,
) -> Promises:
    """Return what an app's files promise around a run that moves `moves`: before and after each of these.

    Where one goes past another, by being run before a held one or undone from under one that stays, both orders
    must lead to the same schema: else PhaseOrderError, which names both. Raises as `Promises` does.
    """
    own = [migration for migration in files if migration.revision.app == app]
    applied = _fitting(applied_in(own, assessment), may_run=may_run)
    if direction is Direction.FORWARD:
        course = course_forward(app, applied, assessment, moves)
    else:
        course = course_backward(applied, moves)
    found = Promises(course.given, may_run=may_run)
    if course.is_straight:
        return found
    if not found.stopped:
        (_hold_forward if direction is Direction.FORWARD else _hold_backward)(course, found)
    return found.along(course.known)


def _fitting(applied: tuple[Migration, ...], *, may_run: bool) -> tuple[Migration, ...]:
    """Return what is applied in an order in which it adds up: that of the rows, else that of the numbers."""
    numbered = tuple(sorted(applied, key=lambda migration: migration.revision))
    if applied == numbered:
        return applied
    try:
        Promises(applied, may_run=may_run)
    except StateError:  # rows that a repair wrote again stand last
        return numbered
    return applied


def _hold_forward(course: Course, found: Promises) -> None:
    """Raise PhaseOrderError for the first migration that cannot be run before the held ones that it passes."""
    for place, migration in enumerate(course.moves):
        passed = course.passed_by(migration)
        if not passed:
            continue
        moved = course.moves[: place + 1]
        reason = _difference(found, course, (*course.stays, *moved, *passed))
        if reason:
            culprits = [m for m in passed if _difference(found, course, (*course.stays, *moved, m))]
            raise PhaseOrderError(
                f"{migration.key} cannot be run before {_named(culprits or passed)}, held until the rollout is "
                f"over: {reason}.",
                migrations=[migration.key, *(m.key for m in culprits or passed)],
            )


def _difference(found: Promises, course: Course, order: tuple[Migration, ...]) -> str:
    """Return why that order does not lead where the given one does; empty where it does.

    Nothing can be said of migrations that do not fit in the given order.
    """
    try:
        given = found.along(m for m in course.given if m in order).schema
    except StateError:
        return ""
    try:
        return "" if found.along(order).schema == given else "the schema would not come out the same"
    except StateError as error:
        return error.message


def _hold_backward(course: Course, found: Promises) -> None:
    """Raise PhaseOrderError for the first migration that cannot be undone from under those that stay."""
    for place in reversed(range(len(course.moves))):
        undone = course.moves[place:]
        left = tuple(m for m in course.given if m not in undone)
        try:
            alike = found.along(left).schema == found.along((*course.stays, *course.moves[:place])).schema
            reason = "" if alike else "the schema would not come out the same"
        except StateError as error:
            reason = error.message
        if reason:
            passed = course.passed_by(undone[0])
            raise PhaseOrderError(
                f"{undone[0].key} cannot be undone while {_named(passed)} stays, applied after it: {reason}.",
                hint="Nothing was undone. Roll back to a number below both, or undo by a migration of its own.",
                migrations=[undone[0].key, *(m.key for m in passed)],
            )


def _named(migrations: Iterable[Migration]) -> str:
    return listed(migration.key for migration in migrations)
