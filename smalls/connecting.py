"""Waiting until the database answers, and telling why it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.dialects.base import Trouble, driver_error, message_of
from smalls.errors import (
    ConfigError,
    CredentialsRefusedError,
    PermissionDeniedError,
    SmallsError,
    UnknownDatabaseError,
    UnreachableError,
)
from smalls.urls import Engine, Location

if TYPE_CHECKING:
    from smalls.clock import Clock
    from smalls.events import Emit
    from smalls.session import WorkSession
    from smalls.stop import Stop

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# What drivers raise, outside their own tree of errors, for an option that they cannot use.
_OPTION_ERRORS = (TypeError, ValueError, LookupError, AttributeError, FileNotFoundError)


def wait_for(work: WorkSession, location: Location, emit: Emit, clock: Clock, stop: Stop) -> None:
    """Connect, trying again until SMALLS_WAIT_TIMEOUT is over.

    Logs at every change of the reason, not at every try. Raises CredentialsRefusedError or
    UnknownDatabaseError at once, since waiting does not mend them, and UnreachableError at the bound.
    """
    start = clock.monotonic()
    deadline = start + work.settings.wait_timeout
    pause, told = _FIRST_PAUSE, None
    while True:
        try:
            with stop.interruptible():
                work.connect()
        except Exception as error:
            trouble = work.dialect.trouble(error)
            _give_up(trouble, error, location)
            if clock.monotonic() >= deadline:
                raise _unreachable(trouble, error, location, work.settings.wait_timeout) from None
            if trouble is not told:
                emit(
                    "database.waited",
                    f"Waiting for {location.shown}: {trouble.value}.",
                    reason=trouble.name.lower(),
                )
                told = trouble
        else:
            waited = int((clock.monotonic() - start) * 1000)
            emit("database.connected", f"Connected to {location.shown}.", waited_ms=waited)
            return
        stop.sleep(min(pause, max(0.0, deadline - clock.monotonic())))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _give_up(trouble: Trouble, error: Exception, location: Location) -> None:
    words = message_of(error)
    if isinstance(error, SmallsError):
        raise error
    if trouble is Trouble.BAD_OPTION or isinstance(driver_error(error), _OPTION_ERRORS):
        raise ConfigError(f"The driver does not take these options for {location.shown}: {words}.") from None
    if trouble is Trouble.CREDENTIALS:
        raise CredentialsRefusedError(f"{location.shown} refused us: {words}.") from None
    if trouble is Trouble.NO_DATABASE:
        raise UnknownDatabaseError(f"{location.shown} cannot be opened: {words}.", hint=_hint(location)) from None
    if trouble is Trouble.PERMISSION:
        raise PermissionDeniedError(f"{location.shown} refused the session's set-up: {words}.") from None


def _hint(location: Location) -> str | None:
    if location.engine is Engine.SQLITE:
        return "Is it a SQLite file, in a folder that exists and that the user smalls runs as may write?"
    return None


def _unreachable(trouble: Trouble, error: Exception, location: Location, waited: float) -> UnreachableError:
    bound = f"within {waited:g} s" if waited else "at the first try (SMALLS_WAIT_TIMEOUT is 0)"
    return UnreachableError(
        f"{location.shown} could not be reached {bound}: {trouble.value}. The last answer was: {message_of(error)}."
    )
