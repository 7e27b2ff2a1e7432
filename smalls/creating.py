"""Making the database itself, where SMALLS_CREATE_DATABASE asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.database import spare
from smalls.dialects.base import Trouble
from smalls.wire import Wire

if TYPE_CHECKING:
    from smalls.events import Emit
    from smalls.session import WorkSession
    from smalls.urls import Location


def connect_or_create(work: WorkSession, location: Location, emit: Emit) -> None:
    """Connect the working session, and make the database first where the server has none of that name.

    Of two runs that make it at once both succeed. Raises the driver's errors.
    """
    try:
        work.connect()
    except Exception as error:
        if work.dialect.trouble(error) is not Trouble.NO_DATABASE or not work.dialect.maintenance:
            raise
        if _create(work):
            emit("database.created", f"Created the database {location.shown}.")
        work.connect()


def _create(work: WorkSession) -> bool:
    """Make the database; return False where another run was first."""
    wire = _beside(work)
    try:
        wire.query(work.dialect.create_database(str(work.database.database), work.settings.db_role))
    except Exception as error:
        if work.dialect.trouble(error) is Trouble.EXISTS:
            return False
        raise
    finally:
        wire.close()
    return True


def _beside(work: WorkSession) -> Wire:
    """Connect to a database that the server has anyway."""
    *others, last = work.dialect.maintenance
    for name in others:
        try:
            return _wire_to(work, name)
        except Exception as error:
            if work.dialect.trouble(error) is not Trouble.NO_DATABASE:
                raise
    return _wire_to(work, last)


def _wire_to(work: WorkSession, name: str) -> Wire:
    elsewhere = spare(work.database)
    elsewhere.database = name
    return Wire(elsewhere)
