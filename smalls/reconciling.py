"""What an interrupted migration did, told statement by statement: the journal held against the live catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from smalls.effects import effect_of
from smalls.intents import told
from smalls.reflect import read
from smalls.statements import may_fail_halfway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalls.effects import Effect
    from smalls.journal import Journal
    from smalls.model import Unfinished
    from smalls.reflect import Catalogue, LiveTable
    from smalls.session import WorkSession

_NOT_KNOWN = "whether it took effect is not known"


def reconciled(
    work: WorkSession, journal: Journal, unfinished: Sequence[Unfinished], *, over: bool
) -> tuple[Unfinished, ...]:
    """Return the unfinished work with what can be seen of each statement now; without that which did nothing.

    `over` is whether no statement of it can still be on its way; else what did nothing yet is kept, too.
    """
    if all(each.resumable for each in unfinished):
        return tuple(unfinished)
    catalogue = read(work.dialect.engine, work.raw_query)
    found = [each if each.resumable else _looked_at(each, journal, catalogue, over=over) for each in unfinished]
    return tuple(each for each in found if each is not None)


def _looked_at(each: Unfinished, journal: Journal, catalogue: Catalogue, *, over: bool) -> Unfinished | None:
    running = each.state == "running"
    statements = told(journal.last_run(each.key)) if running else each.detail.get("statements")
    if not isinstance(statements, list):
        return each
    if (
        over
        and running
        and statements
        and not any(_may_have_worked(statement, catalogue) for statement in statements)
    ):
        return None
    seen = [{**statement, **_seen(statement, catalogue)} for statement in statements]
    return replace(each, detail={**each.detail, "statements": seen})


def _seen(statement: dict[str, str], catalogue: Catalogue) -> dict[str, str]:
    """Return what the catalogue says of a statement."""
    effect = effect_of(statement["statement"])
    there = exists(effect, catalogue) if effect else None
    if there is None:
        return {"seen": _NOT_KNOWN} if statement["outcome"] == "running" else {}
    return {"seen": f"{effect} exists now" if there else f"there is no {effect} now"}


def _may_have_worked(statement: dict[str, str], catalogue: Catalogue) -> bool:
    """Tell whether it took effect, or may have: one that failed did not, one that was running may be seen."""
    sql = statement["statement"]
    if statement["outcome"] == "failed":
        return may_fail_halfway(sql)
    effect = effect_of(sql) if statement["outcome"] == "running" else None
    return effect is None or exists(effect, catalogue) in (effect.present, None)


def took_effect(work: WorkSession, sql: str) -> bool | None:
    """Tell whether a statement that was on its way took effect, now that it is over; None where nobody can tell."""
    effect = effect_of(sql)
    there = exists(effect, read(work.dialect.engine, work.raw_query)) if effect else None
    return there if effect is None or there is None else there is effect.present


def exists(effect: Effect, catalogue: Catalogue) -> bool | None:
    """Tell whether what a statement would make or take away is there now; None where that cannot be told.

    A table of another schema may be one that the catalogue does not show, and servers rename constraints.
    """
    tables = {name.lower(): table for name, table in catalogue.tables.items()}
    if effect.kind == "table":
        return True if effect.name.lower() in tables else None if "." in effect.name else False
    if effect.table and effect.table.lower() not in tables:
        return None
    among = [tables[effect.table.lower()]] if effect.table else list(tables.values())
    if any(effect.name.rpartition(".")[2].lower() in _names(effect.kind, table) for table in among):
        return True
    return None if effect.kind == "constraint" else False


def _names(kind: str, table: LiveTable) -> set[str]:
    found = table.columns if kind == "column" else (*table.indexes, *table.constraints)
    return {name.rpartition(".")[2].strip('"').lower() for name in found}
