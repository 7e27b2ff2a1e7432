"""What every dialect answers: troubles told apart, session set-up, transactions, locks, and our tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from smalls.settings import Settings
    from smalls.urls import Engine

# Also in the languages that a server may speak: a short word, a number, the statement.
_EXCERPT = re.compile(r"[^\W\d]{2,12}\s\d+\s?:\s")
Query = Callable[..., Sequence[tuple[Any, ...]]]
Bound: TypeAlias = "tuple[Any, Sequence[Any]]"
"""A statement, as a driver takes it, with its parameters."""


class Trouble(Enum):
    """Why a database said no, in the words that decide what to do about it."""

    UNKNOWN_HOST = "its host name is not known (yet)"
    REFUSED = "nothing listens at that address (yet)"
    TIMED_OUT = "it does not answer"
    STARTING = "the server is starting up or shutting down"
    TOO_MANY = "the server has too many connections"
    CREDENTIALS = "it refused the user or the password"
    TLS = "it refused the connection for its encryption, or for the lack of it"
    NO_DATABASE = "it has no database of that name"
    READ_ONLY = "it is read-only (a standby?)"
    PERMISSION = "the database user may not do this"
    LOST = "the connection was lost"
    LOCKED = "a table or the database is locked by another session"
    DEADLOCK = "the server broke a deadlock"
    CANCELLED = "the statement was cancelled"
    NO_TABLE = "it has no such table"
    EXISTS = "somebody made it first"
    DAMAGED = "what it holds cannot be read"
    FULL = "its disk is full"
    BAD_OPTION = "the driver cannot use an option of the URL"
    OTHER = "it said no"

    @property
    def patience(self) -> float:
        """For how many seconds at most a try to connect that met it is repeated."""
        return _PATIENCE.get(self, _WITHOUT_END)

    @property
    def waits(self) -> bool:
        """Whether waiting, up to the run's own bound, may mend it while connecting."""
        return self.patience == _WITHOUT_END


_WITHOUT_END = float("inf")
_BRIEFLY = 3.0
# What a server refuses; of that, users and databases may be made by the same start-up that we are a part of.
_PATIENCE = {
    Trouble.CREDENTIALS: _BRIEFLY,
    Trouble.NO_DATABASE: _BRIEFLY,
    Trouble.TLS: 0.0,
    Trouble.DAMAGED: 0.0,
    Trouble.PERMISSION: 0.0,
    Trouble.BAD_OPTION: 0.0,
}


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a lock, as its server tells it."""

    session: str
    user: str | None = None
    host: str | None = None
    program: str | None = None
    since: str | None = None
    statement: str | None = None
    state: str | None = None
    age: str | None = None

    def __str__(self) -> str:
        parts = [f"session {self.session}"]
        parts += [f"{name} {text}" for name, text in (("user", self.user), ("from", self.host)) if text]
        parts += [f"({self.program})"] if self.program else []
        parts += [f"since {self.since}"] if self.since else []
        doing = " for ".join(text for text in (self.state, self.age) if text)
        return " ".join(parts) + (f", {doing}," if doing else "")

    def as_dict(self) -> dict[str, str]:
        """Return what is known, for a log line."""
        names = ("session", "user", "host", "program", "since", "statement", "state", "age")
        return {name: value for name in names if (value := getattr(self, name))}


def has_mark(query: Query, quoted: str, trouble: Callable[[BaseException], Trouble]) -> bool:
    """Tell whether the open transaction has a savepoint, which stays; at worst, that transaction is spoilt.

    Raises the driver's error where the server cannot be asked any more.
    """
    try:
        query(f"RELEASE SAVEPOINT {quoted}")
    except Exception as error:
        if trouble(error) is Trouble.LOST:
            raise
        return False
    query(f"SAVEPOINT {quoted}")
    return True


def still_marked(quoted: str) -> list[Bound]:
    """Return what fails unless the open transaction has a savepoint, which stays."""
    return [(f"RELEASE SAVEPOINT {quoted}", ()), (f"SAVEPOINT {quoted}", ())]


@dataclass(frozen=True, slots=True)
class Violation:
    """A row that refers to nothing; `row` is None in a table without row ids."""

    table: str
    row: int | None
    parent: str

    def __str__(self) -> str:
        which = "a row" if self.row is None else f"row {self.row}"
        return f"{self.table} {which} has no parent in {self.parent}"


@dataclass(frozen=True, slots=True)
class Session:
    """What a session is set up with: settings, and who it belongs to."""

    settings: Settings
    label: str


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own exception inside Peewee's, or the exception itself."""
    inner = getattr(error, "orig", None)
    return inner if isinstance(inner, BaseException) else error


def message_of(error: BaseException) -> str:
    """Return the database's own words in one line, without the driver's decoration.

    PostgreSQL quotes the statement, as psycopg2 sends it: with its parameters. That line is left out.
    """
    inner = driver_error(error)
    args = inner.args
    if len(args) > 1 and isinstance(args[0], int) and isinstance(args[1], str):
        return f"{args[1]} ({args[0]})"
    first, *more = [line.strip() for line in str(inner).splitlines() if line.strip()] or [""]
    lines = [first, *(line for line in more if not _EXCERPT.match(line))]
    return " ".join(line for line in lines if not set(line) <= {"^"}) or type(inner).__name__


class Dialect(Protocol):
    """One engine's ways. Methods that take `query` run SQL through it and get all rows back."""

    engine: Engine
    transactional_ddl: bool
    folds_names: bool  # whether the history takes names that differ by case or accents only for the same one
    param: str
    epoch: str
    session_query: str | None  # tells the id under which other sessions know this one
    has_sessions: bool
    default_schema: str  # where tables are whose schema nobody names, if nobody changed the server's default
    maintenance: tuple[str, ...]  # databases that a server has anyway, to make another one from
    bounds_statements: bool  # whether `setup` has the server itself keep SMALLS_STATEMENT_TIMEOUT

    def is_relayed(self, connection: Any, session_id: str) -> bool:
        """Tell whether something between us and the server speaks to it in sessions of its own.

        The server's handshake told another session's id than the one that our statements come by.
        """

    def lock_doubt(self, query: Query, connection: Any) -> str | None:
        """Return why session locks would not keep two runs apart on this server; None where they do."""

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""

    def setup(self, session: Session) -> list[str]:
        """Return the statements that set up a session. Raises ConfigError for what the engine has not."""

    def trouble(self, error: BaseException) -> Trouble:
        """Tell an error's kind."""

    def server(self, query: Query) -> str:
        """Return the server's name and version."""

    def read_only(self, query: Query) -> str | None:
        """Return why the server takes no writes from this session, None where it does."""

    def create_database(self, name: str, owner: str | None) -> str:
        """Return the statement that makes a database, which `owner` owns where the engine has owners."""

    def cancel(self, query: Query, session_id: str) -> None:
        """Cancel the statement that a session is running."""

    def end(self, query: Query, session_id: str) -> None:
        """End a session."""

    def is_at_work(self, query: Query, session_id: str) -> bool:
        """Tell whether a session is running a statement."""

    def begin(self, query: Query, mark: str) -> None:
        """Open a transaction for one migration, with a savepoint `mark` at its beginning that ends with it."""

    def is_ours(self, query: Query, mark: str) -> bool:
        """Tell whether the transaction that `begin` opened is still open: only then it has the mark."""

    def proof(self, mark: str) -> list[Bound]:
        """Return statements that fail unless the transaction that `begin` opened is still open."""

    def disproves(self, error: BaseException) -> bool:
        """Tell whether an error is that of `proof`."""

    def joined(self, cursor: Any, statements: Sequence[Bound]) -> list[Bound]:
        """Return statements for a driver's cursor, as few as say the same: none is run after one that fails.

        Where the last is COMMIT and the first begins a transaction, or there is one, they take effect together.
        """

    def is_aborted(self, connection: Any) -> bool:
        """Tell whether the open transaction can only be rolled back."""

    def parts(self, sql: str) -> list[str]:
        """Return the statements that one call sends, where the driver takes several."""

    def is_ineffective(self, sql: str) -> bool:
        """Tell whether a statement does nothing inside a transaction, and so must be said again after it."""

    def in_transaction(self, connection: Any) -> bool:
        """Tell whether a driver's connection is inside a transaction."""

    def must_leave(self, sql: str) -> bool:
        """Tell whether a statement cannot run inside a transaction."""

    def before_transaction(self, query: Query) -> Callable[[], None]:
        """Prepare a session for a migration's transaction; the result restores it."""

    def key_check(self, sql: str) -> str | None:
        """Return the query that finds the foreign keys which a statement may break.

        None where it can break none, or where the engine looks after them itself.
        """

    def violations(self, query: Query, check: str) -> list[Violation]:
        """Return the rows that break a foreign key, by a `key_check`."""

    def lock_wait_bound(self, seconds: float | None) -> str | None:
        """Return the statement that bounds waits for relation locks; None where nothing is to be said."""

    def try_lock(self, query: Query, key: str) -> bool:
        """Take a session lock if it is free."""

    def unlock(self, query: Query, key: str) -> None:
        """Give a session lock back."""

    def holds_lock(self, query: Query, key: str, session_id: str) -> bool:
        """Tell whether that session has a session lock now."""

    def fencing(self, key: str, session_id: str) -> Bound | None:
        """Return a statement that fails where that session has a session lock no more; None where there is none."""

    def denies_lock(self, error: BaseException) -> bool:
        """Tell whether an error is that of `fencing`."""

    def holder(self, query: Query, key: str) -> Holder | None:
        """Return who holds a lock."""

    def blockers(self, query: Query, session_id: str) -> list[Holder]:
        """Return the sessions that keep a session waiting for a lock, by another session's `query`.

        Their statements are without values. Raises what the server raises where it may not tell.
        """

    def clear_leftover(self, query: Query, sql: str) -> bool:
        """Take away what a statement left that failed before, where it is in its own way; tell whether it did."""

    def table(self, schema: str | None, name: str) -> str:
        """Return a table's qualified, quoted name."""

    def home(self, query: Query, name: str) -> str | None:
        """Return the schema or database in which a table of that name is found; None where there is one only."""

    def create_history(self, schema: str | None, ours: str) -> list[str]:
        """Return the statements that make the history table as upstream has it, with `ours` beside: columns."""

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the statements that make the journal, with an index that has each migration's entries in order."""

    def is_last(self, table: str) -> str:
        """Return the condition for the last entry of each migration; it reads no other of them."""

    def column_type(self, meaning: str) -> str:
        """Return the column type for "text", "long text" (beyond 64 KiB), "integer" or "time"."""

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:
        """Return what the connected user may do, by a sentence each."""


def walk(table: str) -> str:
    """Return the query for the id of each migration's last entry, which goes from name to name along the index.

    Engines do not do so for GROUP BY by themselves; UNION ends it also where a hand made an id twice.
    """
    last = "ORDER BY entry.migration DESC, entry.id DESC LIMIT 1"
    return (
        f"WITH RECURSIVE ends (id) AS (SELECT (SELECT entry.id FROM {table} AS entry {last}) UNION SELECT "
        f"(SELECT entry.id FROM {table} AS entry WHERE entry.migration < (SELECT own.migration FROM {table} AS own "
        f"WHERE own.id = ends.id LIMIT 1) {last}) FROM ends WHERE ends.id IS NOT NULL) SELECT id FROM ends"
    )
