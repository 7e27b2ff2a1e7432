"""The one edge where errors become log lines and exit codes; nothing else in smalls exits."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from smalls.clock import SystemClock
from smalls.errors import (
    ConnectionLostError,
    DefectError,
    Exit,
    PermissionDeniedError,
    RelationLockError,
    SmallsError,
    UnknownDatabaseError,
    UnreachableError,
)
from smalls.logs import Log, make_streams_safe
from smalls.printed import printed
from smalls.redact import Redactor
from smalls.run import Counts, Run
from smalls.settings import Flags, load
from smalls.specs import LogFormat
from smalls.stop import Stop, Stopped, signals_stop
from smalls.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.dialects.base import Trouble
    from smalls.settings import Settings

_OUTCOMES = {Exit.OK: "ok", Exit.PENDING: "pending", Exit.INTERRUPTED: "stopped", Exit.TERMINATED: "stopped"}


def execute(flags: Flags, command: str, body: Callable[[Run], str]) -> int:
    """Run a command's `body` with its run opened and its log begun and ended; return the exit code.

    `body` returns a sentence that says how it ended, or raises; whatever it raises becomes an error of
    ours, one `run.failed` line and the error's exit code.
    """
    make_streams_safe()
    run_id = os.urandom(6).hex()
    clock = SystemClock()
    began = clock.monotonic()
    stop = Stop()
    try:
        settings = load(flags, os.environ)
    except Exception as raised:
        error = raised if isinstance(raised, SmallsError) else _defect(raised)
        log = Log(_form_despite(flags), "info", run_id, Redactor(), sys.stderr)
        _fail(log, error)
        return _finish(log, command, (error.exit_code, error.message), Counts(), _since(clock, began))
    log = Log(settings.log_format, settings.log_level, run_id, Redactor(settings.secrets), sys.stderr)
    run = Run(settings, log, clock, stop, run_id)
    with signals_stop(stop, log, settings.run_timeout):
        _start(log, command, settings)
        ended = _outcome(run, body)
    return _finish(log, command, ended, run.counts, _since(clock, began))


def _since(clock: SystemClock, began: float) -> int:
    return int((clock.monotonic() - began) * 1000)


def _form_despite(flags: Flags) -> LogFormat:
    """Return the log form where settings could not be read as a whole."""
    text = flags.log_format or os.environ.get("SMALLS_LOG_FORMAT", "auto")
    return LogFormat(text) if text in {form.value for form in LogFormat} else LogFormat.AUTO


def _start(log: Log, command: str, settings: Settings) -> None:
    environment = settings.environment.value
    log(
        "run.started",
        f"smalls {__version__} {command} ({environment})",
        command=command,
        environment=environment,
        smalls_version=__version__,
    )
    for doubt in settings.doubts:
        log("config.warned", doubt.message, setting=doubt.setting)


def _outcome(run: Run, body: Callable[[Run], str]) -> tuple[Exit, str]:
    error: SmallsError
    try:
        with printed(run.log):
            return Exit.OK, body(run)
    except SmallsError as raised:
        error = raised
    except Stopped:
        error = run.stop.error()
    except Exception as raised:
        error = _translated(run, raised)
    finally:
        run.close()
    _fail(run.log, error)
    return error.exit_code, error.message


def _translated(run: Run, error: Exception) -> SmallsError:
    """Return the error of ours that an exception outside migrations means."""
    from smalls.dialects.base import Trouble, message_of

    words = message_of(error)
    if run.stop.reason is not None:
        return run.stop.error()
    trouble = run.chosen.dialect.trouble(error) if "chosen" in run.__dict__ else Trouble.OTHER
    if told := _told(trouble):
        kind, what = told
        return kind(f"{what}: {words}.")
    return _defect(error)


def _defect(error: Exception) -> DefectError:
    from smalls.dialects.base import message_of
    from smalls.frames import deepest

    file, line = deepest(error)
    return DefectError(f"{type(error).__name__}: {message_of(error)}", file=file, line=line)


def _told(trouble: Trouble) -> tuple[type[SmallsError], str] | None:
    from smalls.dialects.base import Trouble

    refused = (PermissionDeniedError, "The database refused what smalls needs to do")
    locked = (RelationLockError, "smalls' own tables were locked by another session")
    full = (UnreachableError, "The server took no second connection, which the lock needs")
    return {
        Trouble.LOST: (ConnectionLostError, "The connection was lost"),
        Trouble.NO_DATABASE: (UnknownDatabaseError, "The database cannot be opened"),
        Trouble.PERMISSION: refused,
        Trouble.READ_ONLY: refused,
        Trouble.LOCKED: locked,
        Trouble.DEADLOCK: locked,
        Trouble.UNKNOWN_HOST: full,
        Trouble.REFUSED: full,
        Trouble.TIMED_OUT: full,
        Trouble.STARTING: full,
        Trouble.TOO_MANY: full,
    }.get(trouble)


def _fail(log: Log, error: SmallsError) -> None:
    level = "info" if error.exit_code is Exit.PENDING else "error"
    log("run.failed", error.message, level=level, error=error.as_dict(), migration=error.fields.get("migration"))


def _finish(log: Log, command: str, ended: tuple[Exit, str], counts: Counts, took_ms: int) -> int:
    code, message = ended
    log(
        "run.finished",
        message if code is Exit.OK else f"Ended with exit code {int(code)}.",
        command=command,
        outcome=_OUTCOMES.get(code, "failed"),
        exit_code=int(code),
        applied=counts.applied,
        undone=counts.undone,
        pending=counts.pending,
        duration_ms=took_ms,
    )
    return int(code)
