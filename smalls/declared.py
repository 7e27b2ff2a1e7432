"""Declarative migrations made ready to run: compiled for the run's engine, and shown before they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from smalls.additive import only_adds
from smalls.compilers.base import Call, Rebuild, Statement, compile_all
from smalls.compiling import compiler_for
from smalls.errors import ConfigError
from smalls.history import Facts
from smalls.holding import promises_around
from smalls.kept import Kept, keep
from smalls.model import Direction
from smalls.program import Program, prepare, stands_apart
from smalls.progress import Progress, fingerprint
from smalls.promises import called, can_be_undone
from smalls.specs import Transaction
from smalls.steps import BEGINNING, NO_MARK, execute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from smalls.compilers.base import Compiler, Step
    from smalls.migration import Migration
    from smalls.operations import Operation
    from smalls.promises import Promises
    from smalls.run import Run
    from smalls.schema import Schema


@dataclass(frozen=True, slots=True)
class Prepared:
    """A declarative migration ready to run one way: its steps, the functions that they call, and what it does."""

    program: Program
    functions: Mapping[str, Callable[..., object]]
    operations: tuple[Operation, ...] = ()


def runner(run: Run, migration: Migration, prepared: Prepared, direction: Direction) -> tuple[Any, dict[str, Any]]:
    """Return the code that runs a prepared migration, and how it is to be run (see `smalls.execution.Executor`).

    Outside a transaction it notes each step in the journal, and begins after the last one that was noted.
    Raises UnfinishedMigrationError where its steps have changed since.
    """
    program, in_one = prepared.program, run.settings.transaction is Transaction.RUN
    wrap = program.holdable if in_one else program.transactional
    whole = wrap and run.chosen.dialect.transactional_ddl and migration.traits.transaction
    progress = Progress(run.journal, migration.key, direction, fingerprint(program))
    start = BEGINNING if whole and not in_one else progress.start()
    resumed = (start.number, start.after, start.doubt) != (0, (), False)
    if in_one and resumed:
        raise ConfigError(
            f"{migration.key} was begun step by step, so it cannot be in one transaction with others.",
            hint="Finish it with SMALLS_TRANSACTION=migration.",
            setting="SMALLS_TRANSACTION",
        )
    mark = NO_MARK if whole else progress
    warn = partial(_warn, run, migration.key)
    again = partial(run.retries.run, migration.key)

    def code() -> None:
        execute(program, run.work.database, prepared.functions, mark=mark, start=start, warn=warn, again=again)

    how = {"wrap": wrap, "resumable": not whole, "resumed": resumed, "retried": whole}
    forward = direction is Direction.FORWARD
    return code, how | ({"facts": facts_of(run, migration, prepared.operations)} if forward else {})


def _warn(run: Run, key: str, sql: str, reason: str) -> None:
    run.log(
        "migration.downgraded",
        f"{key}: the table cannot do it as planned ({reason}); sending instead: {sql}",
        migration=key,
        reason=reason,
        statement=sql,
    )


def facts_of(run: Run, migration: Migration, operations: tuple[Operation, ...]) -> Facts:
    """Return what is recorded of a declarative migration, so that an image without its file can judge and undo it.

    Operations that are too large are left out, and that is said.
    """
    traits = migration.traits
    back = "derived" if traits.derived else "own"
    kept = Kept(
        migration.key,
        operations,
        checksum=migration.checksum.recorded(),
        min_version=traits.min_version,
        phase=traits.phase,
        back=back if traits.reversible else "none",
        together=traits.together,
        transaction=traits.transaction,
    )
    text = keep(kept, run.settings.history_keys)
    if text is None:
        message = f"{migration.key} is too large to be kept with the history: an older image cannot undo it."
        run.log("history.warned", message, migrations=[migration.key])
    return Facts(text, only_adds(operations) and not traits.contracts)


class Preparer:
    """Makes declarative migrations ready, adding up each app's files once.

    `planned` is all that the run moves, in that direction: what is applied comes before it, what is held after it.
    """

    def __init__(
        self, run: Run, planned: Sequence[Migration], direction: Direction, *, may_run: bool = True
    ) -> None:
        self._run = run
        self._planned = planned
        self._direction = direction
        self._may_run = may_run
        self._promises: dict[str, Promises] = {}
        self._compiler: Compiler | None = None

    def prepare(self, migration: Migration, module: ModuleType, direction: Direction) -> Prepared:
        """Compile a migration's operations, or those that undo it.

        Raises UnsupportedError, StateError, IrreversibleError and MigrationLoadError: nothing has been run then.
        """
        operations, before = self.way(migration, direction, module)
        program = prepare(self.compiler, operations, before, together=self.together(migration))
        names = {step.name for step in program.steps if isinstance(step, Call)}
        functions = {name: getattr(module, name) for name in names if hasattr(module, name)}
        return Prepared(program, functions, operations)

    def promises(self, migration: Migration) -> Promises:
        """Return what the migration's app promises. Raises as `promises_around` does."""
        app, run = migration.revision.app, self._run
        if app not in self._promises:
            self._promises[app] = promises_around(
                app, run.files, run.seen, self._planned, self._direction, may_run=self._may_run
            )
        return self._promises[app]

    def together(self, migration: Migration) -> bool:
        """Tell whether the migration is to be in one transaction, whatever is locked meanwhile."""
        return migration.traits.together or self._run.settings.transaction is Transaction.RUN

    def wraps(self, migration: Migration) -> bool:
        """Tell whether engine and file let the migration run in a transaction."""
        return self._run.chosen.dialect.transactional_ddl and migration.traits.transaction

    @property
    def compiler(self) -> Compiler:
        """The compiler for the run's database, which is asked what it is."""
        if self._compiler is None:
            if not self._run.work.exists:
                self._run.work.connect()
            self._compiler = compiler_for(self._run.work.database)
        return self._compiler

    def way(
        self, migration: Migration, direction: Direction, module: ModuleType | None = None
    ) -> tuple[tuple[Operation, ...], Schema]:
        """Return the operations of that way, and the schema that they find."""
        promises = self.promises(migration)
        manager, snapshot = promises.managers[migration.key], promises.snapshot
        if direction is Direction.FORWARD:
            return manager.operations, snapshot.before(migration.key)
        own = module is not None and hasattr(module, "rollback")
        back = called(migration, "rollback", module).operations if module and own else manager.rollback_operations
        return back, snapshot.after(migration.key)


# ── without running ─────────────────────────────────────────────────────────────────────────────────────


def preview(run: Run, migrations: Iterable[Migration], direction: Direction) -> dict[str, dict[str, Any]]:
    """Return what each declarative migration would do, by key; runs no user code and changes nothing.

    One that only running its code could tell has no operations, and says why.
    """
    planned = tuple(migrations)
    preparer = Preparer(run, planned, direction, may_run=False)
    return {m.key: _preview(preparer, m, direction) for m in planned if m.traits.declarative}


def _preview(preparer: Preparer, migration: Migration, direction: Direction) -> dict[str, Any]:
    promises = preparer.promises(migration)
    if migration.key not in promises.managers:
        return {"style": "declarative", "previewable": False, "reason": promises.stopped}
    operations, before = preparer.way(migration, direction)
    shown = shown_of(preparer.compiler, operations, before, together=preparer.together(migration))
    shown["transaction"] = shown["transaction"] and preparer.wraps(migration)
    if direction is Direction.FORWARD:
        shown["reversible"] = can_be_undone(migration, promises.managers[migration.key])
    return shown


def shown_of(
    compiler: Compiler, operations: tuple[Operation, ...], before: Schema, *, together: bool
) -> dict[str, Any]:
    """Return what operations would do on the schema `before` them, as plain data."""
    compiled = compile_all(compiler, operations, before, together=together)
    steps = tuple(step for item in compiled for step in item.steps)
    program = Program(steps, {}, apart=stands_apart(compiled) and not together)
    return {
        "style": "declarative",
        "previewable": True,
        "destructive": any(operation.destructive for operation in operations),
        "transaction": program.transactional,
        "operations": [
            {
                "operations": [_told(operation) for operation in item.operations],
                "steps": [_step(step) for step in item.steps],
            }
            for item in compiled
        ],
    }


def _told(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {"operation": operation.describe()}
    if operation.destructive:
        told["destroys"] = operation.loss
    elif operation.loss:
        told["may_lose"] = operation.loss
    return told


def _step(step: Step) -> dict[str, Any]:
    match step:
        case Statement():
            return _statement(step)
        case Rebuild():
            return {
                "rebuilds": str(step.before.key),
                "rewrites": True,
                "statements": [_statement(statement) for statement in step.statements],
            }
        case Call():
            return {"calls": f"{step.name}()", "previewable": False}
    return {"backfills": step.operation.describe(), "batch": step.operation.batch}


def _statement(statement: Statement) -> dict[str, Any]:
    told: dict[str, Any] = {"sql": statement.sql, "lock": statement.lock, "rewrites": statement.rewrites}
    told |= {"online": statement.online} if statement.online else {}
    return told | ({"otherwise": list(statement.otherwise)} if statement.otherwise else {})
