"""Running the steps of a declarative migration on a working session, noting how far it came."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import peewee

from smalls.batches import run_batches
from smalls.compilers.base import Batches, Call, Compiled, Rebuild, Statement, Step, compile_all
from smalls.errors import MigrationFailedError
from smalls.historic import Models
from smalls.operations import AddTable, RunPython

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from smalls.compilers.base import Compiler
    from smalls.operations import Operation
    from smalls.schema import Schema, Table

_UNHEX_SINCE = (3, 41)


@dataclass(frozen=True, slots=True)
class Program:
    """A migration's steps in order; `models` maps the number of each `Call` to the schema that it works with.

    `apart` is whether it does long work on tables that were there before it, whose rows others want to write:
    then each step had better stand alone, although a transaction could hold them all.
    """

    steps: tuple[Step, ...]
    models: Mapping[int, Schema]
    apart: bool = False

    @property
    def wrappable(self) -> bool:
        """Whether all of it may run in one transaction."""
        return all(getattr(step, "transactional", not isinstance(step, Batches)) for step in self.steps)

    @property
    def transactional(self) -> bool:
        """Whether all of it is to run in one transaction, unless the file says otherwise; else each step alone."""
        return self.wrappable and not self.apart


def prepare(compiler: Compiler, operations: Iterable[Operation], before: Schema) -> Program:
    """Compile a migration's operations, which may be its reverse, on the schema `before` them.

    Raises UnsupportedError for what the engine cannot do, and StateError for what does not fit: before
    anything is run.
    """
    listed = tuple(operations)
    found: list[Schema] = []
    schema = before
    for operation in listed:
        if isinstance(operation, RunPython) and operation.forward:
            found.append(schema)
        schema = operation.apply(schema)
    compiled = compile_all(compiler, listed, before)
    steps = tuple(step for item in compiled for step in item.steps)
    calls = [number for number, step in enumerate(steps) if isinstance(step, Call)]
    return Program(steps, dict(zip(calls, found, strict=True)), apart=stands_apart(compiled))


def stands_apart(compiled: Iterable[Compiled]) -> bool:
    """Tell whether any step that should stand alone works on a table that the same migration does not make."""
    items = tuple(compiled)
    made = {op.table.key for item in items for op in item.operations if isinstance(op, AddTable)}
    return any(
        getattr(step, "alone", False) and any(getattr(op, "table", None) not in made for op in item.operations)
        for item in items
        for step in item.steps
    )


class Mark(Protocol):
    """Notes how far a migration came, so that a rerun can go on from there."""

    def done(self, number: int) -> None:
        """Note that the step of that number is done; in the step's own transaction where it has one."""

    def reached(self, number: int, key: tuple[Any, ...]) -> None:
        """Note that a backfill, the step of that number, is done up to and with the row of that primary key."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: at the step `number`, a backfill after the row with the primary key `after`.

    With `doubt`, that step may have taken effect: a run was killed before it could note it.
    """

    number: int = 0
    after: tuple[Any, ...] = ()
    doubt: bool = False


class _NoMark:
    def done(self, number: int) -> None:
        """Note nothing."""

    def reached(self, number: int, key: tuple[Any, ...]) -> None:
        """Note nothing."""


NO_MARK: Mark = _NoMark()
BEGINNING = Start()


def execute(
    program: Program,
    database: Any,
    functions: Mapping[str, Callable[..., object]],
    *,
    mark: Mark = NO_MARK,
    start: Start = BEGINNING,
) -> None:
    """Run the steps on a connected Peewee database.

    Within a transaction that is open already, all run in it. Otherwise each statement stands alone, and where
    the engine's DDL is transactional it is one with its mark. `functions` are those that `run_python` names;
    each is called with the database and the models as of then. Raises what the database raises.
    """
    run = _Run(program, database, functions, mark, inside=database.in_transaction())
    for number in range(start.number, len(program.steps)):
        first = number == start.number
        run.step(number, start.after if first else (), doubt=first and start.doubt)


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
        inside: bool,
    ) -> None:
        self.program, self.database, self.functions = program, database, functions
        self.mark, self.inside = mark, inside

    def step(self, number: int, after: tuple[Any, ...], *, doubt: bool) -> None:
        step = self.program.steps[number]
        with self._alone(step):
            match step:
                case Statement():
                    (run_doubtful if doubt else run_sql)(self.database, step)
                case Rebuild():
                    rebuild(self.database, step)
                case Call():
                    self.functions[step.name](self.database, Models(self.program.models[number], self.database))
                case Batches():
                    reached = self.mark.reached
                    run_batches(self.database, step, after, lambda key: reached(number, key), alone=not self.inside)
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

    After a failure nothing more is sent, so that the failed statement stays the last one; whoever runs the
    migration sets its bound anew anyway.
    """
    if not _is(database, "PostgresqlDatabase"):
        yield
        return
    bound = database.execute_sql("SHOW lock_timeout").fetchone()[0]
    database.execute_sql("SET lock_timeout = 0")
    yield
    database.execute_sql(f"SET lock_timeout = '{bound}'")


def run_sql(database: Any, statement: Statement) -> None:
    """Run one statement, with the name in it that only the server knows, where there is one.

    Peewee hands an empty tuple to the driver where there are no parameters, and drivers of %s then look for
    their places all the same. Raises MigrationFailedError where there is nothing of the kind that is named.
    """
    sql = statement.sql
    if statement.named_by:
        row = database.execute_sql(_escaped(database, statement.named_by)).fetchone()
        if row is None and statement.optional:
            return
        if row is None:
            raise MigrationFailedError("The database has nothing of that kind any more.", statement=sql)
        sql = sql.replace("{name}", str(row[0]))
    database.execute_sql(sql if statement.params else _escaped(database, sql), statement.params)


# "is there already" and "is not there any more": https://mariadb.com/kb/en/mariadb-error-code-reference/
_DONE_CODES = frozenset({1050, 1051, 1060, 1061, 1068, 1091, 1146, 1176, 1826, 3821, 3822, 3940})
_DONE_BY_RENAME = 1054


def run_doubtful(database: Any, statement: Statement) -> None:
    """Run a statement that may have taken effect already, where the server commits each by itself.

    That it did is known by the query of the statement, or by the server's word that what it would make is there,
    or what it would take away is not.
    """
    if statement.found_by and database.execute_sql(_escaped(database, statement.found_by)).fetchone():
        return
    try:
        run_sql(database, statement)
    except peewee.DatabaseError as error:
        if not (_is(database, "MySQLDatabase") and _says_done(error, statement)):
            raise
    except MigrationFailedError:
        if not statement.named_by:
            raise


def _says_done(error: BaseException, statement: Statement) -> bool:
    code = error.args[0] if error.args else None
    words = statement.sql.split(maxsplit=1)[:1]
    renames = code == _DONE_BY_RENAME and " RENAME COLUMN " in statement.sql
    return words in (["ALTER"], ["CREATE"], ["DROP"]) and (code in _DONE_CODES or renames)


def _changes_rows(step: Step) -> bool:
    """Whether it is a statement that any engine can take back, so that it is one with its mark."""
    return isinstance(step, Statement) and step.sql.split(maxsplit=1)[:1] in (["UPDATE"], ["INSERT"], ["DELETE"])


def _escaped(database: Any, sql: str) -> str:
    return sql.replace("%", "%%") if database.param == "%s" else sql


def rebuild(database: Any, step: Rebuild) -> None:
    """Make a SQLite table anew; its triggers and all views are taken away before and made again after.

    So are indexes that the state does not know: somebody made them by hand.

    Steps 3, 8 and 9 of https://www.sqlite.org/lang_altertable.html#otheralter. Foreign keys must be off.
    """
    _provide_unhex(database)
    held = _dependents(database, step.before)
    for kind, name, _ in held:
        if kind == "view":
            database.execute_sql(f"DROP VIEW {_quoted(name)}")
    for statement in step.statements:
        run_sql(database, statement)
    for _, _, sql in held:
        database.execute_sql(sql)


def _dependents(database: Any, table: Table) -> list[tuple[str, str, str]]:
    """Return kind, name and SQL of all views, of their triggers, of the table's, and of its unknown indexes."""
    rows = database.execute_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE type = 'view' OR (type = 'trigger' AND"
        " (lower(tbl_name) = lower(?) OR tbl_name IN (SELECT name FROM sqlite_master WHERE type = 'view')))"
        " OR (type = 'index' AND sql IS NOT NULL AND lower(tbl_name) = lower(?)) ORDER BY type = 'trigger', rowid",
        (table.name, table.name),
    )
    known = {index.name.lower() for index in table.indexes}
    return [row for row in rows.fetchall() if row[0] != "index" or row[1].lower() not in known]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _provide_unhex(database: Any) -> None:
    """Give SQLite the function unhex() where it is older than that."""
    if sqlite3.sqlite_version_info < _UNHEX_SINCE:
        database._state.conn.create_function("unhex", 1, _unhex, deterministic=True)  # noqa: SLF001


def _unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
