"""What stands against going on, in the order of the exit codes, and the words for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import combining, normalize

from smalls.errors import (
    EditedError,
    MissingError,
    NameClashError,
    NewerDatabaseError,
    NoFilesError,
    OutOfOrderError,
    SmallsError,
    UnfinishedMigrationError,
)
from smalls.model import Direction, Edited, HistoryRow, OnNewer, OutOfOrder, Policies, Unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalls.assessment import Applied, Assessment
    from smalls.migration import Migration
    from smalls.model import Revision


_SHOWN = 3


def refusals(assessment: Assessment, policies: Policies) -> list[SmallsError]:
    """Return what stands against going forward, gravest first (7, then 8, then 9); empty is a go."""
    found: list[SmallsError] = [unfinished_error(work) for work in assessment.unfinished]
    if assessment.applied and not assessment.has_files:
        return [*found, no_files_error(assessment)]
    if assessment.missing:
        found.append(_missing_error(assessment.missing))
    if assessment.edited and policies.edited is Edited.REFUSE:
        found.append(edited_error(assessment.edited))
    if assessment.out_of_order and policies.out_of_order is OutOfOrder.REFUSE:
        found.append(_out_of_order_error(assessment))
    if assessment.incompatible:
        found.append(_newer_error(assessment, policies))
    return found


def raise_first(errors: Sequence[SmallsError]) -> None:
    """Raise the first of `errors`, which carries the messages of the others; do nothing where none is."""
    if not errors:
        return
    first, *others = errors
    if others:
        first.fields["also"] = [f"{error.code}: {error.message}" for error in others]
    raise first


def listed(names: Iterable[object]) -> str:
    """Join names for a sentence."""
    return ", ".join(str(name) for name in names)


def unfinished_error(work: Unfinished) -> SmallsError:
    """Return the error that tells of half-done work and its ways on."""
    how = "failed part-way" if work.state == "failed" else "was interrupted, and no end of it was recorded"
    forward = work.direction is Direction.FORWARD
    what = "" if forward else "The undoing of "
    finish = "mark-applied" if forward else "forget"
    return UnfinishedMigrationError(
        f"{what}{work.key} {how} ({work.at} UTC).{_seen(work)}",
        hint=(
            f"Look at the database, then: `smalls repair --retry {work.key}` (run it again) or "
            f"`smalls repair --{finish} {work.key}` (it is finished). `smalls repair` shows what is known."
        ),
        migration=work.key,
        statements=work.detail.get("statements"),
    )


def _seen(work: Unfinished) -> str:
    """Return a sentence about each statement that was running when the run ended."""
    statements = work.detail.get("statements")
    running = [each for each in statements if each["outcome"] == "running"] if isinstance(statements, list) else []
    shown = [f"{each['statement']} ({each['seen']})" for each in running[-_SHOWN:] if "seen" in each]
    return f" When it ended, this was running: {'; '.join(shown)}." if shown else ""


def no_files_error(assessment: Assessment) -> SmallsError:
    """Return the error that tells of a history without one file."""
    return NoFilesError(
        f"The history has {len(assessment.applied)} applied migrations, and there is not one migration file."
    )


def _missing_error(rows: Sequence[HistoryRow]) -> SmallsError:
    return MissingError(
        f"Applied migrations without a file: {listed(row.key for row in rows)}.",
        migrations=[row.key for row in rows],
    )


def edited_error(edited: Sequence[Applied]) -> SmallsError:
    """Return the error that lists every edited file."""
    return EditedError(
        f"Applied migrations whose files were changed since: {listed(entry.row.key for entry in edited)}.",
        migrations=[entry.row.key for entry in edited],
    )


def _out_of_order_error(assessment: Assessment) -> SmallsError:
    keys = [migration.key for migration in assessment.out_of_order]
    return OutOfOrderError(
        f"Pending migrations numbered below ones already applied: {listed(keys)}.", migrations=keys
    )


def refuse_same_names(planned: Sequence[Migration], known: Iterable[Revision]) -> None:
    """Raise NameClashError where a planned migration's name differs from another one's by case or accents only."""
    names = {_folded(str(revision)): str(revision) for revision in known}
    clashes = [
        f"{migration.key} and {other}"
        for migration in planned
        if (other := names.setdefault(_folded(migration.key), migration.key)) != migration.key
    ]
    if clashes:
        raise NameClashError(f"For this database these are the same name: {listed(clashes)}.")


def _folded(name: str) -> str:
    return "".join(each for each in normalize("NFKD", name.casefold()) if not combining(each))


def _need(row: HistoryRow, policies: Policies) -> str:
    if row.min_version is not None:
        return f"needs {row.min_version}"
    if policies.on_newer is OnNewer.REFUSE:
        return "SMALLS_ON_NEWER is refuse"
    return "needs a newer image; it did more than add things, and names no min_version"


def _newer_error(assessment: Assessment, policies: Policies) -> SmallsError:
    needs = [f"{row.key} ({_need(row, policies)})" for row in assessment.incompatible]
    own = policies.image_version or "not set (SMALLS_VERSION)"
    return NewerDatabaseError(
        f"The database is newer than this image can live with: {listed(needs)}; this image's version is {own}.",
        migrations=[row.key for row in assessment.incompatible],
    )
