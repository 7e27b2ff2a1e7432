"""Behind PgBouncer: the lock is a lease, and nothing relies on a session that is not ours."""

import contextlib

import psycopg2
import pytest

from tests.databases import Database
from tests.faults.scenes import (
    applied,
    at_gate,
    code_of,
    logged,
    logs,
    make_tables,
    running,
    slow_query,
    wait_at_gate,
)
from tests.running import Project, finish, wait_until
from tests.servers import Server

pytestmark = pytest.mark.parametrize("database", ["postgres15"], indirect=True)
OURS = ("lock_timeout", "statement_timeout", "client_connection_check_interval", "role", "search_path")


def through(pooler: Server, database: Database, **more: str) -> dict[str, str]:
    """Give the environment that leads through a pooler."""
    return {"SMALLS_DATABASE_URL": pooler.url(database.name), **more}


def left_behind(pooler: Server, database: Database) -> set[tuple[str, ...]]:
    """Look at what the pool's sessions are set to, many at once so that each is seen."""
    shown = ", ".join(f"current_setting('{name}')" for name in OURS)
    with contextlib.ExitStack() as stack:
        found = set()
        for _ in range(8):
            made = psycopg2.connect(pooler.url(database.name))
            client = stack.enter_context(contextlib.closing(made))
            cursor = client.cursor()
            cursor.execute(f"SELECT {shown}")
            found.add(cursor.fetchone())
        return found


def test_the_lease_is_used_and_all_of_it_works(database: Database, project: Project, pgbouncer: Server) -> None:
    """In and outside transactions, an index built concurrently too; then nothing to do, without a lock."""
    make_tables(database)
    project.migration(
        "0001_bound", f'assert db.execute_sql("SHOW lock_timeout").fetchone()[0] == "5s"\n{logs("1")}'
    )
    project.migration(
        "0002_index",
        'db.execute_sql("CREATE INDEX CONCURRENTLY i ON log (runner)")',
        'db.execute_sql("DROP INDEX CONCURRENTLY i")',
    )
    project.migration("0003_outside", logs("3"), header="transaction = False\n")
    first = project.run("migrate", env=through(pgbouncer, database))
    assert first.code == 0, first.stderr
    (changed,) = first.named("lock.changed")
    assert changed["lock"] == "lease"
    assert "pooler" in changed["reason"]
    assert [each["lock"] for each in first.named("lock.acquired")] == ["lease"]
    assert logged(database) == ["1", "3"]
    back = project.run("rollback", "0", env=through(pgbouncer, database, SMALLS_YES="1"))
    assert back.code == 0, back.stderr
    again = project.run("migrate", env=through(pgbouncer, database))
    assert again.code == 0, again.stderr
    assert logged(database) == ["1", "1", "3", "3"]


def test_nothing_is_left_in_sessions_that_others_get(
    database: Database, project: Project, pgbouncer: Server
) -> None:
    """The pool's sessions are as they were: no bound of ours meets an application's statement."""
    before = left_behind(pgbouncer, database)
    assert len(before) == 1
    project.migration("0001_in", "db.execute_sql('CREATE TABLE a (n INTEGER)')")
    project.migration(
        "0002_out", "db.execute_sql('CREATE INDEX CONCURRENTLY i ON a (n)')", header="transaction = False\n"
    )
    result = project.run("migrate", env=through(pgbouncer, database, SMALLS_STATEMENT_TIMEOUT="30"))
    assert result.code == 0, result.stderr
    assert left_behind(pgbouncer, database) == before


def test_what_needs_a_session_is_refused(database: Database, project: Project, pgbouncer: Server) -> None:
    """A role set for a session would be an application's role next."""
    project.migration("0001_one")
    result = project.run("migrate", env=through(pgbouncer, database, SMALLS_DB_ROLE="postgres"))
    assert result.code == 3
    assert "SMALLS_DB_ROLE" in result.named("run.failed")[0]["message"]
    assert "transaction mode" in result.named("run.failed")[0]["message"]
    assert database.tables() == []


def test_a_pool_in_session_mode_keeps_what_is_set(
    database: Database, project: Project, session_pgbouncer: Server
) -> None:
    """There a role works as ever; the lock is a lease all the same, since the two modes look alike."""
    project.migration("0001_one", 'assert db.execute_sql("SHOW role").fetchone()[0] == "postgres"')
    result = project.run("migrate", env=through(session_pgbouncer, database, SMALLS_DB_ROLE="postgres"))
    assert result.code == 0, result.stderr
    assert [each["lock"] for each in result.named("lock.acquired")] == ["lease"]


def test_an_advisory_lock_by_force_is_doubted(database: Database, project: Project, pgbouncer: Server) -> None:
    """Who asks for it gets it, with a warning."""
    project.migration("0001_one")
    result = project.run("migrate", env=through(pgbouncer, database, SMALLS_LOCK="advisory"))
    assert result.named("lock.doubted")
    assert not result.named("lock.changed")


def test_runners_at_once_run_each_migration_once(
    database: Database, project: Project, pgbouncer: Server, start
) -> None:
    """Six at the same moment: all succeed."""
    make_tables(database)
    names = [f"000{number}_x" for number in range(1, 6)]
    for name in names:
        project.migration(name, logs(name))
    runners = [start("migrate", cwd=project.path, env=through(pgbouncer, database)) for _ in range(6)]
    results = [finish(runner) for runner in runners]
    assert [result.code for result in results] == [0] * 6, [result.stderr for result in results if result.code]
    assert logged(database) == applied(database) == names


def test_a_stop_cancels_our_statement_and_no_other(
    database: Database, project: Project, pgbouncer: Server, start
) -> None:
    """SIGTERM in a long statement: it is cancelled the pooler's way; the run ends within seconds."""
    project.migration("0001_slow", f'db.execute_sql("{slow_query(database, 60)}")')
    runner = start("migrate", cwd=project.path, env=through(pgbouncer, database))
    wait_until(lambda: bool(running(database)))
    runner.terminate()
    assert finish(runner, 10).code == 143
    wait_until(lambda: not running(database), 5)
    assert applied(database) == []


def test_a_killed_holder_s_lease_is_taken_over(
    database: Database, project: Project, pgbouncer: Server, start
) -> None:
    """Its owner is named while the lease runs; then the next run has it."""
    open_gate = at_gate(project, "0001_one")
    env = through(pgbouncer, database, SMALLS_LEASE_TIMEOUT="8")
    victim = start("migrate", cwd=project.path, env=env)
    wait_at_gate(project, "0001_one", victim)
    victim.kill()
    open_gate()
    refused = project.run("migrate", env={**env, "SMALLS_LOCK_TIMEOUT": "0.5"})
    assert refused.code == 5, refused.stderr
    assert code_of(refused) == "SML-LOCK-TIMEOUT"
    assert refused.named("lock.waiting")[0]["holder"]["session"]
    heir = project.run("migrate", env={**env, "SMALLS_LOCK_TIMEOUT": "30"})
    assert heir.code == 0, heir.stderr
    assert applied(database) == ["0001_one"]


def test_verify(database: Database, project: Project, pgbouncer: Server) -> None:
    """What is promised is built, compared and rolled back in one transaction; the pool's sessions are as before."""
    project.write(
        "migrations/0001_one.py",
        "from smalls.manager import MigrationManager\nfrom smalls.schema import Column, types\n\n\n"
        "def migrate():\n    manager = MigrationManager()\n"
        "    manager.add_table('thing', [Column('id', types.auto()), Column('word', types.varchar(9))],"
        " primary_key='id')\n    return manager\n",
    )
    env = through(pgbouncer, database, SMALLS_VERIFY="1")
    before = left_behind(pgbouncer, database)
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    assert done.named("schema.verified")
    assert project.run("verify", env=env).code == 0
    database.execute("ALTER TABLE thing DROP COLUMN word")
    found = project.run("verify", env=env)
    assert found.code == 11, found.stderr
    assert "add column thing.word" in found.stdout
    assert left_behind(pgbouncer, database) == before
    assert database.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'smalls%'") == []


@pytest.mark.parametrize("words", [("status",), ("history",), ("migrate",)])
def test_a_history_that_somebody_has_locked(
    database: Database, project: Project, pgbouncer: Server, words: tuple[str, ...]
) -> None:
    """Nobody waits for it for ever, behind a pooler either."""
    project.migration("0001_one")
    assert project.run("migrate", env=through(pgbouncer, database)).code == 0
    with contextlib.closing(database.connect()) as other:
        other.cursor().execute("BEGIN; LOCK TABLE migration_history IN ACCESS EXCLUSIVE MODE")
        env = through(pgbouncer, database, SMALLS_DDL_LOCK_TIMEOUT="1")
        result = project.run(*words, env=env, timeout=20)
    assert (result.code, code_of(result)) == (14, "SML-RELATION-LOCK"), result.stderr
