"""What a failed migration is: the exception and the statements in, the error that a person reads out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Trouble, message_of
from smalls.errors import (
    ConnectionLostError,
    MigrationFailedError,
    MigrationPartialError,
    RelationLockError,
    SmallsError,
    TransactionEndedError,
)
from smalls.frames import user_place
from smalls.guard import BadOutcomeError, RolledBackError
from smalls.intents import JournalError
from smalls.model import Direction
from smalls.stop import CutOffError, Stopped

if TYPE_CHECKING:
    from smalls.dialects.base import Dialect, Holder
    from smalls.migration import Migration
    from smalls.stop import Stop
    from smalls.tap import Tap


_LOCKED = frozenset({Trouble.LOCKED, Trouble.DEADLOCK})
_DRIVERS = frozenset({"peewee", "psycopg2", "psycopg", "pymysql", "MySQLdb", "mysql", "mariadb", "sqlite3"})


# What the database says of statements that smalls' transaction stands in the way of, and what to do.
_OUTSIDE = "That statement cannot run in a transaction: say `transaction = False` at the top of the file."
_BETWEEN = "That needs a commit in between: split the file in two, or say `transaction = False` at its top."
_REMEDIES = {
    "transaction block": _OUTSIDE,
    "from within a transaction": _OUTSIDE,
    "inside a transaction": _OUTSIDE,
    "manual commit block": "Say `transaction = False` at the top of the file, which commits by itself.",
    "must be committed before": _BETWEEN,
    "pending trigger events": _BETWEEN,
    "foreign keys are broken": (
        "In its transaction smalls has foreign keys off, so that tables can be rebuilt; ON DELETE and ON UPDATE "
        "do nothing there. Mend the rows in the file too, or say `transaction = False` at its top."
    ),
}
_WHAT_TO_DO = {
    Trouble.FULL: "Make room where the database is, and run again; nothing of this migration took effect.",
    Trouble.CANCELLED: (
        "It took longer than SMALLS_STATEMENT_TIMEOUT (seconds), or somebody cancelled it at the server. "
        "Raise the bound, or look for what holds it up; nothing of this migration took effect."
    ),
}
_AFTER_AN_ERROR = ("current transaction is aborted", "gave the transaction up")


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed step.

    `clean` is whether nothing of it took effect; `resumable` is whether a rerun goes on where it stopped;
    `lost` is whether the connection broke, and `recorded` what the history said then (None where it could not be
    read); `committing` is whether its own transaction's commit was sent. `holder` is who had a lock that it waited
    for, `tries` how often it was tried again.
    """

    migration: Migration
    direction: Direction
    error: BaseException
    tap: Tap
    clean: bool
    lost: bool = False
    committing: bool = False
    recorded: bool | None = None
    resumable: bool = False
    holder: Holder | None = None
    tries: int = 0

    @property
    def what(self) -> str:
        """The step, for a sentence."""
        return self.migration.key if self.direction is Direction.FORWARD else f"Undoing {self.migration.key}"

    def is_lost(self, dialect: Dialect) -> bool:
        """Tell whether the connection broke."""
        return _trouble(self.error, dialect) is Trouble.LOST


def explain(failure: Failure, dialect: Dialect, stop: Stop) -> SmallsError:
    """Return the error that says what failed, where, how far it came, and what to do."""
    if isinstance(failure.error, SmallsError):
        return failure.error
    if isinstance(failure.error, Stopped) or stop.due:
        return _stopped(failure, stop)
    trouble = _trouble(failure.error, dialect)
    if trouble is Trouble.LOST:
        return _lost(failure)
    kind = _kind(failure, trouble)
    message = f"{failure.what} failed: {_words(failure.error)}{_extent(failure)}"
    if trouble not in _LOCKED:
        return kind(message, hint=_hint(failure, trouble), **_fields(failure))
    holder = failure.holder if trouble is Trouble.LOCKED else None
    message += f" In its way was {str(holder).rstrip(',')}." if holder else ""
    message += f" It was tried {failure.tries + 1} times." if failure.tries else ""
    return kind(message, hint=_hint(failure, trouble), holder=holder and holder.as_dict(), **_fields(failure))


def _trouble(error: BaseException, dialect: Dialect) -> Trouble:
    """Tell a database error's kind; what other code raises is none, whatever its text says."""
    if isinstance(error, CutOffError):
        return Trouble.CANCELLED
    return dialect.trouble(error) if isinstance(error, Exception) and _is_from_database(error) else Trouble.OTHER


def _is_from_database(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _DRIVERS


def _kind(failure: Failure, trouble: Trouble) -> type[SmallsError]:
    locked = trouble in _LOCKED
    if locked and failure.resumable:
        return RelationLockError
    if not failure.clean:
        return TransactionEndedError if isinstance(failure.error, BadOutcomeError) else MigrationPartialError
    return RelationLockError if locked else MigrationFailedError


def _words(error: BaseException) -> str:
    if isinstance(error, BadOutcomeError | RolledBackError | JournalError | CutOffError):
        return str(error)
    if _is_from_database(error):
        return message_of(error)
    text = _text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    """Return an exception's words; its own __str__ may fail as the rest of its code did."""
    try:
        return str(error)
    except Exception:
        return ""


def _extent(failure: Failure) -> str:
    if failure.clean:
        return ". Nothing of it took effect."
    if failure.tap.aside:
        return ". Its threads used connections of their own, so what took effect is not known."
    if failure.tap.opaque:
        return ". It went past Peewee to the driver, so what took effect is not known."
    return f". Before that, {failure.tap.effects} of its statements took effect."


def _hint(failure: Failure, trouble: Trouble = Trouble.OTHER) -> str | None:
    if failure.resumable and not failure.clean:
        return f"Remove what stood in its way and {_goes_on(failure)}"
    if not failure.clean:
        key = failure.migration.key
        finish = "--mark-applied" if failure.direction is Direction.FORWARD else "--forget"
        return (
            f"`smalls repair` lists the statements that ran. Then `smalls repair --retry {key}` (run it again) "
            f"or `smalls repair {finish} {key}` (you finished it by hand)."
        )
    text = _text(failure.error)
    if any(words in text for words in _AFTER_AN_ERROR):
        return (
            f"The code went on after an error, in: {failure.tap.failed}. Put the part that may fail into "
            "`with db.atomic():`, or say `transaction = False` at the top of the file."
        )
    if (remedy := next((remedy for words, remedy in _REMEDIES.items() if words in text), None)) is not None:
        return remedy
    return _WHAT_TO_DO.get(trouble)


def _goes_on(failure: Failure) -> str:
    again = "smalls migrate" if failure.direction is Direction.FORWARD else "smalls rollback"
    return f"run `{again}` again: it goes on after the last step done."


def _fields(failure: Failure) -> dict[str, Any]:
    file, line = user_place(failure.error, failure.migration.path)
    return {
        "migration": failure.migration.key,
        "file": file or failure.migration.path,
        "line": line,
        "statement": failure.tap.running,
        "statements": None if failure.clean else failure.tap.report(),
    }


def _stopped(failure: Failure, stop: Stop) -> SmallsError:
    error = stop.error()
    if failure.lost and (failure.recorded or (failure.recorded is None and failure.committing)):
        return _lost(failure)
    if failure.clean and failure.lost and failure.recorded is None:
        error.message += (
            f" The server gave no answer, so its connections were given up. {failure.what} was not committed; the "
            "server rolls it back when it ends the session."
        )
        error.fields["migration"] = failure.migration.key
        return error
    if failure.clean:
        error.message += f" {failure.what} was rolled back; nothing of it took effect."
        error.fields["migration"] = failure.migration.key
        return error
    if failure.resumable:
        error.message += f" {failure.what} was stopped part-way{_extent(failure)}"
        error.hint = _goes_on(failure).capitalize()
        error.fields["migration"] = failure.migration.key
        return error
    return MigrationPartialError(
        f"{failure.what} was stopped part-way by {stop.cause}{_extent(failure)}{_in_flight(failure)}",
        hint=_hint(failure),
        **_fields(failure),
    )


def _lost(failure: Failure) -> SmallsError:
    outcomes = {
        None: "The history could not be read again.",
        True: "The history was read again: it is recorded as applied.",
        False: "The history was read again: it is not recorded as applied.",
    }
    message = (
        f"The connection was lost during {failure.what}: {message_of(failure.error)}. {outcomes[failure.recorded]}"
    )
    if failure.clean:
        return ConnectionLostError(message, **_fields(failure))
    if failure.resumable:
        return ConnectionLostError(
            f"{message}{_in_flight(failure)}", hint=_goes_on(failure).capitalize(), **_fields(failure)
        )
    return MigrationPartialError(f"{message}{_in_flight(failure)}", hint=_hint(failure), **_fields(failure))


def _in_flight(failure: Failure) -> str:
    """Say what a broken connection leaves open."""
    return " Its last statement may have taken effect." if failure.lost else ""
