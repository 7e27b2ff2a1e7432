"""Running the steps of a declarative migration on a working session, noting how far it came."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import peewee

from smalls.batches import run_batches
from smalls.compilers.base import Batches, Call, Rebuild, Statement, Step
from smalls.errors import MigrationFailedError
from smalls.historic import Models
from smalls.program import Program, clears
from smalls.rebuilding import rebuild
from smalls.sending import Warn, run_doubtful, run_sql, say_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Mark(Protocol):
    """Notes how far a migration came, so that a rerun can go on from there."""

    def done(self, number: int) -> None:
        """Note that the step of that number is done; in the step's own transaction where it has one."""

    def reached(self, number: int, key: tuple[Any, ...]) -> None:
        """Note that a backfill, the step of that number, is done up to and with the row of that primary key."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: at the step `number`, a backfill after the row with the primary key `after`.

    With `doubt`, that step may have taken effect: a run was killed before it could note it. `begun` is whether
    any run has begun the migration before, so that what a failed step leaves behind may be its own.
    """

    number: int = 0
    after: tuple[Any, ...] = ()
    doubt: bool = False
    begun: bool = False


class _NoMark:
    def done(self, number: int) -> None:
        """Note nothing."""

    def reached(self, number: int, key: tuple[Any, ...]) -> None:
        """Note nothing."""


Again: TypeAlias = "Callable[[Callable[[bool], Any]], Any]"
"""Runs a unit of work, perhaps again after it failed and left nothing; the unit is told whether it was tried."""


def _once(unit: Callable[[bool], Any]) -> Any:
    return unit(False)


NO_MARK: Mark = _NoMark()
BEGINNING = Start()


def execute(
    program: Program,
    database: Any,
    functions: Mapping[str, Callable[..., object]],
    *,
    mark: Mark = NO_MARK,
    start: Start = BEGINNING,
    warn: Warn = say_nothing,
    again: Again = _once,
) -> None:
    """Run the steps on a connected Peewee database.

    Within a transaction that is open already, all run in it. Otherwise each statement stands alone, and where
    the engine's DDL is transactional it is one with its mark. `functions` are those that `run_python` names;
    each is called with the database and the models as of then. Raises what the database raises.
    `warn` hears of statements that are done in a lesser way than planned. Each step that stands alone, each batch
    of a backfill, is run by `again`; whoever opened a transaction tries that again as a whole.
    """
    run = _Run(program, database, functions, mark, warn=warn, again=again, inside=database.in_transaction())
    doubt = start.doubt
    for number in range(start.number, len(program.steps)):
        if clears(program.steps[number]) and not start.begun:
            continue  # what is there is not ours
        run.step(number, start.after if number == start.number else (), doubt=doubt)
        doubt = doubt and clears(program.steps[number])


@contextlib.contextmanager
def one_transaction(database: Any) -> Iterator[None]:
    """Run the block in one transaction; on SQLite with foreign keys off, and checked before the commit.

    Raises MigrationFailedError for rows that came to break a foreign key.
    """
    if not _is(database, "SqliteDatabase"):
        with database.atomic():
            yield
        return
    was_on = database.execute_sql("PRAGMA foreign_keys").fetchone()[0]
    database.execute_sql("PRAGMA foreign_keys = 0")
    try:
        before = set(_violations(database))
        with database.atomic("IMMEDIATE"):
            yield
            broken = [row for row in _violations(database) if row not in before]
            if broken:
                raise MigrationFailedError(f"Foreign keys are broken: {'; '.join(map(str, broken[:5]))}.")
    finally:
        if was_on:
            database.execute_sql("PRAGMA foreign_keys = 1")


def _is(database: Any, base: str) -> bool:
    return isinstance(database, getattr(peewee, base))


def _violations(database: Any) -> list[tuple[Any, ...]]:
    return list(database.execute_sql("PRAGMA foreign_key_check").fetchall())


class _Run:
    def __init__(
        self,
        program: Program,
        database: Any,
        functions: Mapping[str, Callable[..., object]],
        mark: Mark,
        *,
        warn: Warn,
        again: Again,
        inside: bool,
    ) -> None:
        self.program, self.database, self.functions = program, database, functions
        self.mark, self.warn, self.inside = mark, warn, inside
        self.again = _once if inside else again

    def step(self, number: int, after: tuple[Any, ...], *, doubt: bool) -> None:
        """Run a step; what it left when a lock made it fail is cleared before it is tried again."""

        def unit(tried: bool) -> None:
            if tried and number and clears(self.program.steps[number - 1]):
                self._run(number - 1, (), doubt=False)
            self._run(number, after, doubt=doubt)

        step = self.program.steps[number]
        commits_itself = isinstance(step, Call) and _is(self.database, "MySQLDatabase")
        (_once if isinstance(step, Batches) or commits_itself else self.again)(unit)

    def _run(self, number: int, after: tuple[Any, ...], *, doubt: bool) -> None:
        step = self.program.steps[number]
        with self._alone(step):
            match step:
                case Statement():
                    (run_doubtful if doubt else run_sql)(self.database, step, self.warn)
                case Rebuild():
                    rebuild(self.database, step)
                case Call():
                    self.functions[step.name](self.database, Models(self.program.models[number], self.database))
                case Batches():
                    reached = self.mark.reached
                    with _unbounded(self.database):
                        run_batches(
                            self.database,
                            step,
                            after,
                            lambda key: reached(number, key),
                            self.again,
                            alone=not self.inside,
                        )
            if not clears(step):
                self.mark.done(number)

    def _alone(self, step: Step) -> contextlib.AbstractContextManager[object]:
        """Return the transaction of a step that stands alone."""
        commits = _is(self.database, "MySQLDatabase") and not isinstance(step, Call) and not _changes_rows(step)
        if not self.inside and not getattr(step, "transactional", True):
            return _unbounded(self.database)
        if self.inside or commits or isinstance(step, Batches):
            return contextlib.nullcontext()
        return one_transaction(self.database)


@contextlib.contextmanager
def _unbounded(database: Any) -> Iterator[None]:
    """Let PostgreSQL wait: building an index concurrently waits for every transaction that began before it.

    A backfill waits for rows that others change, and holds nobody up meanwhile but in its own batch.

    After a failure nothing more is sent, so that the failed statement stays the last one; whoever runs the
    migration sets its bound anew anyway.
    """
    if not _is(database, "PostgresqlDatabase"):
        yield
        return
    bound = database.execute_sql("SHOW lock_timeout").fetchone()[0]
    if bound == "0":  # behind a pooler nothing is set: it would be set for somebody else's session
        yield
        return
    database.execute_sql("SET lock_timeout = 0")
    yield
    database.execute_sql(f"SET lock_timeout = '{bound}'")


def _changes_rows(step: Step) -> bool:
    """Whether it is a statement that any engine can take back, so that it is one with its mark."""
    return isinstance(step, Statement) and step.sql.split(maxsplit=1)[:1] in (["UPDATE"], ["INSERT"], ["DELETE"])
