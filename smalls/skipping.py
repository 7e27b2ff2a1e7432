"""The way out: with SMALLS_SKIP a deployment goes on without what smalls would do, and that is recorded."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from smalls.dialects.base import Trouble, message_of
from smalls.errors import SmallsError
from smalls.journal import SKIPPED, Journal
from smalls.session import WorkSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smalls.events import Emit
    from smalls.run import Run

VARIABLE = "SMALLS_SKIP"
_BOUND = 5.0  # seconds for recording it; whoever skips wants to go on
_LONGEST = 500


def reason_in(environ: Mapping[str, str]) -> str:
    """Return the reason to skip, in one line; empty where nothing is to be skipped."""
    return " ".join(environ.get(VARIABLE, "").split())[:_LONGEST]


def skip(run: Run, command: str, reason: str) -> str:
    """Do nothing but record that; return a sentence that says so.

    It is recorded in the journal, where there is one and the database answers within a few seconds. What stands
    in the way of that is told, and never a failure.
    """
    with run.stop.interruptible():
        return told(run.log, command, reason, _recorded(run, command, reason))


def told(emit: Emit, command: str, reason: str, obstacle: str) -> str:
    """Log the skip and return it as a sentence; `obstacle` is why it could not be recorded, empty where it was."""
    record = f"It could not be recorded: {obstacle}." if obstacle else "It is recorded in the journal."
    message = f"Skipped by {VARIABLE} ({reason}): `smalls {command}` did nothing. {record}"
    emit("run.skipped", message, command=command, cause=reason, recorded=not obstacle)
    return message


def _recorded(run: Run, command: str, reason: str) -> str:
    """Record the skip; return what stood in the way, which may be a server that says nothing."""
    obstacle = [f"the database did not answer within {_BOUND:g} s"]

    def record() -> None:
        try:
            _record(run, command, reason)
            obstacle[0] = ""
        except SmallsError as error:
            obstacle[0] = error.message.removesuffix(".")
        except Exception as error:
            missing = "chosen" in run.__dict__ and run.chosen.dialect.trouble(error) is Trouble.NO_TABLE
            obstacle[0] = "the database has no journal yet" if missing else message_of(error)

    thread = threading.Thread(target=record, daemon=True, name="smalls-skip")
    thread.start()
    thread.join(_BOUND)
    return obstacle[0]


def _record(run: Run, command: str, reason: str) -> None:
    """Append to the journal on a session that is this thread's own; makes neither table nor file."""
    chosen = run.chosen
    label = f"smalls run={run.run_id} host={os.uname().nodename}"
    work = WorkSession(chosen.database, chosen.dialect, run.settings, label, run.stop)
    if not work.exists:
        raise SmallsError("there is no database file yet")
    try:
        work.connect()
        Journal(work, run.clock, run.run_id, run.who, run.log.redactor).add(
            "", SKIPPED, quietly=True, command=command, reason=reason
        )
    finally:
        work.detach()
