"""A backfill in batches by primary key: each commits, none holds locks for long, a rerun goes on after the last."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from peewee import SQL, Table, Tuple

from smalls.schema import Sql

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.compilers.base import Batches


def run_batches(
    database: Any,
    step: Batches,
    after: tuple[Any, ...],
    reached: Callable[[tuple[Any, ...]], None],
    again: Callable[[Callable[[bool], Any]], Any],
    *,
    alone: bool,
) -> None:
    """Set the column in all rows after the primary key `after`, () for the first.

    `reached` is called with the last key of each batch, before its commit. With `alone` false nothing is
    committed: the caller's transaction is open. `again` runs each batch.
    A table without a primary key is filled in one batch.
    """
    _Backfill(database, step, reached, again, alone=alone).run(after)


class _Backfill:
    def __init__(
        self,
        database: Any,
        step: Batches,
        reached: Callable[[tuple[Any, ...]], None],
        again: Callable[[Callable[[bool], Any]], Any],
        *,
        alone: bool,
    ) -> None:
        self.again = again
        table, operation = step.table, step.operation
        self.database, self.operation, self.reached, self.alone = database, operation, reached, alone
        self.table = Table(table.name, schema=table.schema or None, _database=database)
        self.key = [getattr(self.table.c, name) for name in table.primary_key]
        self.wanted = [SQL(self._sql(operation.where))] if operation.where else []

    def run(self, after: tuple[Any, ...]) -> None:
        if not self.key:
            self._set([])
            return
        last: tuple[Any, ...] | None = after
        while last is not None:
            last = self.again(partial(self._committed, last))

    def _committed(self, after: tuple[Any, ...], _tried: bool) -> tuple[Any, ...] | None:
        with self._transaction():
            last = self._batch(after)
            if last is not None:
                self.reached(last)
            return last

    def _batch(self, after: tuple[Any, ...]) -> tuple[Any, ...] | None:
        beyond = [self._compared(after, above=True)] if after else []
        rows = self._select(beyond)
        if not rows:
            return None
        last = tuple(map(_plain, rows[-1]))
        self._set([*beyond, self._compared(last, above=False)])
        return last

    def _select(self, beyond: list[Any]) -> list[tuple[Any, ...]]:
        query = self.table.select(*self.key).order_by(*self.key).limit(self.operation.batch)
        conditions = [*self.wanted, *beyond]
        return list((query.where(*conditions) if conditions else query).tuples())

    def _set(self, conditions: list[Any]) -> None:
        value = self.operation.value
        new = SQL(self._sql(value.text)) if isinstance(value, Sql) else value
        query = self.table.update({getattr(self.table.c, self.operation.column): new})
        conditions = [*self.wanted, *conditions]
        (query.where(*conditions) if conditions else query).execute()

    def _compared(self, key: tuple[Any, ...], *, above: bool) -> Any:
        mine = self.key[0] if len(self.key) == 1 else Tuple(*self.key)
        theirs = key[0] if len(self.key) == 1 else Tuple(*key)
        return mine > theirs if above else mine <= theirs

    def _sql(self, text: str) -> str:
        """Return the project's SQL such that a driver that looks for % finds none."""
        return text.replace("%", "%%") if self.database.param == "%s" else text

    def _transaction(self) -> contextlib.AbstractContextManager[object]:
        transaction: contextlib.AbstractContextManager[object] = self.database.atomic()
        return transaction if self.alone else contextlib.nullcontext()


def _plain(value: Any) -> Any:
    """Return a key's value as the journal can keep it; engines compare the text of the others with them."""
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    return value if isinstance(value, (int, float, str, bytes)) else str(value)
