"""Before an undo: the live tables that it would change, against what the migrations promise of them; reads only.

An undo's steps are made for the tables that the migrations promise. On others they fail half-way, or, where SQLite
makes a table anew, lose what somebody added by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.dialects.base import message_of
from smalls.drift import MISSING, Difference, compare
from smalls.errors import SmallsError
from smalls.operations import RawSQL
from smalls.reflect import Catalogue, read
from smalls.schema import Schema
from smalls.sqltokens import meaning
from smalls.verifying import both

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from smalls.assessment import Applied, Assessment
    from smalls.remembered import States
    from smalls.run import Run
    from smalls.schema import Table, TableKey

_CHANGING = (["alter"], ["rename"], ["do"], ["call"], ["drop", "table"], ["drop", "index"])


def drift(
    run: Run,
    assessment: Assessment,
    scope: Sequence[Applied],
    states: States,
    rebuilt: Collection[str],
    *,
    locked: bool,
) -> list[Difference]:
    """Return what stands against undoing `scope`: what is not as promised of the tables that this changes.

    `rebuilt` are the tables that are made anew, of which nothing may be there that is not promised. Nothing is said
    of an app some of whose migrations do not tell what they did, of tables whose undoing was begun, and, without
    the lock, while another run may be changing them.
    """
    if assessment.in_progress:
        return []
    found = _drift(run, assessment, scope, states, rebuilt)
    return found if locked or not found or run.look() == assessment else []


def _drift(
    run: Run, assessment: Assessment, scope: Sequence[Applied], states: States, rebuilt: Collection[str]
) -> list[Difference]:
    begun = {work.key for work in assessment.unfinished}
    wanted: dict[TableKey, Table] = {}
    whole: dict[TableKey, Table] = {}
    for app in {entry.row.revision.app for entry in scope} - states.untold:
        try:
            schema, touched = _touched(app, assessment, scope, states, begun)
        except SmallsError:  # what does not add up cannot be compared
            continue
        whole |= schema.tables
        wanted |= {key: schema.tables[key] for key in touched - _altered_by_sql(states, app, schema)}
    return list(_compared(run, wanted, whole, rebuilt)) if wanted else []


def _touched(
    app: str, assessment: Assessment, scope: Sequence[Applied], states: States, begun: Collection[str]
) -> tuple[Schema, set[TableKey]]:
    """Return an app's schema now, and which of its tables undoing changes, but for those of what was `begun`."""
    left = {entry.row.key for entry in assessment.applied}
    first = now = states.total(app, left)
    touched: set[TableKey] = set()
    exempt: set[TableKey] = set()
    for entry in scope:
        if entry.row.revision.app == app:
            left.discard(entry.row.key)
            before, now = now, states.total(app, left)
            keys = {*before.tables, *now.tables}
            changed = {key for key in keys if before.tables.get(key) != now.tables.get(key)}
            (exempt if entry.row.key in begun else touched).update(changed)
    return first, (touched - exempt) & set(first.tables)


def _altered_by_sql(states: States, app: str, schema: Schema) -> set[TableKey]:
    """Return the tables that SQL of the project's own may have altered without saying so."""
    texts = [
        sql
        for operation in states.operations(app)
        if isinstance(operation, RawSQL) and not operation.state
        for sql in operation.forward
    ]
    words = {word for sql in texts for word in _words_of_change(sql)}
    return {
        key
        for key, table in schema.tables.items()
        if words.intersection([key.name.lower(), *(index.name.lower() for index in table.indexes)])
    }


def _words_of_change(sql: str) -> list[str]:
    words = [token.name.lower() for token in meaning(sql)]
    return words if any(words[: len(each)] == each for each in _CHANGING) else []


def _compared(
    run: Run, wanted: dict[TableKey, Table], whole: dict[TableKey, Table], rebuilt: Collection[str]
) -> Iterator[Difference]:
    named = {name for key in wanted for name in (str(key), key.name)}
    referred = {fk.ref_table for table in wanted.values() for fk in table.foreign_keys}
    schema = Schema({key: whole[key] for key in (*wanted, *referred) if key in whole}.values())
    try:
        promised, live = (_only(named, catalogue) for catalogue in both(run, schema))
    except Exception as error:  # whatever keeps it from being built must not keep people from going back
        run.stop.check()
        reason = message_of(error)
        run.log("schema.warned", f"Only names of tables and columns are compared: {reason}", reason=reason)
        catalogue = read(run.chosen.dialect.engine, run.work.raw_query)
        yield from _missing_names(wanted.values(), _only(named, catalogue))
        return
    yield from (item for item in compare(promised, live) if item.breaks)
    for name in rebuilt:
        if name in promised.tables and name in live.tables:
            yield from _unpromised(name, promised, live)


def _only(names: Collection[str], catalogue: Catalogue) -> Catalogue:
    return Catalogue({name: table for name, table in catalogue.tables.items() if name in names})


def _missing_names(tables: Iterable[Table], live: Catalogue) -> Iterator[Difference]:
    for table in tables:
        found = live.tables.get(str(table.key)) or live.tables.get(table.name)
        if found is None:
            yield Difference(MISSING, f"add table {table.key}")
            continue
        for name in table.column_names:
            if name not in found.columns:
                yield Difference(MISSING, f"add column {table.key}.{name}")


def _unpromised(name: str, promised: Catalogue, live: Catalogue) -> Iterator[Difference]:
    one, other = (Catalogue({name: catalogue.tables[name]}) for catalogue in (promised, live))
    for item in compare(one, other):
        if not item.breaks and item.operation.startswith(("drop column", "drop constraint")):
            yield item
