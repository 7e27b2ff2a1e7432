"""One run of one command: its settings, files, session, history and lock, opened as they are needed."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from smalls.assessment import NOTHING, Assessment, assess
from smalls.connecting import Attempts, require_writable
from smalls.counts import Counts
from smalls.history import TABLE, History
from smalls.journal import Journal, unfenced
from smalls.planner import parse_target
from smalls.project import Chosen, choose_database
from smalls.registry import find_apps, find_files
from smalls.session import WorkSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.apps import Apps
    from smalls.blocking import Watch
    from smalls.clock import Clock
    from smalls.execution import Executor
    from smalls.history import Recorded
    from smalls.lock import HeldLocks, Lock
    from smalls.logs import Log
    from smalls.migration import Migration
    from smalls.model import Unfinished
    from smalls.planner import Target
    from smalls.retrying import Retries
    from smalls.settings import Settings
    from smalls.stop import Stop


# The commands that can begin with an empty database.
BEGINNING = frozenset({"migrate", "init", "seed", "baseline"})


class Run:
    """The resources of one command; `close` gives back whatever was opened."""

    def __init__(
        self, settings: Settings, log: Log, clock: Clock, stop: Stop, run_id: str, *, command: str = ""
    ) -> None:
        self.settings = settings
        self._command = command
        self.log = log
        self.clock = clock
        self.stop = stop
        self.run_id = run_id
        self.counts = Counts()
        self.seen = NOTHING
        self._undone: set[str] = set()
        self._work: WorkSession | None = None
        self._watch: Watch | None = None
        self._over = False  # whether no statement of an earlier run can still be on its way

    # ── files ──

    @cached_property
    def files(self) -> list[Migration]:
        """The migration files, in order. Raises as `find_files` does."""
        return find_files(self.settings, self.apps, self.log)

    @cached_property
    def apps(self) -> Apps:
        """The project's apps, none in a project without. Raises AppError and ModelImportError."""
        return find_apps(self.settings)

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
            label = f"smalls run={self.run_id} host={os.uname().nodename}"
            work = WorkSession(self.chosen.database, self.chosen.dialect, self.settings, label, self.stop)
            self._work = work
            self.stop.cancels(work.cancel, work.is_at_work, work.abandon if work.dialect.has_sessions else None)
            if work.exists:
                self._connect(work)
        return self._work

    def _connect(self, work: WorkSession) -> None:
        location = self.chosen.location

        def connect() -> None:
            if self.settings.create_database and self._command in BEGINNING:
                from smalls.creating import connect_or_create

                connect_or_create(work, location, self.log)
            else:
                work.connect()

        with self._database_wait():
            self._attempts().until_done(connect)

    def _attempts(self) -> Attempts:
        chosen, timeout = self.chosen, self.settings.wait_timeout
        return Attempts(chosen.dialect, chosen.location, timeout, self.log, clock=self.clock, stop=self.stop)

    @contextlib.contextmanager
    def _database_wait(self) -> Iterator[None]:
        began = self.clock.monotonic()
        try:
            yield
        finally:
            self.counts.database_wait_ms += self._ms_since(began)

    def _ms_since(self, began: float) -> int:
        return int((self.clock.monotonic() - began) * 1000)

    @property
    def who(self) -> str:
        """Who runs this: the database user, or the system's, and the host."""
        user = self.chosen.location.user
        if not user:
            import getpass

            try:
                user = getpass.getuser()
            except (KeyError, OSError):
                user = str(os.getuid())
        return f"{user}@{os.uname().nodename}"

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
        something to look at under the lock, not as unfinished. What is unfinished is held against the live
        catalogue. `seen` is what the last look saw.
        """
        recorded = self.history.read()
        unfinished = tuple(self.journal.unfinished())
        if locked:
            unfinished = self._reconciled(unfinished, over=self._over)
        assessment = assess(self.files, recorded.rows, unfinished, self.settings.policies)
        if not locked:
            failed = tuple(work for work in unfinished if work.state == "failed")
            told = self._reconciled(failed, over=False)
            assessment = replace(assessment, unfinished=told, in_progress=len(failed) < len(unfinished))
        self.counts.pending, self.counts.held = len(assessment.pending), len(assessment.held)
        self.seen = assessment
        return assessment

    def _reconciled(self, unfinished: tuple[Unfinished, ...], *, over: bool) -> tuple[Unfinished, ...]:
        if not unfinished:
            return ()
        from smalls.reconciling import reconciled

        return reconciled(self.work, self.journal, unfinished, over=over)

    def count_applied(self, migration: Migration) -> None:
        """Count a migration that was applied."""
        self.counts.count_applied(held=any(held.key == migration.key for held in self.seen.held))

    def count_undone(self, migration: Migration) -> None:
        """Count a migration that was undone."""
        self.counts.undone += 1
        self._undone.add(migration.key)

    def count_left(self) -> None:
        """Count what is pending and held now, after all that was undone since the last look."""
        rows = [entry.row for entry in self.seen.applied if entry.row.key not in self._undone]
        left = assess(self.files, rows, (), self.settings.policies)
        self.counts.pending, self.counts.held = len(left.pending), len(left.held)

    def target(self, text: str, assessment: Assessment, app: str = "") -> Target:
        """Return what a TARGET or NUMBER on the command line means. Raises UsageError."""
        known = [m.revision for m in self.files] + [entry.row.revision for entry in assessment.applied]
        return parse_target(text, known, app)

    def prepare_tables(self) -> None:
        """Make or adopt our tables; all or nothing where the engine can."""
        recorded: Recorded = self.history.read()
        with self.work.transaction():
            self.work.set_up_transaction()
            self.history.ensure(recorded, self.log)
            self.journal.ensure()
            if any(row.checksum is None for row in recorded.rows):
                self.history.adopt_rows(recorded.rows, {migration.key: migration for migration in self.files})
            self.history.settle()
            self.journal.settle()

    # ── lock ──

    @contextlib.contextmanager
    def locked(self, *, both: bool = True) -> Iterator[HeldLocks]:
        """Hold the run's locks within the block; with `both` false the first only (children take the second).

        Raises LockTimeoutError, naming the holder, when the bound is over.
        """
        from smalls.lock import HeldLocks, Waiter, acquire

        if not self.work.exists:
            self._connect(self.work)
        key = self.lock_key
        with self._database_wait():
            lock = self._attempts().until_done(lambda: self._ready_to_write(key), opening=False)
        with self._lock_wait():
            waiter = Waiter(self.log, self.clock, self.stop, self.settings.lock_timeout)
            first = acquire(lock, waiter, self.log, token=self.settings.lock_token)
        held = HeldLocks(first, self.work if both else None, key)
        began = self.clock.monotonic()
        try:
            with self._lock_wait():
                held.wait_for_second(waiter)
            self.journal.fence = held.fence
            self._over = held.fenced or not self.work.dialect.has_sessions
            yield held
        finally:
            self.journal.fence = unfenced
            self._over = False
            held.release()
            self.log("lock.released", "Released the lock.", lock=first.name, held_ms=self._ms_since(began))

    def _ready_to_write(self, key: str) -> Lock:
        """Return the first lock, not taken yet, on a server that takes writes and has room for its connection.

        On a failure nothing stays open: the next try may meet the primary, and a full server has room for others.
        """
        from smalls.lock import first_lock

        try:
            self.work.connect()
            require_writable(self.work)
            return first_lock(self.work, key, self.run_id, self.log)
        except Exception:
            self.work.close()
            raise

    @contextlib.contextmanager
    def _lock_wait(self) -> Iterator[None]:
        began = self.clock.monotonic()
        try:
            yield
        finally:
            self.counts.lock_wait_ms += self._ms_since(began)

    @property
    def lock_key(self) -> str:
        """What the lock stands for: the history of one schema of one database."""
        schema = self.settings.db_schema or self.chosen.dialect.default_schema
        return f"{self.chosen.location.name}:{schema}:{TABLE}"

    @cached_property
    def retries(self) -> Retries:
        """What tries again where a lock of others is in the way."""
        from smalls.retrying import Retries

        return Retries(self.settings.ddl_retries, self.chosen.dialect, self.stop, self.log)

    def executor(self, held: HeldLocks) -> Executor:
        """Return what runs migrations, while the locks are held."""
        from smalls.blocking import Watch
        from smalls.execution import Executor

        if self._watch is None:
            self._watch = Watch(self.work, self.log, self.settings.ddl_lock_timeout)
        return Executor(
            self.work,
            self.history,
            self.journal,
            held,
            self.stop,
            self.log,
            self.clock,
            self.retries,
            self._watch,
        )

    def close(self) -> None:
        """Close the session and give the project's object back as it was."""
        self.stop.cancels(None)
        if self._watch is not None:
            self._watch.close()
        if self._work is not None:
            self.journal.close()
            self._work.detach()
