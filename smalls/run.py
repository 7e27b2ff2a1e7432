"""One run of one command: its settings, files, session, history and lock, opened as they are needed."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.assessment import Assessment, assess
from smalls.connecting import wait_for
from smalls.errors import MigrationsFolderError
from smalls.execution import Executor
from smalls.history import TABLE, History
from smalls.journal import Journal
from smalls.lock import AdvisoryLock, FileLock, HeldLocks, LeaseLock, Lock, NoLock, Waiter, acquire
from smalls.model import Environment
from smalls.planner import parse_target
from smalls.project import Chosen, choose_database
from smalls.registry import find_apps
from smalls.session import WorkSession
from smalls.source import find_migrations
from smalls.specs import LockKind
from smalls.urls import MEMORY, Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.apps import Apps
    from smalls.clock import Clock
    from smalls.history import Recorded
    from smalls.logs import Log
    from smalls.migration import Migration
    from smalls.planner import Target
    from smalls.settings import Settings
    from smalls.stop import Stop


@dataclass(slots=True)
class Counts:
    """What the run did, for its last log line."""

    applied: int = 0
    undone: int = 0
    pending: int | None = None


class Run:
    """The resources of one command; `close` gives back whatever was opened."""

    def __init__(self, settings: Settings, log: Log, clock: Clock, stop: Stop, run_id: str) -> None:
        self.settings = settings
        self.log = log
        self.clock = clock
        self.stop = stop
        self.run_id = run_id
        self.counts = Counts()
        self._work: WorkSession | None = None

    # ── files ──

    @cached_property
    def files(self) -> list[Migration]:
        """The migration files, in order.

        With apps, app by app, each after those that it depends on, and after the migrations of no app.
        Raises MigrationsFolderError where a folder is not there in PROD; in DEV it is a folder without files.
        """
        own = Path(self.settings.migrations)
        found = self._files_in(str(own), "") if not self.apps or own.is_dir() else []
        for name in self.apps.names:
            found += self._files_in(self.apps.get(name).folder, name)
        return found

    @cached_property
    def apps(self) -> Apps:
        """The project's apps, none in a project without. Raises AppError and ModelImportError."""
        return find_apps(self.settings)

    def _files_in(self, folder: str, app: str) -> list[Migration]:
        try:
            found, doubtful = find_migrations(folder, app)
        except FileNotFoundError:
            if self.settings.environment is Environment.PROD:
                raise MigrationsFolderError(f"There is no migrations folder {Path(folder).absolute()}.") from None
            return []
        for path in doubtful:
            self.log(
                "migration.warned",
                f"{path} is not a migration: its name does not begin with four digits.",
                path=path,
            )
        return found

    def file_of(self, key: str) -> Migration | None:
        """Return the file of a history key."""
        return next((migration for migration in self.files if migration.key == key), None)

    # ── database ──

    @cached_property
    def chosen(self) -> Chosen:
        """The database that settings and project choose; not connected."""
        chosen = choose_database(self.settings)
        self.log.redactor.add(chosen.location.password)
        self.log.bind(database=chosen.location.shown)
        for doubt in chosen.doubts:
            self.log("config.warned", doubt.message, setting=doubt.setting)
        self.log("database.chosen", f"The database is {chosen.location.shown}.", source=chosen.source)
        if chosen.repointed:
            message = f"The project's database object now points at {chosen.location.shown}."
            self.log("database.repointed", message, source=chosen.source)
        return chosen

    @property
    def work(self) -> WorkSession:
        """The working session, connected at its first use."""
        if self._work is None:
            label = f"smalls run={self.run_id} host={platform.node()}"
            work = WorkSession(self.chosen.database, self.chosen.dialect, self.settings, label, self.stop)
            self._work = work
            self.stop.cancels(work.cancel)
            if work.exists:
                self._connect(work)
        return self._work

    def _connect(self, work: WorkSession) -> None:
        wait_for(work, self.chosen.location, self.log, self.clock, self.stop)

    @property
    def who(self) -> str:
        """Who runs this: the database user, or the system's, and the host."""
        user = self.chosen.location.user
        if not user:
            try:
                user = getpass.getuser()
            except (KeyError, OSError):
                user = str(os.getuid())
        return f"{user}@{platform.node()}"

    @cached_property
    def history(self) -> History:
        """The history table."""
        return History(self.work, self.clock, self.settings.image_version, self.who)

    @cached_property
    def journal(self) -> Journal:
        """The journal."""
        return Journal(self.work, self.clock, self.run_id, self.who, self.log.redactor)

    def look(self, *, locked: bool = False) -> Assessment:
        """Lay files and history side by side; creates nothing.

        Without the lock, work that is merely running may be another run's honest work, so it counts as
        something to look at under the lock, not as unfinished.
        """
        recorded = self.history.read()
        unfinished = self.journal.unfinished()
        assessment = assess(self.files, recorded.rows, unfinished, self.settings.policies)
        if not locked:
            failed = tuple(work for work in unfinished if work.state == "failed")
            assessment = replace(assessment, unfinished=failed, in_progress=len(failed) < len(unfinished))
        self.counts.pending = len(assessment.pending)
        return assessment

    def target(self, text: str, assessment: Assessment, app: str = "") -> Target:
        """Return what a TARGET or NUMBER on the command line means. Raises UsageError."""
        known = [m.revision for m in self.files] + [entry.row.revision for entry in assessment.applied]
        return parse_target(text, known, app)

    def prepare_tables(self) -> None:
        """Make or adopt our tables; all or nothing where the engine can."""
        recorded: Recorded = self.history.read()
        with self.stop.shielded():
            self.work.query("BEGIN")
            self.history.ensure(recorded, self.log)
            self.journal.ensure()
            if any(row.checksum is None for row in recorded.rows):
                self.history.adopt_rows(recorded.rows, {migration.key: migration for migration in self.files})
            self.work.query("COMMIT")

    # ── lock ──

    @contextlib.contextmanager
    def locked(self, *, both: bool = True) -> Iterator[HeldLocks]:
        """Hold the run's locks within the block; with `both` false the first only (children take the second).

        Raises LockTimeoutError, naming the holder, when the bound is over.
        """
        if not self.work.exists:
            self._connect(self.work)
        key = self.lock_key
        waiter = Waiter(self.log, self.clock, self.stop, self.settings.lock_timeout)
        first = acquire(self._first_lock(key), waiter, self.log, token=self.settings.lock_token)
        held = HeldLocks(first, self.work if both else None, key)
        began = self.clock.monotonic()
        try:
            held.wait_for_second(waiter)
            yield held
        finally:
            held.release()
            ms = int((self.clock.monotonic() - began) * 1000)
            self.log("lock.released", "Released the lock.", lock=first.name, held_ms=ms)

    @property
    def lock_key(self) -> str:
        """What the lock stands for: the history of one schema of one database."""
        schema = self.settings.db_schema or self.chosen.dialect.default_schema
        return f"{self.chosen.location.name}:{schema}:{TABLE}"

    def _first_lock(self, key: str) -> Lock:
        name = str(self.chosen.database.database)
        if self.settings.lock is LockKind.NONE:
            self.log("lock.skipped", "SMALLS_LOCK is none: nothing keeps two runs apart.")
            return NoLock()
        if self.chosen.location.engine is not Engine.SQLITE:
            if self.settings.lock is LockKind.LEASE:
                return LeaseLock(self.work, key, f"{self.run_id}@{platform.node()}", self.log)
            return AdvisoryLock(self.work, key, self.log)
        return NoLock() if name == MEMORY else FileLock(name, self.run_id, f"pid {os.getpid()}")

    def executor(self, held: HeldLocks) -> Executor:
        """Return what runs migrations, while the locks are held."""
        return Executor(self.work, self.history, self.journal, held, self.stop, self.log, self.clock)

    def close(self) -> None:
        """Close the session and give the project's object back as it was."""
        self.stop.cancels(None)
        if self._work is not None:
            self._work.detach()
