"""Declarative migrations made ready to run: compiled for the run's engine, and shown before they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.compilers.base import Call, Rebuild, Statement, compile_all
from smalls.compiling import compiler_for
from smalls.model import Direction
from smalls.progress import Progress, fingerprint
from smalls.promises import Promises, called, can_be_undone
from smalls.steps import BEGINNING, NO_MARK, Program, execute, prepare, stands_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from smalls.compilers.base import Compiler, Step
    from smalls.migration import Migration
    from smalls.operations import Operation
    from smalls.run import Run
    from smalls.schema import Schema


@dataclass(frozen=True, slots=True)
class Prepared:
    """A declarative migration ready to run one way: its steps, and the functions that they call."""

    program: Program
    functions: Mapping[str, Callable[..., object]]
    together: bool = False

    @property
    def wrap(self) -> bool:
        """Whether it runs in one transaction, if the engine and the file allow it."""
        return self.program.wrappable if self.together else self.program.transactional


def runner(run: Run, migration: Migration, prepared: Prepared, direction: Direction) -> tuple[Any, dict[str, bool]]:
    """Return the code that runs a prepared migration, and how it is to be run (see `smalls.execution.Step`).

    Outside a transaction it notes each step in the journal, and begins after the last one that was noted.
    Raises UnfinishedMigrationError where its steps have changed since.
    """
    whole = prepared.wrap and run.chosen.dialect.transactional_ddl and migration.traits.transaction
    progress = Progress(run.journal, migration.key, direction, fingerprint(prepared.program))
    start = BEGINNING if whole else progress.start()
    mark = NO_MARK if whole else progress

    def code() -> None:
        execute(prepared.program, run.work.database, prepared.functions, mark=mark, start=start)

    return code, {"wrap": prepared.wrap, "resumable": not whole, "resumed": start != BEGINNING}


class Preparer:
    """Makes declarative migrations ready, adding up each app's files once."""

    def __init__(self, run: Run, *, may_run: bool = True) -> None:
        self._run = run
        self._may_run = may_run
        self._promises: dict[str, Promises] = {}
        self._compiler: Compiler | None = None

    def prepare(self, migration: Migration, module: ModuleType, direction: Direction) -> Prepared:
        """Compile a migration's operations, or those that undo it.

        Raises UnsupportedError, StateError, IrreversibleError and MigrationLoadError: nothing has been run then.
        """
        operations, before = self.way(migration, direction, module)
        program = prepare(self.compiler, operations, before)
        names = {step.name for step in program.steps if isinstance(step, Call)}
        functions = {name: getattr(module, name) for name in names if hasattr(module, name)}
        return Prepared(program, functions, together=migration.traits.together)

    def promises(self, migration: Migration) -> Promises:
        """Return what the migration's app promises."""
        app = migration.revision.app
        if app not in self._promises:
            files = [m for m in self._run.files if m.revision.app == app]
            self._promises[app] = Promises(files, may_run=self._may_run)
        return self._promises[app]

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
    preparer = Preparer(run, may_run=False)
    return {m.key: _preview(preparer, m, direction) for m in migrations if m.traits.declarative}


def _preview(preparer: Preparer, migration: Migration, direction: Direction) -> dict[str, Any]:
    promises = preparer.promises(migration)
    if migration.key not in promises.managers:
        return {"style": "declarative", "previewable": False, "reason": promises.stopped}
    operations, before = preparer.way(migration, direction)
    shown = _shown(preparer.compiler, operations, before, together=migration.traits.together)
    shown["transaction"] = shown["transaction"] and preparer.wraps(migration)
    if direction is Direction.FORWARD:
        shown["reversible"] = can_be_undone(migration, promises.managers[migration.key])
    return shown


def _shown(
    compiler: Compiler, operations: tuple[Operation, ...], before: Schema, *, together: bool
) -> dict[str, Any]:
    compiled = compile_all(compiler, operations, before)
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
    return told | ({"online": statement.online} if statement.online else {})
