"""A migration's own code around our transaction: it may do all that it could do alone.

Alone, under upstream smalls, every statement committed by itself, so code could commit, close the
connection or begin transactions of its own. Inside our transaction the same calls would end or break it.
So the guard watches for them: at the first one it commits what there is (as it would have been committed
alone) and lets the rest of the file run as it would alone; the failure report then knows that it did.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from smalls.tap import TappedCursor, is_begin, is_commit, is_rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.database import WorkSession
    from smalls.events import Emit
    from smalls.tap import Tap

_HOOKED = ("cursor", "connection", "begin", "commit", "rollback", "close", "manual_commit")


class RolledBackError(Exception):
    """The code rolled our transaction back."""


class Guard:
    """Runs code on the working session, inside a transaction of ours where `wrap` is set."""

    def __init__(
        self, work: WorkSession, tap: Tap, emit: Emit, mark: str, *, wrap: bool, may_leave: bool = True
    ) -> None:
        self._work = work
        self._db = work.database
        self._tap = tap
        self._emit = emit
        self._mark = mark
        self._wrap = wrap
        self._may_leave = may_leave
        self._own: dict[str, Callable[..., Any]] = {}
        self._marker: Any = None
        self._restore: Callable[[], None] = lambda: None
        self.rolled_back = False

    @property
    def inside(self) -> bool:
        """Whether our transaction is open, as far as we have seen."""
        return self._marker is not None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Open the transaction if there is to be one, and watch the code that runs in the block.

        The transaction is left open: `commit` or `undo` ends it.
        """
        self._open()
        self._hook()
        try:
            yield
        finally:
            for name in _HOOKED:
                self._db.__dict__.pop(name, None)
            self._tap.before = lambda _sql: True

    def still_ours(self) -> bool:
        """Ask the server whether our transaction is still the one that is open."""
        return (
            self.inside and self._work.in_transaction and self._work.dialect.is_ours(self._work.query, self._mark)
        )

    def commit(self) -> None:
        """Commit our transaction."""
        self._work.query("COMMIT")
        self._close(committed=True)

    def undo(self) -> None:
        """Roll back whatever is open, ours or the code's own, on a session that may be broken."""
        if self._work.in_transaction:
            with contextlib.suppress(Exception):
                self._work.raw_query("ROLLBACK")
        self._tap.forget()
        self._close(committed=False)

    def left_open(self) -> bool:
        """Tell whether the code left a transaction of its own open."""
        return not self.inside and self._work.in_transaction

    # ── our transaction ──

    def _open(self) -> None:
        if not self._wrap:
            self._work.bound_lock_waits(None)
            return
        self._restore = self._work.dialect.before_transaction(self._work.raw_query)
        self._work.dialect.begin(self._work.query, self._mark)
        self._tap.enter_transaction()
        self._marker = self._db.transaction()
        self._db.push_transaction(self._marker)

    def _close(self, *, committed: bool) -> None:
        stack = self._db._state.transactions  # noqa: SLF001 -- Peewee's own record of open transactions
        if not self.inside:
            stack.clear()
            return
        self._marker = None
        stack.clear()
        if committed:
            self._db._run_commit_callbacks()  # noqa: SLF001 -- after_commit() of the migration's code
        else:
            self._db._clear_commit_callbacks()  # noqa: SLF001
        with contextlib.suppress(Exception):
            self._restore()
        self._restore = lambda: None

    def _leave(self, reason: str) -> None:
        """Commit what there is and let the rest of the file run outside a transaction of ours."""
        if not self._may_leave:
            self._lost(reason)
        marker, self._marker = self._marker, None
        with self._work.shielded():  # the commit and the note of it are one
            self._work.raw_query("COMMIT")
            self._tap.settle()
        self._db._state.transactions.remove(marker)  # noqa: SLF001
        self._db._run_commit_callbacks()  # noqa: SLF001
        self._restore()
        self._restore = lambda: None
        self._work.bound_lock_waits(None)
        self._emit(
            "migration.unwrapped",
            f"The migration's code calls {reason}, so it runs outside smalls' transaction from there on. "
            "Say `transaction = False` in the file to make that plain.",
            reason=reason,
        )

    # ── what the code calls ──

    def _hook(self) -> None:
        self._tap.before = self._before_statement
        self._own = {name: getattr(self._db, name) for name in _HOOKED}
        hooks: dict[str, Callable[..., Any]] = {"cursor": self._cursor, "connection": self._connection}
        if self._wrap:
            hooks |= {name: self._leaving(name) for name in ("begin", "commit", "close", "manual_commit")}
            hooks["rollback"] = self._rollback
        self._db.__dict__.update(hooks)

    def _cursor(self, *args: Any, **kwargs: Any) -> TappedCursor:
        return TappedCursor(self._own["cursor"](*args, **kwargs), self._tap)

    def _connection(self) -> Any:
        self._tap.opaque = True
        return self._own["connection"]()

    def _leaving(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._alone():
                return self._own[name](*args, **kwargs)
            self._leave(f"{name}()")
            return None if name == "commit" else self._own[name](*args, **kwargs)

        return call

    def _rollback(self) -> Any:
        if not self._alone():
            return self._own["rollback"]()
        self._lost("rollback()")
        return None

    def _alone(self) -> bool:
        """Whether our transaction is the only one open: calls inside the code's own are its own business."""
        return self.inside and len(self._db._state.transactions) == 1  # noqa: SLF001

    def _lost(self, reason: str) -> None:
        self.undo()
        self.rolled_back = True
        raise RolledBackError(
            f"the code called {reason} on smalls' transaction; with `with db.atomic():` around the part, "
            "or `transaction = False` in the file, it can undo what is its own"
        )

    def _before_statement(self, sql: str) -> bool:
        """See each statement first; False means that it is done already."""
        if not self.inside:
            return True
        if is_commit(sql):
            self._leave("COMMIT")
            return False
        if is_rollback(sql):
            self._lost("ROLLBACK")
        if is_begin(sql) or self._work.dialect.must_leave(sql):
            self._leave(sql.split("(", maxsplit=1)[0].strip()[:40])
        return True
