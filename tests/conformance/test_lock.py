"""The run's locks, on every engine: one at a time, the holder named, the second lock, the parent's token."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smalls.cli.edge import _translated
from smalls.errors import LockLostError, LockTimeoutError, SmallsError, UnreachableError
from smalls.lock import HeldLocks, Lock
from smalls.lock import first_lock as choose
from smalls.lock.file import FileLock
from smalls.stop import Stopped
from tests.databases import Database
from tests.ports import Opened
from tests.running import wait_until
from tests.servers import MYSQL, POSTGRES, SQLITE

OpenRun = Callable[..., Opened]
SERVERS = [*POSTGRES, *MYSQL]
servers_only = pytest.mark.parametrize("database", SERVERS, indirect=True)


def first_lock(run: Opened) -> Lock:
    """Make the first lock of a run, not yet taken."""
    if not run.work.exists:
        run.work.connect()
    return choose(run.work, run.lock_key, run.run_id, run.log)


def sessions(database: Database) -> int:
    """Count the sessions that the server has on this database, besides the one that asks."""
    if database.family == "postgres":
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    else:
        sql = "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
    return database.query(sql)[0][0]


def kill(database: Database, session: str) -> None:
    """End a session on the server, and wait until it has."""
    by = {"postgres": f"SELECT pg_terminate_backend({session}, 5000)", "mysql": f"KILL {session}"}
    database.query(by[database.family])
    if database.family == "mysql":
        there = f"SELECT count(*) FROM information_schema.processlist WHERE id = {session}"
        wait_until(lambda: database.query(there)[0][0] == 0, 5)


def session_of(lock: Lock) -> str:
    """Ask the lock's own connection for its id."""
    return str(lock._wire.query(lock._dialect.session_query)[0][0])


# ── one at a time ──


def test_one_holds_it_at_a_time(database: Database, open_run: OpenRun) -> None:
    """A second run cannot take it; once it is given back it can, and a third not."""
    one, two, three = (first_lock(open_run(database.url)) for _ in range(3))
    assert one.try_acquire()
    assert not two.try_acquire()
    one.release()
    assert two.try_acquire()
    assert not three.try_acquire()
    two.release()
    three.release()


def test_the_holder_is_named(database: Database, open_run: OpenRun) -> None:
    """Who waits can tell whose session it is; nobody is named when it is free."""
    holder, waiter = open_run(database.url), open_run(database.url)
    one, two = first_lock(holder), first_lock(waiter)
    assert two.holder() is None
    one.try_acquire()
    found = two.holder()
    assert found is not None
    if database.family == "sqlite":
        assert found.session == holder.run_id
        assert found.program == f"pid {os.getpid()}"
    else:
        assert found.session == session_of(one)
        assert found.user == ("postgres" if database.family == "postgres" else "root")
    if database.family == "postgres":
        assert f"run={holder.run_id}" in (found.program or "")
    one.release()
    assert two.holder() is None
    two.release()


def test_a_waiter_that_gives_up_leaves_the_holder_named(database: Database, open_run: OpenRun) -> None:
    """Giving up the try must not wipe the holder's name out for the next waiter."""
    one, two, three = (first_lock(open_run(database.url)) for _ in range(3))
    one.try_acquire()
    before = three.holder()
    assert not two.try_acquire()
    two.release()
    assert before is not None
    found = three.holder()
    assert found is not None
    assert found.session == before.session
    assert not three.try_acquire()
    one.release()
    three.release()


def test_waiting_names_the_holder_and_ends_at_the_bound(database: Database, open_run: OpenRun) -> None:
    """The wait is told in the log, with the holder, and is over within a second of its bound."""
    holder, waiter = open_run(database.url), open_run(database.url, SMALLS_LOCK_TIMEOUT="0.5")
    with holder.locked() as held:
        began = time.monotonic()
        with pytest.raises(LockTimeoutError) as caught, waiter.locked():
            pass
        assert 0.5 <= time.monotonic() - began < 1.5
        session = waiter.named("lock.waiting")[0]["holder"]["session"]
        assert session == held.first.holder().session
        assert caught.value.fields["holder"]["session"] == session
        assert f"session {session}" in caught.value.message
    with waiter.locked():
        pass


def test_a_waiter_takes_it_when_it_is_given_back(database: Database, open_run: OpenRun) -> None:
    """Nothing but the release is needed; the waiter then has it alone."""
    holder, waiter = open_run(database.url), open_run(database.url, SMALLS_LOCK_TIMEOUT="5")
    first_lock(waiter).release()
    got = []
    with holder.locked():

        def wait() -> None:
            with waiter.locked():
                got.append(time.monotonic())

        thread = threading.Thread(target=wait)
        if database.family == "sqlite":
            waiter.work.close()  # sqlite3 connections stay in their thread; the lock needs none
        thread.start()
        wait_until(lambda: bool(waiter.named("lock.waiting")))
        assert not got
        released = time.monotonic()
    thread.join(5)
    assert got
    assert got[0] >= released


def test_no_lock_where_it_is_switched_off(database: Database, open_run: OpenRun) -> None:
    """SMALLS_LOCK=none lets two runs in at once, and says so."""
    one, two = (open_run(database.url, SMALLS_LOCK="none") for _ in range(2))
    with one.locked(), two.locked():
        assert one.named("lock.skipped")


def test_two_schemas_or_databases_do_not_wait_for_each_other(
    make_database: Callable[..., Database], open_run: OpenRun
) -> None:
    """The lock is that of one history: of one schema of one database."""
    for engine in ("sqlite", "postgres15", "mariadb10"):
        one, two = make_database(engine), make_database(engine)
        with open_run(one.url).locked(), open_run(two.url, SMALLS_LOCK_TIMEOUT="0").locked():
            pass
    one = make_database("postgres15")
    one.execute("CREATE SCHEMA a; CREATE SCHEMA b")
    with (
        open_run(one.url, SMALLS_DB_SCHEMA="a").locked(),
        open_run(one.url, SMALLS_DB_SCHEMA="b", SMALLS_LOCK_TIMEOUT="0").locked(),
    ):
        pass


def test_naming_the_default_schema_changes_nothing(
    make_database: Callable[..., Database], open_run: OpenRun
) -> None:
    """Two runs on one history exclude each other, also where only one of them names its schema."""
    database = make_database("postgres15")
    plain = open_run(database.url)
    named = open_run(database.url, SMALLS_DB_SCHEMA="public", SMALLS_LOCK_TIMEOUT="0")
    with plain.locked(), pytest.raises(LockTimeoutError), named.locked():
        pass


# ── the second lock ──


@servers_only
def test_an_orphaned_working_session_is_waited_for(database: Database, open_run: OpenRun) -> None:
    """The first lock is free, yet while a killed runner's session lives on in the server nobody begins."""
    dead, heir = open_run(database.url), open_run(database.url, SMALLS_LOCK_TIMEOUT="0.3")
    with dead.locked() as held:
        kill(database, session_of(held.first))
        orphan = dead.work.session_id
        with pytest.raises(LockTimeoutError, match="working session"), heir.locked():
            pass
        assert heir.named("lock.acquired")
        assert heir.named("lock.waiting")[-1]["holder"]["session"] == orphan
        kill(database, orphan)
        with heir.locked():
            pass


@servers_only
def test_a_reopened_session_takes_its_lock_again(database: Database, open_run: OpenRun) -> None:
    """A migration that closes and reopens the connection is still fenced afterwards."""
    run, other = open_run(database.url), open_run(database.url)
    with run.locked():
        for _ in range(5):
            run.chosen.database.close()
            run.chosen.database.connect()
        holder = other.chosen.dialect.holder(other.work.query, f"{run.lock_key}:work")
        assert holder is not None
        assert holder.session == run.work.session_id


@servers_only
def test_a_lost_session_of_the_lock_is_noticed_at_once(database: Database, open_run: OpenRun) -> None:
    """Before a commit the server is asked, so that it is not the next keep-alive that finds out."""
    run = open_run(database.url)
    with run.locked() as held:
        held.check()
        kill(database, session_of(held.first))
        with pytest.raises(LockLostError):
            held.check()
        assert len(run.named("lock.lost")) == 1


# ── the parent's token ──


def test_a_child_does_not_wait_for_its_parent(database: Database, open_run: OpenRun) -> None:
    """With the parent's token it goes on at once, twice, and the parent still has the lock afterwards."""
    parent, stranger = open_run(database.url), first_lock(open_run(database.url))
    with parent.locked(both=False) as held:
        token = held.first.token()
        for _ in range(2):
            child = open_run(database.url, SMALLS_LOCK_TOKEN=token, SMALLS_LOCK_TIMEOUT="0")
            with child.locked():
                assert child.named("lock.inherited")
            child.close()
        assert not stranger.try_acquire()
        assert stranger.holder() is not None
    stranger.release()


@servers_only
def test_a_child_takes_the_second_lock(database: Database, open_run: OpenRun) -> None:
    """If the parent is killed, its child's session still keeps the next run out."""
    parent = open_run(database.url)
    with parent.locked(both=False) as held:
        child = open_run(database.url, SMALLS_LOCK_TOKEN=held.first.token())
        with child.locked():
            kill(database, session_of(held.first))
            heir = open_run(database.url, SMALLS_LOCK_TIMEOUT="0.2")
            with pytest.raises(LockTimeoutError, match="working session"), heir.locked():
                pass


def test_a_stale_token_does_not_skip_the_lock(database: Database, open_run: OpenRun) -> None:
    """The token of a run that is over proves nothing, whoever holds the lock now."""
    old = open_run(database.url)
    with old.locked(both=False) as held:
        token = held.first.token()
    late = open_run(database.url, SMALLS_LOCK_TOKEN=token, SMALLS_LOCK_TIMEOUT="0")
    with open_run(database.url).locked(), pytest.raises(LockTimeoutError), late.locked():
        pass
    assert not late.named("lock.inherited")
    with late.locked():
        assert late.named("lock.acquired")


@servers_only
def test_the_holders_session_id_is_no_token(database: Database, open_run: OpenRun) -> None:
    """Session ids are used again, and two servers use the same ones: a bare id opens nothing."""
    with open_run(database.url).locked() as held:
        liar = open_run(database.url, SMALLS_LOCK_TOKEN=session_of(held.first), SMALLS_LOCK_TIMEOUT="0")
        with pytest.raises(LockTimeoutError), liar.locked():
            pass


@pytest.mark.parametrize("database", SQLITE, indirect=True)
def test_a_dead_parents_note_is_no_proof(database: Database, open_run: OpenRun) -> None:
    """A killed parent leaves its name in the file; its child takes the free lock itself."""
    parent = first_lock(open_run(database.url))
    parent.try_acquire()
    os.close(parent._descriptor)  # as a kill does: unlocked, the note still there
    child = open_run(database.url, SMALLS_LOCK_TOKEN=parent.token())
    with child.locked():
        assert child.named("lock.acquired")
        assert not first_lock(open_run(database.url)).try_acquire()


# ── SQLite's file ──


def test_links_to_one_file_share_one_lock(tmp_path: Path) -> None:
    """Two names of one database are one database."""
    (tmp_path / "app.db").touch()
    (tmp_path / "current.db").symlink_to(tmp_path / "app.db")
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    names = ("app.db", "current.db", "elsewhere/app.db")
    locks = [FileLock(str(tmp_path / name), name, "test") for name in names]
    assert [lock.try_acquire() for lock in locks] == [True, False, False]
    for lock in locks:
        lock.release()


def test_no_descriptor_is_left_open(tmp_path: Path, open_run: OpenRun) -> None:
    """Neither a lock that was held nor one that was waited for in vain leaks its file."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    runs = [open_run(url, SMALLS_LOCK_TIMEOUT="0") for _ in range(2)]
    for run in runs:
        run.work.connect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with runs[0].locked(), pytest.raises(LockTimeoutError), runs[1].locked():
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# ── sessions ──


@servers_only
def test_no_session_is_left_behind(database: Database, open_run: OpenRun) -> None:
    """Held, waited for in vain, inherited: when the runs are closed the server has none of their sessions."""
    holder = open_run(database.url)
    with holder.locked(both=False) as held:
        loser = open_run(database.url, SMALLS_LOCK_TIMEOUT="0")
        with pytest.raises(LockTimeoutError), loser.locked():
            pass
        child = open_run(database.url, SMALLS_LOCK_TOKEN=held.first.token())
        with child.locked():
            pass
    for run in (holder, loser, child):
        run.close()
    wait_until(lambda: sessions(database) == 0, 5)


@servers_only
def test_waiting_holds_no_transaction_open(database: Database, open_run: OpenRun) -> None:
    """A waiter's sessions are idle between its tries: an open snapshot would block the very DDL it waits for."""
    holder, waiter = open_run(database.url), open_run(database.url, SMALLS_LOCK_TIMEOUT="20")
    with holder.locked():
        waiter.look()

        def wait() -> None:
            with contextlib.suppress(Stopped), waiter.locked():
                pass

        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: bool(waiter.named("lock.waiting")))
        if database.family == "postgres":
            idle = "state LIKE '%in transaction%'"
            open_ones = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {idle}"
        else:
            open_ones = (
                "SELECT count(*) FROM information_schema.innodb_trx JOIN information_schema.processlist"
                " ON id = trx_mysql_thread_id WHERE db = DATABASE()"
            )
        found = [database.query(open_ones)[0][0] for _ in range(20)]
        waiter.stop.reason = 15
        thread.join(5)
    assert sum(found) == 0


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_server_without_a_second_connection_is_told_as_such(database: Database, open_run: OpenRun) -> None:
    """The lock needs a session of its own; a user who may have only one is no defect of smalls."""
    url = database.user_url()
    user = database.users[0]
    limits = {
        "postgres": f"ALTER ROLE {user} CONNECTION LIMIT 1",
        "mysql": f"GRANT USAGE ON *.* TO {user} WITH MAX_USER_CONNECTIONS 1",
    }
    database.execute(limits[database.family])
    run = open_run(url)
    run.look()
    with pytest.raises(Exception, match=r"connections") as caught, run.locked():
        pass
    told = caught.value if isinstance(caught.value, SmallsError) else _translated(run, caught.value)
    assert isinstance(told, UnreachableError)


def test_both_locks_are_given_back_when_the_second_is_not_had(
    make_database: Callable[..., Database], open_run: OpenRun
) -> None:
    """A run that gives up on the second lock does not keep the first."""
    database = make_database("postgres15")
    dead = open_run(database.url)
    with dead.locked() as held:
        assert isinstance(held, HeldLocks)
        kill(database, session_of(held.first))
        loser = open_run(database.url, SMALLS_LOCK_TIMEOUT="0.1")
        with pytest.raises(LockTimeoutError), loser.locked():
            pass
        assert first_lock(open_run(database.url)).try_acquire()
