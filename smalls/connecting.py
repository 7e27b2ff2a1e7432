"""Waiting until the database answers and takes writes, and telling why it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from smalls.dialects.base import Trouble, driver_error, message_of
from smalls.errors import (
    ConfigError,
    CredentialsRefusedError,
    DamagedDatabaseError,
    PermissionDeniedError,
    ReadOnlyError,
    SmallsError,
    TlsRefusedError,
    UnknownDatabaseError,
    UnreachableError,
)
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.clock import Clock
    from smalls.dialects.base import Dialect
    from smalls.events import Emit
    from smalls.session import WorkSession
    from smalls.stop import Stop
    from smalls.urls import Location

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_REFUSED_PAUSE = 1.0  # three tries at most: servers lock accounts that are refused more often
# What drivers raise, outside their own tree of errors, for an option that they cannot use.
_OPTION_ERRORS = (TypeError, ValueError, LookupError, AttributeError, FileNotFoundError)
# What no waiting mends: the error, and the sentence before the database's own words.
_REFUSALS: dict[Trouble, tuple[type[SmallsError], str]] = {
    Trouble.BAD_OPTION: (ConfigError, "The driver does not take these options for {}"),
    Trouble.CREDENTIALS: (CredentialsRefusedError, "{} refused us"),
    Trouble.TLS: (TlsRefusedError, "{} refused the connection, which is a matter of TLS"),
    Trouble.NO_DATABASE: (UnknownDatabaseError, "{} cannot be opened"),
    Trouble.DAMAGED: (DamagedDatabaseError, "{} cannot be read"),
    Trouble.PERMISSION: (PermissionDeniedError, "{} refused the session's set-up"),
}


class TakesNoWritesError(Exception):
    """The server answers, and takes no writes from this session."""


def require_writable(work: WorkSession) -> None:
    """Raise TakesNoWritesError where the connected server is read-only."""
    if why := work.dialect.read_only(work.raw_query):
        raise TakesNoWritesError(why)


class Attempts:
    """Repeats an attempt to get something from the server, for SMALLS_WAIT_TIMEOUT at most.

    What the server refuses is tried for a few seconds only: users and databases may be made by the start-up that
    this run is a part of. Logs at every change of the reason, not at every try.
    """

    def __init__(
        self, dialect: Dialect, location: Location, timeout: float, emit: Emit, *, clock: Clock, stop: Stop
    ) -> None:
        self._dialect = dialect
        self._location = location
        self._timeout = timeout
        self._emit = emit
        self._clock = clock
        self._stop = stop
        self._started = self._since = clock.monotonic()
        self._told: Trouble | None = None
        self._tries = 0

    def until_done(self, attempt: Callable[[], T], *, opening: bool = True) -> T:
        """Return what `attempt` returns, once it succeeds.

        Unless it is `opening` a first connection, what is not known to pass is raised as it is. Raises
        UnreachableError or ReadOnlyError at the bound, and the error of what no waiting mends.
        """
        pause = _FIRST_PAUSE
        while True:
            self._tries += 1
            try:
                with self._stop.interruptible():
                    done = attempt()
            except Exception as error:
                trouble = self._trouble(error, opening=opening)
                if trouble is None:
                    raise
                self._tell(trouble, error)
                left = self._left(trouble)
                if left <= 0:
                    raise self._given_up(trouble, error) from None
            else:
                if opening or self._told:
                    self._tell_connected()
                return done
            self._stop.sleep(min(max(pause, 0 if trouble.waits else _REFUSED_PAUSE), left))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _trouble(self, error: Exception, *, opening: bool) -> Trouble | None:
        """Return what to wait for or to tell; None for what is to be raised as it is."""
        if isinstance(error, SmallsError):
            return None
        if isinstance(error, TakesNoWritesError):
            return Trouble.READ_ONLY
        trouble = self._dialect.trouble(error)
        if not opening:
            return trouble if trouble.waits and trouble is not Trouble.OTHER else None
        return Trouble.BAD_OPTION if isinstance(driver_error(error), _OPTION_ERRORS) else trouble

    def _left(self, trouble: Trouble) -> float:
        """Return the seconds that a trouble is still waited out, from when it began."""
        now = self._clock.monotonic()
        return min(self._started + self._timeout, self._since + trouble.patience) - now

    def _tell(self, trouble: Trouble, error: Exception) -> None:
        if trouble is self._told:
            return
        self._told, self._since = trouble, self._clock.monotonic()
        if self._left(trouble) > 0:
            self._emit(
                "database.waited",
                f"Waiting for {self._location.shown}: {trouble.value}: {message_of(error).rstrip('.')}.",
                reason=trouble.name.lower(),
            )

    def _tell_connected(self) -> None:
        waited = int((self._clock.monotonic() - self._started) * 1000)
        more = f" after {self._tries} tries" if self._tries > 1 else ""
        message = f"Connected to {self._location.shown}{more}."
        self._emit("database.connected", message, waited_ms=waited, tries=self._tries)

    def _given_up(self, trouble: Trouble, error: Exception) -> SmallsError:
        words, shown = message_of(error).rstrip("."), self._location.shown
        if trouble in _REFUSALS:
            kind, sentence = _REFUSALS[trouble]
            hint = sqlite_hint(self._location) if trouble is Trouble.NO_DATABASE else None
            return kind(f"{sentence.format(shown)}{self._count()}: {words}.", hint=hint)
        within = f"within {self._timeout:g} s" if self._timeout else "at the first try (SMALLS_WAIT_TIMEOUT is 0)"
        if trouble is Trouble.READ_ONLY:
            return ReadOnlyError(f"{shown} took no writes {within}{self._count()}: {words}.")
        return UnreachableError(
            f"{shown} could not be reached {within}{self._count()}: {trouble.value}. The last answer was: {words}."
        )

    def _count(self) -> str:
        return f" ({self._tries} tries)" if self._tries > 1 else ""


def sqlite_hint(location: Location) -> str | None:
    """Return what to look at where a SQLite file cannot be opened; None for a server's database."""
    if location.engine is Engine.SQLITE:
        return "Is it a SQLite file, in a folder that exists and that the user smalls runs as may write?"
    return None
