"""A lease and its fence: a runner that slept through its expiry commits nothing, and sends nothing more."""

import contextlib
import signal
import time
from pathlib import Path

import pytest

from smalls.errors import LockLostError
from tests.conformance.test_lock import OpenRun
from tests.databases import Database
from tests.faults.scenes import (
    applied,
    at_gate,
    code_of,
    logged,
    logs,
    make_tables,
    read_until,
    running,
    slow_ddl,
    wait_at_gate,
)
from tests.ports import write_migrations
from tests.running import Project, finish, wait_until
from tests.servers import MYSQL, POSTGRES

SERVERS = [*POSTGRES, *MYSQL]
LEASE = {"SMALLS_LOCK": "lease", "SMALLS_LEASE_TIMEOUT": "2"}


def pause(victim) -> None:
    """Pause a runner; what it waits for may be given only now, or it goes on before it pauses."""
    victim.send_signal(signal.SIGSTOP)
    wait_until(lambda: Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")


def followed(project: Project, victim, env: dict[str, str]):
    """Let another run past a paused one's lease, and wake that; give both results, the paused one first."""
    heir = project.run("migrate", env={**env, "SMALLS_LOCK_TIMEOUT": "20"})
    victim.send_signal(signal.SIGCONT)
    return finish(victim), heir


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_a_paused_runner_commits_nothing(database: Database, project: Project, start) -> None:
    """In a transaction: what it did is rolled back, and what the other did stands."""
    make_tables(database)
    env = {**database.env, **LEASE}
    open_gate = at_gate(project, "0001_one", before=logs("0001_one"), after=logs("0001_one"))
    victim = start("migrate", cwd=project.path, env=env)
    wait_at_gate(project, "0001_one", victim)
    pause(victim)
    open_gate()
    project.migration("0002_two", logs("0002_two"))
    paused, heir = followed(project, victim, env)
    assert heir.code == 0, heir.stderr
    assert paused.code == 15, paused.stderr
    assert code_of(paused) == "SML-LOCK-LOST"
    assert not paused.named("migration.applied")
    assert logged(database) == ["0001_one", "0001_one", "0002_two"]
    assert applied(database) == ["0001_one", "0002_two"]


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_paused_runner_s_own_commit_is_held_back_too(database: Database, project: Project, start) -> None:
    """The file calls db.commit() as its first act after the pause: what it did is rolled back all the same."""
    make_tables(database)
    env = {**database.env, **LEASE}
    open_gate = at_gate(project, "0001_one", before=logs("before"), after="db.commit()")
    victim = start("migrate", cwd=project.path, env=env)
    wait_at_gate(project, "0001_one", victim)
    pause(victim)
    open_gate()
    project.migration("0001_one", logs("heir"))
    paused, heir = followed(project, victim, env)
    assert heir.code == 0, heir.stderr
    assert paused.code == 15, paused.stderr
    assert logged(database) == ["heir"]


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_paused_runner_outside_a_transaction_sends_nothing_more(
    database: Database, project: Project, start
) -> None:
    """What it did before stays, and the other run says so; nothing comes after, and no row is written."""
    make_tables(database)
    env = {**database.env, **LEASE}
    open_gate = at_gate(project, "0001_one", before=logs("before"), after=logs("after"))
    text = (project.migrations / "0001_one.py").read_text()
    (project.migrations / "0001_one.py").write_text(text + "\n\ntransaction = False\n")
    victim = start("migrate", cwd=project.path, env=env)
    wait_at_gate(project, "0001_one", victim)
    pause(victim)
    open_gate()
    paused, heir = followed(project, victim, env)
    assert heir.code == 7, heir.stderr
    assert paused.code == 15, paused.stderr
    assert code_of(paused) == "SML-LOCK-LOST"
    assert logged(database) == ["before"]
    assert applied(database) == []
    settled = project.run("repair", "--mark-applied", "0001_one", env={**env, "SMALLS_YES": "1"})
    assert settled.code == 0, settled.stderr
    assert project.run("migrate", env=env).code == 0


@pytest.mark.parametrize("database", ["mariadb10", "mysql9"], indirect=True)
def test_a_statement_in_flight_ends_and_no_row_is_written(database: Database, project: Project, start) -> None:
    """A DDL that the server has begun cannot be fenced; the runner that wakes after it records nothing."""
    make_tables(database)
    env = {**database.env, **LEASE}
    project.migration("0001_slow", f'db.execute_sql("{slow_ddl(database, 3)}")\n{logs("after")}')
    victim = start("migrate", cwd=project.path, env=env)
    wait_until(lambda: bool(running(database)))
    pause(victim)
    paused, heir = followed(project, victim, env)
    assert heir.code == 7, heir.stderr
    assert paused.code == 15, paused.stderr
    assert logged(database) == applied(database) == []


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_lease_that_was_taken_over_is_noticed_before_the_commit(database: Database, open_run: OpenRun) -> None:
    """The row says whose it is, whatever our own clock says."""
    run = open_run(database.url, SMALLS_LOCK="lease")
    with run.locked() as held:
        run.work.query("BEGIN")
        held.check()
        run.work.query("COMMIT")
        database.execute("UPDATE smalls_lease SET token = token + 1, owner = 'another'")
        run.work.query("BEGIN")
        with pytest.raises(LockLostError):
            held.check()
        run.work.query("ROLLBACK")


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_nobody_takes_it_over_between_check_and_commit(database: Database, open_run: OpenRun) -> None:
    """The check holds the row: an expired lease cannot change hands until the transaction is over."""
    run = open_run(database.url, SMALLS_LOCK="lease", SMALLS_LEASE_TIMEOUT="1")
    other = open_run(database.url, SMALLS_LOCK="lease")
    with run.locked() as held:
        other.work.raw_query(
            "SET lock_timeout = 500" if database.family == "postgres" else "SET innodb_lock_wait_timeout = 1"
        )
        run.work.query("BEGIN")
        held.check()
        with pytest.raises(Exception, match=r"(?i)timeout"):
            other.work.raw_query("UPDATE smalls_lease SET token = token + 1")
        run.work.query("COMMIT")


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_lease_outlives_its_connection(database: Database, open_run: OpenRun) -> None:
    """Its connection is ended by somebody: it is opened again, and the lease renewed in time."""
    run = open_run(database.url, SMALLS_LOCK="lease", SMALLS_LEASE_TIMEOUT="3")
    with run.locked() as held:
        session = held.first._wire.query(run.chosen.dialect.session_query)[0][0]
        database.query(
            f"SELECT pg_terminate_backend({session})" if database.family == "postgres" else f"KILL {session}"
        )
        time.sleep(4)
        held.check()
        assert not run.named("lock.lost")


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_child_of_a_lease_does_not_wait(database: Database, open_run: OpenRun) -> None:
    """It shows its parent's token, and stops as its parent does when the lease is lost."""
    parent = open_run(database.url, SMALLS_LOCK="lease")
    with parent.locked(both=False) as held:
        child = open_run(
            database.url, SMALLS_LOCK="lease", SMALLS_LOCK_TOKEN=held.first.token(), SMALLS_LOCK_TIMEOUT="0"
        )
        with child.locked() as inherited:
            assert child.named("lock.inherited")
            inherited.check()
            database.execute("UPDATE smalls_lease SET token = token + 1, owner = 'another'")
            with pytest.raises(LockLostError):
                inherited.check()


# ── what writes to the history without running anything ──


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
@pytest.mark.parametrize("kind", ["lease", "advisory"])
def test_baseline_and_fake_ask_too(
    database: Database, kind: str, open_run: OpenRun, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is lost between its taking and the writing: nothing is recorded, and nobody waits for ourselves."""
    from smalls import migrating, repairing
    from smalls.run import Run

    write_migrations(tmp_path, "0001_one")
    prepare = Run.prepare_tables

    def prepare_and_lose(self: Run) -> None:
        prepare(self)
        lose(database, self, kind)

    monkeypatch.setattr(Run, "prepare_tables", prepare_and_lose)
    for write in (lambda run: migrating.fake(run, None), lambda run: repairing.baseline(run, "1")):
        run = open_run(database.url, SMALLS_LOCK=kind, SMALLS_LEASE_TIMEOUT="3")
        began = time.monotonic()
        with pytest.raises(LockLostError):
            write(run)
        assert time.monotonic() - began < 40  # giving the lease back waited 50 s for a row that the run had locked
        run.close()
        assert applied(database) == []


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
@pytest.mark.parametrize("kind", ["lease", "advisory"])
def test_repair_asks_too(
    database: Database, kind: str, project: Project, open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is lost before it writes: neither history nor journal has a word of it; it can be done anew."""
    from smalls.repairing import Action, repair
    from smalls.run import Run

    make_tables(database)
    project.migration("0001_one", f"{logs('1')}\nraise ValueError", header="transaction = False\n")
    assert project.run("migrate", env=database.env).code == 7
    before = database.query("SELECT event FROM smalls_journal ORDER BY id")
    prepare = Run.prepare_tables
    losing = [True, False]

    def prepare_and_lose(self: Run) -> None:
        prepare(self)
        if losing.pop(0):
            lose(database, self, kind)

    monkeypatch.setattr(Run, "prepare_tables", prepare_and_lose)
    env = {"SMALLS_LOCK": kind, "SMALLS_MIGRATIONS": str(project.migrations)}
    run = open_run(database.url, **env)
    with pytest.raises(LockLostError):
        repair(run, Action.MARK_APPLIED, "0001_one", lambda _question: None)
    run.close()
    assert database.query("SELECT event FROM smalls_journal ORDER BY id") == before
    assert applied(database) == []
    if kind == "lease":
        database.execute("UPDATE smalls_lease SET expires = 0")
    repair(open_run(database.url, **env), Action.MARK_APPLIED, "0001_one", lambda _question: None)
    assert applied(database) == ["0001_one"]


@pytest.mark.parametrize("database", ["mariadb10", "mysql9"], indirect=True)
def test_a_killed_runner_s_statement_goes_on(database: Database, project: Project, start) -> None:
    """The heir of a lease has no second lock to wait for: the table's own lock keeps the two statements apart."""
    make_tables(database)
    env = {**database.env, **LEASE, "SMALLS_LOCK_TIMEOUT": "20", "SMALLS_DDL_LOCK_TIMEOUT": "1"}
    copies = "CREATE TABLE copied AS SELECT n FROM slow LOCK IN SHARE MODE"
    project.write(
        "migrations/0001_slow.py",
        "from smalls.manager import MigrationManager\n\n\ndef migrate():\n    manager = MigrationManager()\n"
        f"    manager.run_sql({copies!r}, '')\n"
        "    manager.run_sql('CREATE TABLE after_it (n INTEGER)', '')\n    return manager\n",
    )
    going_on = f"SELECT 1 FROM information_schema.processlist WHERE db = database() AND info = '{copies}'"
    with contextlib.closing(database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN")
        cursor.execute("UPDATE slow SET n = 2")  # what the server waits for here, it waits for without its client
        victim = start("migrate", cwd=project.path, env=env)
        wait_until(lambda: bool(database.query(going_on)))
        victim.kill()
        heir = start("migrate", cwd=project.path, env=env)
        read_until(heir, "ddl.retried")
        # not by information_schema: MariaDB waits there for the table that is being made
        assert not database.query("SHOW TABLES LIKE 'after_it'")
        other.rollback()
    result = finish(heir)
    assert result.code == 0, result.stderr
    assert applied(database) == ["0001_slow"]
    assert database.query("SELECT n FROM copied") == [(1,)]
    assert "after_it" in database.tables()


def lose(database: Database, run, kind: str) -> None:
    """Take the first lock of a run away."""
    if kind == "lease":
        database.execute("UPDATE smalls_lease SET token = token + 1, owner = 'another'")
        return
    holder = run.chosen.dialect.holder(run.work.query, run.lock_key)
    end = {"postgres": "SELECT pg_terminate_backend({}, 5000)", "mysql": "KILL {}"}[database.family]
    database.query(end.format(holder.session))
    wait_until(lambda: run.chosen.dialect.holder(run.work.query, run.lock_key) is None, 5)
