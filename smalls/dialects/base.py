"""What every dialect answers: troubles told apart, session set-up, transactions, locks, and our tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from smalls.settings import Settings
    from smalls.urls import Engine

# Also in the languages that a server may speak: a short word, a number, the statement.
_EXCERPT = re.compile(r"[^\W\d]{2,12}\s\d+\s?:\s")
Query = Callable[..., Sequence[tuple[Any, ...]]]


class Trouble(Enum):
    """Why a database said no, in the words that decide what to do about it."""

    UNKNOWN_HOST = "its host name is not known (yet)"
    REFUSED = "nothing listens at that address (yet)"
    TIMED_OUT = "it does not answer"
    STARTING = "the server is starting up or shutting down"
    TOO_MANY = "the server has too many connections"
    CREDENTIALS = "it refused the user or the password"
    NO_DATABASE = "it has no database of that name"
    READ_ONLY = "it is read-only (a standby?)"
    PERMISSION = "the database user may not do this"
    LOST = "the connection was lost"
    LOCKED = "a table or the database is locked by another session"
    DEADLOCK = "the server broke a deadlock"
    CANCELLED = "the statement was cancelled"
    NO_TABLE = "it has no such table"
    BAD_OPTION = "the driver cannot use an option of the URL"
    OTHER = "it said no"

    @property
    def waits(self) -> bool:
        """Whether waiting may mend it while connecting."""
        return self in _WAITS


_WAITS = frozenset(
    {
        Trouble.UNKNOWN_HOST,
        Trouble.REFUSED,
        Trouble.TIMED_OUT,
        Trouble.STARTING,
        Trouble.TOO_MANY,
        Trouble.LOST,
        Trouble.OTHER,
    }
)


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a lock, as its server tells it."""

    session: str
    user: str | None = None
    host: str | None = None
    program: str | None = None
    since: str | None = None
    statement: str | None = None

    def __str__(self) -> str:
        parts = [f"session {self.session}"]
        parts += [f"{name} {text}" for name, text in (("user", self.user), ("from", self.host)) if text]
        parts += [f"({self.program})"] if self.program else []
        parts += [f"since {self.since}"] if self.since else []
        return " ".join(parts)

    def as_dict(self) -> dict[str, str]:
        """Return what is known, for a log line."""
        names = ("session", "user", "host", "program", "since", "statement")
        return {name: value for name in names if (value := getattr(self, name))}


def has_mark(query: Query, quoted: str) -> bool:
    """Tell whether the open transaction has a savepoint, which stays; at worst, that transaction is spoilt."""
    try:
        query(f"RELEASE SAVEPOINT {quoted}")
    except Exception:
        return False
    query(f"SAVEPOINT {quoted}")
    return True


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
    param: str
    epoch: str
    session_query: str | None  # tells the id under which other sessions know this one
    has_sessions: bool
    default_schema: str  # where tables are whose schema nobody names, if nobody changed the server's default
    bounds_statements: bool  # whether `setup` has the server itself keep SMALLS_STATEMENT_TIMEOUT

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""

    def setup(self, session: Session) -> list[str]:
        """Return the statements that set up a session. Raises ConfigError for what the engine has not."""

    def trouble(self, error: BaseException) -> Trouble:
        """Tell an error's kind."""

    def server(self, query: Query) -> str:
        """Return the server's name and version."""

    def cancel(self, query: Query, session_id: str) -> None:
        """Cancel the statement that a session is running."""

    def begin(self, query: Query, mark: str) -> None:
        """Open a transaction for one migration, with a savepoint `mark` at its beginning that ends with it."""

    def is_ours(self, query: Query, mark: str) -> bool:
        """Tell whether the transaction that `begin` opened is still open: only then it has the mark."""

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

    def violations(self, query: Query) -> list[Violation]:
        """Return the rows that break a foreign key, where the engine leaves finding them to us."""

    def lock_wait_bound(self, seconds: float | None) -> str | None:
        """Return the statement that bounds waits for relation locks; None where nothing is to be said."""

    def try_lock(self, query: Query, key: str) -> bool:
        """Take a session lock if it is free."""

    def unlock(self, query: Query, key: str) -> None:
        """Give a session lock back."""

    def holder(self, query: Query, key: str) -> Holder | None:
        """Return who holds a lock."""

    def table(self, schema: str | None, name: str) -> str:
        """Return a table's qualified, quoted name."""

    def create_history(self, schema: str | None) -> list[str]:
        """Return the statements that make the history table as upstream has it, with our columns."""

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the statements that make the journal."""

    def column_type(self, meaning: str) -> str:
        """Return the column type for "text", "integer" or "time"."""

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:
        """Return what the connected user may do, by a sentence each."""
