"""A migration's own code around our transaction: it may do all that it could do alone.

Alone, under upstream smalls, every statement committed by itself, so code could commit, close the
connection or begin transactions of its own. Inside our transaction the same calls would end or break it.
So the guard watches for them: at the first one it commits what there is (as it would have been committed
alone) and lets the rest of the file run as it would alone; the failure report then knows that it did.
"""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TYPE_CHECKING, Any

from smalls.foreignkeys import ForeignKeys
from smalls.hooks import Hooks
from smalls.statements import verb
from smalls.tap import is_begin, is_commit, is_rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.dialects.base import Bound
    from smalls.events import Emit
    from smalls.session import WorkSession
    from smalls.tap import Tap


class RolledBackError(Exception):
    """The code rolled our transaction back."""


class BadOutcomeError(Exception):
    """The code returned, and what it left behind cannot be kept."""


class EndedPastError(BadOutcomeError):
    """What it left behind is not our transaction any more."""

    def __init__(self) -> None:
        super().__init__("the code ended smalls' transaction past Peewee, so what it did is not known")


class Held(Enum):
    """Why a transaction holds more than one migration's code, which therefore may not end it."""

    REHEARSAL = "it cannot be rehearsed in a transaction that is rolled back"
    RUN = "SMALLS_TRANSACTION=run cannot hold it in one transaction with the others"


class Guard:
    """Runs code on the working session, inside a transaction of ours where `wrap` is set.

    `holds` is set where the code must not leave it.
    `lifts` is whether code outside it may wait for a relation's lock for as long as it takes.

    `keys` are the foreign keys that it may break.
    """

    def __init__(
        self,
        work: WorkSession,
        tap: Tap,
        emit: Emit,
        mark: str,
        *,
        wrap: bool,
        holds: Held | None = None,
        lifts: bool = True,
    ) -> None:
        self._work = work
        self._db = work.database
        self._tap = tap
        self._emit = emit
        self._mark = mark
        self._wrap = wrap
        self._holds = holds
        self._lifts = lifts
        self._hooks: Hooks | None = None
        self._marker: Any = None
        self._restore: Callable[[], None] = lambda: None
        self._ineffective: list[str] = []
        self._whole = False
        self.keys = ForeignKeys(work)
        self.rolled_back: str | None = None
        self.committing = False
        self.lifted = False
        self.committed = False

    @property
    def inside(self) -> bool:
        """Whether our transaction is open, as far as we have seen."""
        return self._marker is not None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Open the transaction if there is to be one, and watch the code that runs in the block.

        The transaction is left open, and may be gone on with: `commit` or `undo` ends it.
        """
        if not self.inside:
            self._open()
        self._hooks = Hooks(self._db, self._tap, self, wrap=self._wrap)
        try:
            with self._hooks.in_place():
                yield
        finally:
            self._hooks = None  # it has us, and a ring lives until somebody looks for it

    def still_ours(self) -> bool:
        """Ask the server whether our transaction is still the one that is open: only then it has our mark."""
        work = self._work
        ours = self.inside and work.in_transaction and work.dialect.is_ours(work.raw_query, self._mark)
        # Whatever went past Peewee went into our transaction, or else nobody knows where.
        self._tap.opaque = not ours
        return ours

    def given_up(self) -> bool:
        """Tell whether the server has given our transaction up after an error that the code swallowed."""
        return self.inside and self._work.in_transaction and self._work.dialect.is_aborted(self._work.raw)

    @property
    def doubtful(self) -> bool:
        """Whether anything went past what watches the code, which may have ended our transaction."""
        return self._tap.opaque

    def commit(self, *more: Bound) -> None:
        """Commit our transaction with `more` in it, and run what the code gave to after_commit().

        Raises EndedPastError, and does nothing, where it is not our transaction that is open.
        """
        dialect = self._work.dialect
        self.committing = True
        try:
            self._work.send(*dialect.proof(self._mark), *more, ("COMMIT", ()))
        except Exception as error:
            if dialect.disproves(error):
                self._tap.opaque = True
                raise EndedPastError from None
            raise
        self._tap.settle()
        self.committed = True
        self._close(committed=True)

    def undo(self) -> bool:
        """Roll back whatever is open, ours or the code's own, on a session that may be broken.

        Returns whether all that ran in our transaction is undone. A transaction that is gone was rolled
        back by the server, unless something went past us that may have committed it.
        """
        opened = self._work.in_transaction
        if self.inside:
            self._whole = self._back_to_mark() if opened else not self._tap.opaque
        if opened:
            with contextlib.suppress(Exception):
                self._work.raw_query("ROLLBACK")
        self._tap.forget()
        self._close(committed=False)
        return self._whole

    def _back_to_mark(self) -> bool:
        """Roll back to the beginning of our transaction, which only works in it, and even after an error."""
        try:
            self._work.raw_query(f"ROLLBACK TO SAVEPOINT {self._work.dialect.quote(self._mark)}")
        except Exception:
            return False
        return True

    def left_open(self) -> bool:
        """Tell whether the code left a transaction of its own open."""
        return not self.inside and self._work.in_transaction

    # ── our transaction ──

    def _open(self) -> None:
        if not self._wrap:
            if self._lifts:
                self._lift()
            return
        self._restore = self._work.dialect.before_transaction(self._work.raw_query)
        self._work.dialect.begin(self._work.query, self._mark)
        self._work.set_up_transaction()
        self._tap.enter_transaction()
        self._marker = self._db.transaction()
        self._db.push_transaction(self._marker)

    def _lift(self) -> None:
        """Let the code wait for a relation's lock for as long as it takes, where that is safe."""
        self.lifted = self._work.bound_lock_waits(None)

    def _close(self, *, committed: bool) -> None:
        self._db._state.transactions.clear()  # noqa: SLF001 -- Peewee's own record of open transactions
        if not self.inside:
            return
        self._marker = None
        with contextlib.suppress(Exception):
            self._put_back()
        if committed:
            self._db._run_commit_callbacks()  # noqa: SLF001 -- after_commit() of the migration's code
        else:
            self._db._clear_commit_callbacks()  # noqa: SLF001

    def _put_back(self) -> None:
        restore, self._restore = self._restore, lambda: None
        restore()

    def leave(self, reason: str) -> None:
        """Commit what there is and let the rest of the file run outside a transaction of ours."""
        if self._holds:
            self.lose(reason)
        self._tap.may_commit()
        with self._work.shielded(), self._tap.committing():  # the commit and the note of it are one
            self._work.raw_query("COMMIT")
        marker, self._marker = self._marker, None
        self._db._state.transactions.remove(marker)  # noqa: SLF001
        self._put_back()
        for sql in self._ineffective:
            self._work.raw_query(sql)
        self._lift()
        self._db._run_commit_callbacks()  # noqa: SLF001
        self._emit(
            "migration.unwrapped",
            f"The migration's code calls {reason}, so it runs outside smalls' transaction from there on. "
            "Say `transaction = False` in the file to make that plain.",
            reason=reason,
        )

    # ── what the code does to it ──

    def lose(self, reason: str) -> None:
        """Roll our transaction back. Raises RolledBackError, which says why."""
        self.undo()
        self.rolled_back = (
            f"the code called {reason} on smalls' transaction; with `with db.atomic():` around the part, "
            "or `transaction = False` in the file, it can undo what is its own"
            if not self._holds
            else f"the code calls {reason}, so {self._holds.value}"
        )
        self._refuse_after_rollback()

    def _refuse_after_rollback(self) -> None:
        """Let nothing run on outside, that the code believes to be inside a transaction."""
        if self.rolled_back:
            raise RolledBackError(self.rolled_back)

    def before_connection(self) -> None:
        """See that the code takes the driver's own connection, and sends nobody knows what."""
        self._refuse_after_rollback()
        if self.inside:
            if self._holds is Held.REHEARSAL:
                self.lose("connection(), past which a COMMIT would not be seen")
            self.keys.mind("")

    def before_statement(self, sql: str) -> bool:
        """See each statement first; False means that it is done already."""
        self._refuse_after_rollback()
        if not self.inside:
            return True
        self.keys.mind(sql)
        parts = self._work.dialect.parts(sql)
        if len(parts) > 1:
            self._before_script(parts)
        elif is_commit(sql):
            self.leave("COMMIT")
            return False
        elif is_rollback(sql):
            self.lose("ROLLBACK")
        elif self._hooks and self._hooks.alone() and (is_begin(sql) or self._work.dialect.must_leave(sql)):
            self.leave(sql.split("(", maxsplit=1)[0].strip()[:40])
        elif self._work.dialect.is_ineffective(sql):
            self._ineffective.append(sql)
        return True

    def _before_script(self, parts: list[str]) -> None:
        """Let a script with transactions of its own run as it would alone; how far it comes is not seen."""
        # An END alone closes the body of a function.
        if any(is_begin(part) or is_rollback(part) or (is_commit(part) and verb(part) != "END") for part in parts):
            self.leave("a script with a transaction of its own")
            self._tap.pass_by("a script with a transaction of its own, of which only the end is seen")
