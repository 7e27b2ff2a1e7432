"""What a compiler makes of an operation: steps, each with what a plan and a journal must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from smalls.operations import AddTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.operations import Backfill, Operation
    from smalls.schema import Schema, Table, TableKey


@dataclass(frozen=True, slots=True)
class CheckName:
    """The name that a server of MySQL's kind gave to an unnamed check of `table`, which reads `sql` there.

    Servers write a check anew in words of their own. `scratch` makes a temporary table with that check, both under
    the name `SCRATCH`, so that what the server makes of it can be compared. `named` are names that it did not give.
    `alone` is whether the table can have one unnamed check only.
    """

    table: str
    sql: str
    scratch: str
    named: tuple[str, ...]
    alone: bool


SCRATCH = "smalls_scratch"


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement.

    `lock` is the engine's word for the strongest lock that it takes on a table ("ACCESS EXCLUSIVE", "NONE"),
    "" where that is of no interest. `rewrites` is whether it copies the table. `online` says, where there is
    something to say, how the form was chosen so that it is short or does not block ("NOT VALID, validated
    next", "ALGORITHM=INSTANT"). `transactional` is whether it may run inside a transaction; `alone` is whether it
    takes long under a weak lock, which is of no use while a stronger one from before it is held to the commit.

    Where only the server knows a name, `named_by` is a query for it, quoted, and `sql` holds `{name}` in its
    place. If the query finds nothing, the statement is left out where it is `optional`, else the migration fails.

    `found_by` is a query that finds something once the statement took effect, where the server's word alone would
    not tell. `otherwise` are statements to try one after the other where the server refuses the form of this one
    for the table as it is. `clears` is whether it takes away what the statement after it left when it failed, and
    so belongs to that one. `inside` is what to send instead where all is to be in one transaction after all.
    """

    sql: str
    params: tuple[Any, ...] = ()
    transactional: bool = True
    lock: str = ""
    rewrites: bool = False
    online: str = ""
    alone: bool = False
    named_by: str | CheckName = ""
    optional: bool = False
    found_by: str | CheckName = ""
    otherwise: tuple[str, ...] = ()
    clears: bool = False
    inside: Statement | None = None


@dataclass(frozen=True, slots=True)
class Rebuild:
    """SQLite's twelve steps for one table: made anew as `after`, rows copied, triggers and views kept.

    `copy` maps each column of the new table that gets old data to the SQL expression it is copied from.
    Triggers and views are in no state; whoever executes the step reads them from sqlite_master before and
    makes them again after: https://www.sqlite.org/lang_altertable.html#otheralter
    `statements` are the rest, in order: the new table, its rows, its name, its indexes. They must run with
    `foreign_keys` off, in one transaction. `copy` may call `unhex(text)`, which SQLite has from 3.41 only.
    """

    before: Table
    after: Table
    statements: tuple[Statement, ...]
    copy: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Call the function `name` of the migration's file, with the database and the models as of then."""

    name: str
    transactional: bool = True


@dataclass(frozen=True, slots=True)
class Batches:
    """Run a backfill in batches by primary key, committing after each; resumes where it stopped."""

    operation: Backfill
    table: Table


Step: TypeAlias = Statement | Rebuild | Call | Batches


class Compiler(Protocol):
    """One engine's compiler."""

    def compile(self, operation: Operation, before: Schema) -> list[Step]:
        """Return the steps for `operation` on the schema `before` it.

        Raises UnsupportedError (of `smalls.autoerrors`), with the reason, for what the engine cannot do.
        """


@dataclass(frozen=True, slots=True)
class Compiled:
    """The steps for `operations`; () where a step serves operations that come later."""

    operations: tuple[Operation, ...]
    steps: tuple[Step, ...]


@runtime_checkable
class Folding(Compiler, Protocol):
    """A compiler that does better when it sees operations together."""

    def compile_all(self, operations: Iterable[Operation], before: Schema) -> list[Compiled]:
        """Return the steps for `operations`, one after the other, on the schema `before` them.

        Raises UnsupportedError as `compile` does, before anything is run.
        """


def compile_all(
    compiler: Compiler, operations: Iterable[Operation], before: Schema, *, together: bool = False
) -> list[Compiled]:
    """Return the steps for `operations`, one after the other: folded where the compiler folds.

    `together` is whether they are to be in one transaction wherever that can be.
    Raises UnsupportedError, with the reason, for what the engine cannot do: nothing has been run then.
    """
    if isinstance(compiler, Folding):
        return compiler.compile_all(operations, before)
    compiled = []
    made: set[TableKey] = set()
    for operation in operations:
        steps = tuple(compiler.compile(operation, before))
        if isinstance(operation, AddTable):
            made.add(operation.table.key)
        made_here = getattr(operation, "table", None) in made  # so nobody is held up, and nothing was left behind
        if together or made_here:
            steps = _held_together(step for step in steps if not (made_here and getattr(step, "clears", False)))
        compiled.append(Compiled((operation,), steps))
        before = operation.apply(before)
    return compiled


def _held_together(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps with those that refuse a transaction in the form that does not, where they have one."""
    return tuple(getattr(step, "inside", None) or step for step in steps)
