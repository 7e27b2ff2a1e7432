"""Stops at the worst moments, brought about on purpose: each of these was a bug."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from smalls.errors import TerminatedRunError
from smalls.guard import Guard
from smalls.listening import signals_stop
from smalls.stop import CutOffError, Stop, Stopped
from smalls.tap import Tap
from tests.databases import Database
from tests.ports import Opened, write_migrations

OpenRun = Callable[..., Opened]


@contextlib.contextmanager
def listening(stop: Stop) -> Iterator[list[str]]:
    """Let signals of this process stop the run; give what is logged of it."""
    events: list[str] = []
    with signals_stop(stop, lambda event, _message, **_fields: events.append(event), None):
        yield events


def test_a_cancel_that_came_too_early_is_repeated() -> None:
    """A cancel that reaches the server before the statement does is lost, so there is another."""
    stop, calls, heard = Stop(), [], threading.Event()

    def cancel() -> None:
        calls.append(1)
        if len(calls) > 1:
            heard.set()

    stop.cancels(cancel)
    with listening(stop) as events, contextlib.suppress(Stopped), stop.statement():
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard.wait(5)
    assert stop.reason == signal.SIGTERM
    assert events == ["stop.requested"]


def test_nothing_is_cancelled_while_it_is_recorded() -> None:
    """A stop does not reach the statements that record what was done, nor raise among them."""
    stop, calls = Stop(), []
    stop.cancels(lambda: calls.append(1))
    with listening(stop):
        with stop.shielded(), stop.statement():
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(1.2)
        assert not calls
        with pytest.raises(Stopped):
            stop.check()


def test_only_a_statement_that_is_too_long_is_cancelled() -> None:
    """The bound's timer ends with its statement and does not reach the next one."""
    stop, calls = Stop(), []
    stop.cancels(lambda: calls.append(1))
    stop.bounds_statements(0.1)
    for _ in range(3):
        with stop.statement():
            pass
    threading.Event().wait(0.2)
    assert not calls
    with pytest.raises(CutOffError), stop.statement():
        threading.Event().wait(0.2)
    assert len(calls) == 1


def test_no_descriptor_and_no_thread_is_left() -> None:
    """Listening leaves nothing behind."""
    before = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 - counted, not read
    for _ in range(3):
        with listening(Stop()):
            pass
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before  # noqa: PTH208


@pytest.mark.parametrize("database", ["mariadb10", "mysql9"], indirect=True)
def test_right_after_the_beginning_was_noted(
    database: Database, open_run: OpenRun, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's beginning is ended too, so that the next run need not ask for a repair of nothing."""
    write_migrations(tmp_path, "0001_one")
    run = open_run(database.url)
    with run.locked() as held:
        run.prepare_tables()
        send = run.work.database.execute_sql

        def send_and_stop(sql: str, *args: object) -> object:
            result = send(sql, *args)
            if sql.startswith("INSERT") and "`smalls_journal`" in sql:
                run.stop.reason = signal.SIGTERM
            return result

        monkeypatch.setattr(run.work.database, "execute_sql", send_and_stop)
        with pytest.raises(TerminatedRunError):
            run.executor(held).apply(run.files[0], lambda: None, resumable=True)
        run.stop.reason = None
        assert run.journal.unfinished() == []
        assert run.history.read().rows == ()


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_in_a_commit_of_the_codes_own(
    database: Database, open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that comes with the commit does not make it forgotten: what it committed is counted."""
    run = open_run(database.url)
    run.work.connect()
    tap = Tap(run.stop, ddl_commits=False)
    guard = Guard(run.work, tap, run.log, "0001_one", wrap=True)
    send = run.work.raw_query

    def send_with_a_signal(sql: str, *args: object) -> object:
        result = send(sql, *args)
        if sql == "COMMIT":
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    monkeypatch.setattr(run.work, "raw_query", send_with_a_signal)
    with (
        listening(run.stop),
        contextlib.suppress(Stopped),
        guard.watching(),
        run.stop.interruptible(),
    ):
        run.work.database.execute_sql("CREATE TABLE t (id INTEGER)")
        run.work.database.commit()
        run.stop.check()
    guard.undo()
    assert database.tables() == ["t"]
    assert tap.effects == 1


def test_a_cancel_under_way_is_waited_for() -> None:
    """Python would end in the middle of a driver's call, and the process with a code that nobody decided."""
    stop, begun, over = Stop(), threading.Event(), threading.Event()

    def cancel() -> None:
        begun.set()
        threading.Event().wait(1.5)
        over.set()

    stop.cancels(cancel)
    with listening(stop), contextlib.suppress(Stopped), stop.statement():
        os.kill(os.getpid(), signal.SIGTERM)
        assert begun.wait(5)
    assert over.is_set()
