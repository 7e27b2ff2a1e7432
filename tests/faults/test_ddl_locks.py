"""Schema changes that wait for others: bounded, told who is in the way, rolled back and tried again."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator

import pymysql
import pytest

from tests.databases import Database
from tests.faults.scenes import at_gate, code_of, end_session, read_until, sessions, settled, wait_at_gate
from tests.running import SMALLS, Project, clean_environment, finish, wait_until
from tests.servers import MYSQL, POSTGRES

servers = pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
postgres = pytest.mark.parametrize("database", POSTGRES, indirect=True)
one_postgres = pytest.mark.parametrize("database", ["postgres15"], indirect=True)

DECLARED = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, Index, Sql, types

{header}


def migrate():
    manager = MigrationManager()
    manager.{operations}
    return manager
"""
FILL = 'backfill("busy", "n", Sql("n + 1"), batch=5)'
ADD = 'add_column("{0}", Column("more", types.integer(), null=True))'


def declare(project: Project, name: str, *operations: str, header: str = "") -> None:
    """Write a declarative migration."""
    project.write(
        f"migrations/{name}.py", DECLARED.format(operations="\n    manager.".join(operations), header=header)
    )


def make_tables(project: Project, database: Database) -> None:
    """Make the tables `free` and `busy`, each with a row."""
    column = 'Column("id", types.integer()), Column("n", types.integer(), null=True)'
    declare(project, "0001_tables", *(f'add_table("{t}", [{column}], primary_key="id")' for t in ("free", "busy")))
    assert project.run("migrate", env=database.env).code == 0
    database.execute("INSERT INTO free VALUES (1, 0); INSERT INTO busy VALUES (1, 0)")


@contextlib.contextmanager
def busy(database: Database, statement: str = "SELECT n FROM busy WHERE n <> 12345") -> Iterator[str]:
    """Use a table in a transaction that stays open; give the session."""
    other = database.connect()
    cursor = other.cursor()
    cursor.execute("BEGIN")
    cursor.execute("SELECT pg_backend_pid()" if database.family == "postgres" else "SELECT CONNECTION_ID()")
    session = str(cursor.fetchone()[0])
    cursor.execute(statement)
    try:
        yield session
    finally:
        other.rollback()
        other.close()


@servers
def test_it_is_tried_again_until_the_table_is_free(database: Database, project: Project, start) -> None:
    """The session in the way is named with what it does, without values; once it is gone, the change is made."""
    make_tables(project, database)
    declare(project, "0002_more", ADD.format("free"), ADD.format("busy"))
    with busy(database):
        runner = start("migrate", cwd=project.path, env={**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "1"})
        read_until(runner, "ddl.retried")
        if database.family == "postgres":  # rolled back: what it had locked before is not locked while it pauses
            database.execute("BEGIN; LOCK TABLE free IN ACCESS EXCLUSIVE MODE NOWAIT")
        read_until(runner, "ddl.blocked")
    result = finish(runner)
    assert result.code == 0, result.stderr
    assert {row[0] for row in database.query("SELECT more FROM free UNION SELECT more FROM busy")} == {None}


@servers
@pytest.mark.parametrize("declared", [True, False])
def test_at_the_bound(database: Database, project: Project, declared: bool) -> None:
    """Exit 14 with the session in the way; what is declared was tried again so often, a direct file never."""
    make_tables(project, database)
    if declared:
        declare(project, "0002_more", ADD.format("busy"))
    else:
        project.migration("0002_more", "db.execute_sql('ALTER TABLE busy ADD COLUMN more INTEGER')")
    env = {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "2", "SMALLS_DDL_RETRIES": "2"}
    before = database.dump(without=("smalls_journal",))
    with busy(database) as session:
        result = project.run("migrate", env=env)
    assert result.code == 14, result.stderr
    assert code_of(result) == "SML-RELATION-LOCK"
    tries = [(each["tries"], each["most"], each["reason"]) for each in result.named("ddl.retried")]
    assert tries == ([(1, 2, "locked"), (2, 2, "locked")] if declared else [])
    blocked = result.named("ddl.blocked")
    assert len(blocked) == (3 if declared else 1)
    assert {each["holder"]["session"] for each in blocked} == {session}
    assert all("ALTER TABLE" in each["statement"] for each in blocked)
    error = result.named("run.failed")[0]["error"]
    assert error["holder"]["session"] == session
    assert f"In its way was session {session}" in error["message"]
    assert ("It was tried 3 times." in error["message"]) == declared
    if "statement" in error["holder"]:  # MariaDB does not know what an idle session did last
        assert error["holder"]["statement"] == "SELECT n FROM busy WHERE n <> ?"
    assert "statement" in error["holder"] or database.engine.startswith("mariadb")
    assert "12345" not in result.stderr
    assert database.dump(without=("smalls_journal",)) == before


@pytest.mark.parametrize("database", ["postgres15", "mysql9"], indirect=True)
def test_who_asks_is_cut_off(database: Database, project: Project, start) -> None:
    """The connection that asks who is in the way is opened anew once it is gone: the next try names them again."""
    make_tables(project, database)
    declare(project, "0002_more", ADD.format("busy"))
    asking = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_blocking_pids%' AND pid <> pg_backend_pid()"
        " AND datname = current_database()"
        if database.family == "postgres"
        else "SELECT PROCESSLIST_ID FROM performance_schema.threads"
        " JOIN performance_schema.events_statements_current USING (THREAD_ID)"
        " WHERE SQL_TEXT LIKE '%PENDING%' AND PROCESSLIST_DB = DATABASE() AND PROCESSLIST_ID <> CONNECTION_ID()"
    )
    env = {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "2", "SMALLS_DDL_RETRIES": "2"}
    with busy(database) as session:
        runner = start("migrate", cwd=project.path, env=env)
        read_until(runner, "ddl.blocked")
        for (asker,) in database.query(asking):
            end_session(database, asker)
        read_until(runner, "ddl.retried")
        result = finish(runner)
    assert result.code == 14, result.stderr
    assert [each["holder"]["session"] for each in result.named("ddl.blocked")] == [session] * 2
    assert result.named("run.failed")[0]["error"]["holder"]["session"] == session


@servers
def test_who_may_not_ask_is_not_told(database: Database, project: Project) -> None:
    """Without the right to see other sessions the rest is as it was."""
    make_tables(project, database)
    declare(project, "0002_more", ADD.format("busy"))
    url = database.user_url()
    if database.family == "postgres":
        user = url.split("//")[1].split(":")[0]
        tables = ("free", "busy", "migration_history", "smalls_journal")
        database.execute("; ".join(f'ALTER TABLE {table} OWNER TO "{user}"' for table in tables))
    env = {"SMALLS_DATABASE_URL": url, "SMALLS_DDL_LOCK_TIMEOUT": "1", "SMALLS_DDL_RETRIES": "0"}
    with busy(database):
        result = project.run("migrate", env=env)
    assert result.code == 14, result.stderr


@one_postgres
def test_a_deadlock_is_tried_again(database: Database, project: Project, start) -> None:
    """The server ends ours to break it: rolled back, and the whole of it once more."""
    make_tables(project, database)
    there, gate = project.path / "there", project.path / "gate"
    header = (
        "import os, time\n\n\ndef wait(db, models):\n"
        f"    open({str(there)!r}, 'w').close()\n"
        f"    while not os.path.exists({str(gate)!r}):\n        time.sleep(0.01)\n"
    )
    declare(project, "0002_both", ADD.format("free"), 'run_python(wait, "")', ADD.format("busy"), header=header)
    runner = start("migrate", cwd=project.path, env=database.env)
    wait_until(there.exists)
    other = database.connect()
    cursor = other.cursor()
    cursor.execute("BEGIN; LOCK TABLE busy")
    thread = threading.Thread(target=lambda: cursor.execute("LOCK TABLE free"))
    thread.start()
    # longer than the deadlock timeout: whoever closes the ring after that is the one who is ended
    time.sleep(1.5)
    gate.touch()
    read_until(runner, "ddl.retried")
    thread.join()
    other.rollback()
    other.close()
    result = finish(runner)
    assert result.code == 0, result.stderr
    assert database.query("SELECT more FROM free") == database.query("SELECT more FROM busy") == [(None,)]


@pytest.mark.parametrize("database", MYSQL, indirect=True)
@pytest.mark.parametrize("step", ['run_sql("UPDATE busy SET n = n + 1 WHERE id > 0", "")', FILL])
def test_a_deadlock_of_rows_is_tried_again(database: Database, project: Project, step: str, start) -> None:
    """The server ends ours, which has changed less: rolled back, and done once."""
    make_tables(project, database)
    database.execute("INSERT INTO busy VALUES (2, 0)")
    declare(project, "0002_rows", step)
    with contextlib.closing(database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN")
        cursor.executemany("INSERT INTO free VALUES (%s, 0)", [(number,) for number in range(2, 50)])
        cursor.execute("UPDATE busy SET n = 7 WHERE id = 2")
        runner = start("migrate", cwd=project.path, env=database.env)
        waits = (
            "SELECT 1 FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p"
            " ON p.ID = x.trx_mysql_thread_id WHERE x.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()"
        )
        wait_until(lambda: bool(database.query(waits)))
        cursor.execute("UPDATE busy SET n = 7 WHERE id = 1")
        cursor.execute("COMMIT")
    result = finish(runner)
    assert result.code == 0, result.stderr
    assert [(each["reason"], each["tries"]) for each in result.named("ddl.retried")] == [("deadlock", 1)]
    assert database.query("SELECT n FROM busy") == [(8,), (8,)]


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_mariadb_s_plugin_tells_who_holds_the_table(database: Database, project: Project, start) -> None:
    """With it the session in the way is told from others that have transactions open, and longer."""
    make_tables(project, database)
    with contextlib.suppress(pymysql.err.OperationalError):  # another worker was first
        database.execute("INSTALL SONAME 'metadata_lock_info'")
    declare(project, "0002_more", ADD.format("busy"))
    env = {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "2", "SMALLS_DDL_RETRIES": "0"}
    with busy(database, "SELECT n FROM free"), busy(database) as session:
        result = project.run("migrate", env=env)
    assert result.code == 14, result.stderr
    assert {each["holder"]["session"] for each in result.named("ddl.blocked")} == {session}
    assert result.named("run.failed")[0]["error"]["holder"]["session"] == session


@one_postgres
def test_a_backfill_waits_for_rows(database: Database, project: Project, start) -> None:
    """It is not under the bound of schema changes, and holds nobody up but in its batch."""
    make_tables(project, database)
    declare(project, "0002_fill", 'backfill("busy", "n", 7)')
    env = {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "0.2", "SMALLS_DDL_RETRIES": "0"}
    with busy(database, "UPDATE busy SET n = 1"):
        runner = start("migrate", cwd=project.path, env=env)
        read_until(runner, "ddl.blocked")
        time.sleep(0.5)
    result = finish(runner)
    assert result.code == 0, result.stderr
    assert database.query("SELECT n FROM busy") == [(7,)]


CONCURRENTLY = 'add_index("busy", Index("busy_n", "n", unique=True), concurrently=True)'


@one_postgres
def test_an_invalid_index_of_others_is_left_alone(database: Database, project: Project) -> None:
    """Only one that the migration itself may have left is made anew."""
    make_tables(project, database)
    database.execute("INSERT INTO busy VALUES (2, 0)")
    declare(project, "0002_index", CONCURRENTLY)
    with contextlib.suppress(Exception):
        database.execute("CREATE UNIQUE INDEX CONCURRENTLY busy_n ON busy (n)")
    (oid,) = database.query("SELECT 'busy_n'::regclass::oid")
    assert project.run("migrate", env=database.env).code == 7
    assert database.query("SELECT 'busy_n'::regclass::oid") == [oid]
    database.execute("DROP INDEX busy_n")
    assert project.run("migrate", env=database.env).code == 7  # the rows are not unique: it leaves its own behind
    assert database.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_n'::regclass") == [(False,)]
    database.execute("DELETE FROM busy WHERE id = 2")
    assert project.run("migrate", env=database.env).code == 0
    assert database.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_n'::regclass") == [(True,)]


@one_postgres
@pytest.mark.parametrize("header", ["", "transaction = False\n"])
def test_a_direct_file_builds_over_its_own_leftover(database: Database, project: Project, header: str) -> None:
    """After `repair --retry` it makes an invalid index anew that it may have left itself; before that, none."""
    make_tables(project, database)
    database.execute("INSERT INTO busy VALUES (2, 0)")
    sql = "CREATE UNIQUE INDEX CONCURRENTLY busy_n ON busy (n)"
    project.migration("0002_index", f"db.execute_sql('{sql}')", header=header)
    with contextlib.suppress(Exception):
        database.execute(sql)
    (oid,) = database.query("SELECT 'busy_n'::regclass::oid")
    assert project.run("migrate", env=database.env).code == 7
    assert database.query("SELECT 'busy_n'::regclass::oid") == [oid]
    database.execute("DELETE FROM busy WHERE id = 2")
    assert project.run("repair", "--retry", "0002_index", "--yes", env=database.env).code == 0
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert database.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_n'::regclass") == [(True,)]


@one_postgres
def test_a_concurrent_index_and_twenty_who_wait(database: Database, project: Project) -> None:
    """Those who wait for the run's lock hold no transaction open, which the build of an index would wait for."""
    make_tables(project, database)
    declare(project, "0002_index", CONCURRENTLY)
    logs = [project.path / f"runner{number}.log" for number in range(20)]
    env = {**clean_environment(database.env), "SMALLS_DDL_LOCK_TIMEOUT": "0.5", "SMALLS_DDL_RETRIES": "0"}
    runners = []
    try:
        with busy(database, "UPDATE busy SET n = 5"):  # longer than the bound, from which the build is exempt
            for path in logs:
                with path.open("wb") as stream:
                    command = [*SMALLS, "migrate"]
                    runners.append(subprocess.Popen(command, cwd=project.path, env=env, stderr=stream))
            wait_until(lambda: sum("lock.waiting" in settled(path) for path in logs) == len(logs) - 1, 60)
            wait_until(lambda: any("ddl.blocked" in settled(path) for path in logs), 10)
            for _ in range(20):
                states = [state for _, name, state, _ in sessions(database) if name.startswith("smalls")]
                assert "idle in transaction" not in states
                time.sleep(0.02)
        codes = [runner.wait(60) for runner in runners]
    finally:
        for runner in runners:
            runner.kill()
    assert codes == [0] * len(runners), settled(logs[codes.index(max(codes))])
    assert database.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'busy_n'::regclass") == [(True,)]


@servers
def test_a_direct_file_is_told_too(database: Database, project: Project, start) -> None:
    """Whoever holds up a direct file's statement is named while it waits."""
    make_tables(project, database)
    open_gate = at_gate(project, "0002_more", after="db.execute_sql('DROP TABLE busy')")
    with busy(database):
        runner = start("migrate", cwd=project.path, env=database.env)
        wait_at_gate(project, "0002_more", runner)
        open_gate()
        read_until(runner, "ddl.blocked")
    assert finish(runner).code == 0
