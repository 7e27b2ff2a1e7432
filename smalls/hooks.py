"""What a migration's code calls on the database object: passed on, seen by the tap, or asked about first."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Protocol, Self

from smalls.tap import TappedCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.tap import Tap

_LEAVING = ("begin", "commit", "close", "manual_commit")
_NESTING = ("savepoint", "transaction")
_HOOKED = ("cursor", "connection", "rollback", *_LEAVING, *_NESTING)


class Keeper(Protocol):
    """Who may have a transaction open around the code."""

    @property
    def inside(self) -> bool:
        """Whether it is open."""

    def before_statement(self, sql: str) -> bool:
        """See each statement first; False means that it is done already."""

    def before_connection(self) -> None:
        """See that the code takes the driver's own connection."""

    def leave(self, reason: str) -> None:
        """Commit the transaction, which the code would end or break."""

    def lose(self, reason: str) -> None:
        """Roll it back, and raise what says so."""


class Nested:
    """A transaction of the code's own inside ours: a savepoint that Peewee counts as one."""

    def __init__(self, database: Any, savepoint: Any) -> None:
        self._db = database
        self._savepoint = savepoint

    def __enter__(self) -> Self:
        self._savepoint.__enter__()
        self._db.push_transaction(self)
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(IndexError):  # ours was rolled back meanwhile, and nothing is open
            self._db.pop_transaction()
        self._savepoint.__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Any:
        """Wrap a function, as a decorator."""
        return self._savepoint(function)

    def commit(self, begin: bool = True) -> None:
        """Keep what was done so far; for good once the outer transaction is."""
        self._savepoint.commit(begin)

    def rollback(self, begin: bool = True) -> None:
        """Undo what was done in it."""
        self._savepoint.rollback(begin)


class Hooks:
    """Stands in for the methods of a database object; `wrap` is whether its keeper has a transaction at all.

    It watches the thread that made it. Other threads of the migration have connections of their own.
    """

    def __init__(self, database: Any, tap: Tap, keeper: Keeper, *, wrap: bool) -> None:
        self._db = database
        self._tap = tap
        self._keeper = keeper
        self._wrap = wrap
        self._own: dict[str, Callable[..., Any]] = {}
        self._thread = threading.get_ident()

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Stand in within the block."""
        self._tap.before = self._keeper.before_statement
        self._own = {name: getattr(self._db, name) for name in _HOOKED}
        hooks: dict[str, Callable[..., Any]] = {"cursor": self._cursor, "connection": self._connection}
        if self._wrap:
            hooks |= {name: self._leaving(name) for name in _LEAVING}
            hooks |= {name: self._nesting(name) for name in _NESTING}
            hooks["rollback"] = self._rollback
        self._db.__dict__.update(hooks)
        try:
            yield
        finally:
            for name in _HOOKED:
                self._db.__dict__.pop(name, None)
            self._tap.before = lambda _sql: True

    def alone(self) -> bool:
        """Tell whether the keeper's transaction is the only one open: inside the code's own, calls are its own."""
        return (
            self._keeper.inside and not self._is_elsewhere() and len(self._db._state.transactions) == 1  # noqa: SLF001
        )

    def _is_elsewhere(self) -> bool:
        """Tell whether another thread calls, and take note that it did: its statements are not seen."""
        elsewhere = threading.get_ident() != self._thread
        if elsewhere:
            self._tap.step_aside("a thread of the code, on a connection of its own")
        return elsewhere

    def _cursor(self, *args: Any, **kwargs: Any) -> Any:
        cursor = self._own["cursor"](*args, **kwargs)
        return cursor if self._is_elsewhere() else TappedCursor(cursor, self._tap)

    def _connection(self) -> Any:
        if not self._is_elsewhere():
            self._keeper.before_connection()
            self._tap.pass_by("the driver's own connection")
        return self._own["connection"]()

    def _leaving(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.alone():
                return self._own[name](*args, **kwargs)
            self._keeper.leave(f"{name}()")
            return None if name == "commit" else self._own[name](*args, **kwargs)

        return call

    def _nesting(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._keeper.inside or self._is_elsewhere():
                return self._own[name](*args, **kwargs)
            return Nested(self._db, self._own["savepoint"]())

        return call

    def _rollback(self) -> Any:
        if not self.alone():
            return self._own["rollback"]()
        self._keeper.lose("rollback()")
        return None
