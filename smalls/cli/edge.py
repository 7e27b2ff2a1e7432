"""The one edge where errors become log lines and exit codes; nothing else in smalls exits."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from smalls import sinks, skipping, termination
from smalls.clock import SystemClock
from smalls.connecting import sqlite_hint
from smalls.counts import Counts
from smalls.errors import (
    ConnectionLostError,
    DamagedDatabaseError,
    DefectError,
    Exit,
    FullDatabaseError,
    PermissionDeniedError,
    ReadOnlyError,
    RelationLockError,
    SmallsError,
    UnknownDatabaseError,
    UnreachableError,
)
from smalls.listening import signals_stop
from smalls.logs import Log, make_streams_safe
from smalls.printed import printed
from smalls.redact import Redactor
from smalls.run import Run
from smalls.settings import Flags, load
from smalls.specs import LogFormat
from smalls.stop import Stop, Stopped
from smalls.story import Story
from smalls.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.dialects.base import Trouble
    from smalls.settings import Settings

_OUTCOMES = {Exit.OK: "ok", Exit.PENDING: "pending", Exit.INTERRUPTED: "stopped", Exit.TERMINATED: "stopped"}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code, its last sentence, and the error where there was one."""

    code: Exit
    message: str
    error: SmallsError | None = None
    skipped: bool = False

    @property
    def outcome(self) -> str:
        """The last line's word for it."""
        return "skipped" if self.skipped else _OUTCOMES.get(self.code, "failed")


def execute(flags: Flags, command: str, body: Callable[[Run], str], *, skippable: bool = False) -> int:
    """Run a command's `body` with its run opened and its log begun and ended; return the exit code.

    `body` returns a sentence that says how it ended, or raises; whatever it raises becomes an error of
    ours, one `run.failed` line and the error's exit code. Of a command that is `skippable` SMALLS_SKIP leaves
    nothing but a record, and 0.
    """
    reason = skipping.reason_in(os.environ) if skippable else ""
    make_streams_safe()
    clock = SystemClock()
    story = Story(clock, os.urandom(6).hex(), command)
    try:
        settings = load(flags, os.environ)
    except Exception as raised:
        return _end_without_settings(flags, command, story, raised, reason)
    redactor = Redactor(settings.secrets)
    log = Log(settings.log_format, settings.log_level, story.run_id, redactor, sys.stderr, hear=story.hear)
    story.environment, story.image_version = settings.environment.value, settings.image_version
    stop = Stop(settings.shutdown_grace)
    run = Run(settings, log, clock, stop, story.run_id, command=command)
    ending = threading.Lock()  # for whoever tells the end: this thread, or the one that waits for it no longer

    def end(ended: Ended) -> dict[str, Any]:
        if ended.error is not None:
            _fail(log, ended.error)
        story.location = run.chosen.location if "chosen" in run.__dict__ else settings.location
        return _tell(log, story, ended, run.counts)

    def give_up() -> None:
        if ending.acquire(blocking=False):
            error = _given_up(stop, story)
            ended = Ended(error.exit_code, error.message, error)
            _leave(_finish(log, ended, end(ended)))

    with signals_stop(stop, log, settings.run_timeout, give_up):
        _start(log, command, settings)
        ended = _outcome(run, (lambda run: skipping.skip(run, command, reason)) if reason else body)
        ended = replace(ended, skipped=bool(reason) and ended.error is None)
        ending.acquire()
        finished = end(ended)
    code = _finish(log, ended, finished)
    return _leave(code) if stop.abandoned else code


def _end_without_settings(flags: Flags, command: str, story: Story, raised: Exception, reason: str) -> int:
    error = raised if isinstance(raised, SmallsError) else _defect(raised)
    log = Log(_form_despite(flags), "info", story.run_id, Redactor(), sys.stderr, hear=story.hear)
    if reason:
        obstacle = error.message.removesuffix(".")
        ended = Ended(Exit.OK, skipping.told(log, command, reason, obstacle), skipped=True)
    else:
        _fail(log, error)
        ended = Ended(error.exit_code, error.message, error)
    return _finish(log, ended, _tell(log, story, ended, Counts()))


def _leave(code: int) -> NoReturn:
    """End the process from any thread; Python would stumble over those that wait in a driver for a server."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _given_up(stop: Stop, story: Story) -> SmallsError:
    """Return what is known of a run that did not end although it was stopped and its connections were broken."""
    error = stop.error()
    at_work = [part.migration for part in story.parts if part.state == "running"]
    if not at_work:
        return error
    return ConnectionLostError(
        f"{error.message.partition(':')[0]}: the run was left, since the database gave no answer. What became of "
        f"{at_work[-1]} is not known.",
        hint="Run again when the database answers: the next run finds out.",
        migration=at_work[-1],
    )


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


def _outcome(run: Run, body: Callable[[Run], str]) -> Ended:
    error: SmallsError
    try:
        with printed(run.log):
            return Ended(Exit.OK, body(run))
    except SmallsError as raised:
        error = raised
    except Stopped:
        error = run.stop.error()
    except Exception as raised:
        error = _translated(run, raised)
    finally:
        run.close()
    return Ended(error.exit_code, error.message, error)


def _translated(run: Run, error: Exception) -> SmallsError:
    """Return the error of ours that an exception outside migrations means."""
    from smalls.dialects.base import Trouble, message_of

    words = message_of(error)
    if run.stop.reason is not None:
        return run.stop.error()
    trouble = run.chosen.dialect.trouble(error) if "chosen" in run.__dict__ else Trouble.OTHER
    if told := _told(trouble):
        kind, what = told
        hint = sqlite_hint(run.chosen.location) if kind is UnknownDatabaseError else None
        return kind(f"{what}: {words}.", hint=hint)
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
        Trouble.DAMAGED: (DamagedDatabaseError, "What the database holds cannot be read"),
        Trouble.FULL: (FullDatabaseError, "The database's disk is full"),
        Trouble.PERMISSION: refused,
        Trouble.READ_ONLY: (ReadOnlyError, "The server takes no writes any more"),
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


def _tell(log: Log, story: Story, ended: Ended, counts: Counts) -> dict[str, Any]:
    """Tell whoever wants to know how the run ended; return what its last line says."""
    left = termination.message(story.command, ended.code, ended.message, ended.error, log.redactor)
    termination.leave(left, os.environ, log)
    finished = {
        "command": story.command,
        "outcome": ended.outcome,
        "exit_code": int(ended.code),
        **asdict(counts),
        "duration_ms": story.duration_ms,
    }
    sinks.tell(story, finished, os.environ, log)
    return finished


def _finish(log: Log, ended: Ended, finished: dict[str, Any]) -> int:
    message = ended.message if ended.code is Exit.OK else f"Ended with exit code {int(ended.code)}."
    log("run.finished", message, **finished)
    return int(ended.code)
