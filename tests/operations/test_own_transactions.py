"""Direct files that commit, roll back, close and reopen: they do what they would alone, or are told apart."""

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest
from peewee import MySQLDatabase, PostgresqlDatabase, SqliteDatabase
from playhouse.db_url import connect

from tests.databases import Database
from tests.running import Project, Result
from tests.servers import ENGINES

OURS = ("migration_history", "smalls_journal")
EVERY_ENGINE = pytest.mark.parametrize("database", ENGINES, indirect=True)
ADD = "db.execute_sql(\"INSERT INTO note (id, word) VALUES ({0}, '{1}')\")".format


def one(database: Database) -> None:
    """Make a table with one row."""
    database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, word VARCHAR(20) UNIQUE)")
    database.execute("INSERT INTO note (id, word) VALUES (1, 'first')")


def words(database: Database) -> list[str]:
    """Give what the table holds."""
    return [word for (word,) in database.query("SELECT word FROM note ORDER BY id")]


def alone(database: Database, body: str) -> None:
    """Run a migration's body as the first smalls did: on the plain object, every statement by itself."""
    db: Any = connect(database.url, unquote_user=True, unquote_password=True)
    db.connect()
    try:
        exec(dedent(body), {"db": db})  # noqa: S102 -- the test's own text
    finally:
        while db.in_transaction():
            db.pop_transaction()
        db.close()


# Each of these does the same under smalls as alone, on every engine.
AS_ALONE = {
    "atomic": f"""
        with db.atomic():
            {ADD(2, "second")}
    """,
    "atomic that raises inside and is caught": f"""
        try:
            with db.atomic():
                {ADD(2, "second")}
                raise KeyError("no")
        except KeyError:
            pass
        {ADD(3, "third")}
    """,
    "atomic in atomic, the inner one failing in the database": f"""
        with db.atomic():
            {ADD(2, "second")}
            try:
                with db.atomic():
                    {ADD(3, "third")}
                    {ADD(3, "again")}
            except Exception:
                pass
    """,
    "transaction() that raises inside and is caught": f"""
        try:
            with db.transaction():
                {ADD(2, "second")}
                raise KeyError("no")
        except KeyError:
            pass
        {ADD(3, "third")}
    """,
    "transaction() with commit and rollback": f"""
        with db.transaction() as txn:
            {ADD(2, "second")}
            txn.commit()
            {ADD(3, "third")}
            txn.rollback()
            {ADD(4, "fourth")}
    """,
    "a savepoint of its own": f"""
        with db.atomic():
            with db.savepoint() as point:
                {ADD(2, "second")}
                point.rollback()
            {ADD(3, "third")}
    """,
    "begin and commit": f"""
        db.begin()
        {ADD(2, "second")}
        db.commit()
        {ADD(3, "third")}
    """,
    "begin and rollback": f"""
        {ADD(2, "second")}
        db.begin()
        {ADD(3, "third")}
        db.rollback()
    """,
    "manual_commit": f"""
        with db.manual_commit():
            db.begin()
            {ADD(2, "second")}
            db.commit()
            db.begin()
            {ADD(3, "third")}
            db.rollback()
    """,
    "session_start and session_commit": f"""
        db.session_start()
        {ADD(2, "second")}
        assert db.session_commit()
        {ADD(3, "third")}
    """,
    "session_start and session_rollback": f"""
        db.session_start()
        {ADD(2, "second")}
        assert db.session_rollback()
        {ADD(3, "third")}
    """,
    "raw BEGIN and COMMIT": f"""
        db.execute_sql("BEGIN")
        {ADD(2, "second")}
        db.execute_sql("COMMIT")
        {ADD(3, "third")}
    """,
    "raw BEGIN and ROLLBACK": f"""
        {ADD(2, "second")}
        db.execute_sql("BEGIN")
        {ADD(3, "third")}
        db.execute_sql("ROLLBACK")
    """,
    "close and go on": f"""
        {ADD(2, "second")}
        db.close()
        {ADD(3, "third")}
    """,
    "close at the end": f"""
        {ADD(2, "second")}
        db.close()
    """,
    "close, connect": f"""
        db.close()
        db.connect()
        {ADD(2, "second")}
    """,
    "with db": f"""
        with db:
            {ADD(2, "second")}
        {ADD(3, "third")}
    """,
    "with db, raising": f"""
        try:
            with db:
                {ADD(2, "second")}
                raise KeyError("no")
        except KeyError:
            pass
        {ADD(3, "third")}
    """,
    "connection_context": f"""
        with db.connection_context():
            {ADD(2, "second")}
        {ADD(3, "third")}
    """,
    "batch_commit": """
        for n in db.batch_commit(range(2, 7), 2):
            db.execute_sql(f"INSERT INTO note (id, word) VALUES ({n}, 'n{n}')")
    """,
    "after_commit": f"""
        with db.atomic():
            db.after_commit(lambda: {ADD(3, "third")})
            {ADD(2, "second")}
    """,
    "the driver's own connection": """
        cursor = db.connection().cursor()
        cursor.execute("INSERT INTO note (id, word) VALUES (2, 'second')")
        cursor.close()
    """,
    "decorated with atomic": f"""
        @db.atomic()
        def inner():
            {ADD(2, "second")}
        inner()
    """,
    "decorated with transaction": f"""
        inside = db.transaction()
        @inside
        def inner():
            {ADD(2, "second")}
            raise KeyError("no")
        try:
            inner()
        except KeyError:
            pass
    """,
}


@EVERY_ENGINE
@pytest.mark.parametrize("case", AS_ALONE)
def test_does_what_it_would_do_alone(
    case: str, database: Database, project: Project, make_database: Callable[..., Database]
) -> None:
    """A file's own transactions and connections leave the same rows under smalls as without it."""
    other = make_database(database.engine)
    for each in (database, other):
        one(each)
    alone(other, AS_ALONE[case])
    project.migration("0001_own", AS_ALONE[case])
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert words(database) == words(other)
    assert database.query("SELECT name FROM migration_history") == [("0001_own",)]
    assert project.run("migrate", env=database.env).named("migration.started") == []


# These end smalls' transaction with a ROLLBACK: alone nothing would have been open, so they are told apart.
ROLLBACKS = {
    "rollback": "db.rollback()",
    "raw ROLLBACK": 'db.execute_sql("ROLLBACK")',
    "raw ROLLBACK by a cursor": 'db.cursor().execute("ROLLBACK")',
    "a swallowed rollback": """
        try:
            db.rollback()
        except Exception:
            pass
    """,
}


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
@pytest.mark.parametrize("case", ROLLBACKS)
def test_rolling_smalls_back_is_told(case: str, database: Database, project: Project) -> None:
    """A rollback of what smalls began fails with 6, says what to write instead, and leaves nothing behind."""
    one(database)
    before = database.dump()
    body = dedent(ROLLBACKS[case])
    project.migration("0001_own", f"{ADD(2, 'second')}\n{body}\n")
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    error = result.named("migration.failed")[0]["error"]
    assert "rollback" in error["message"].lower()
    assert "db.atomic()" in error["message"]
    assert database.dump(without=OURS) == before


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_nothing_runs_after_a_swallowed_rollback(database: Database, project: Project) -> None:
    """Code that rolls smalls' transaction back and swallows that cannot write on outside of it."""
    one(database)
    body = f"""
        try:
            db.rollback()
        except Exception:
            pass
        {ADD(2, "second")}
    """
    project.migration("0001_own", body)
    assert project.run("migrate", env=database.env).code == 6
    assert words(database) == ["first"]


@EVERY_ENGINE
def test_a_transaction_left_open_fails(database: Database, project: Project) -> None:
    """A BEGIN without a COMMIT is not recorded as applied; what was in it is rolled back."""
    one(database)
    project.migration("0001_own", f"{ADD(2, 'second')}\ndb.begin()\n{ADD(3, 'third')}")
    result = project.run("migrate", env=database.env)
    assert result.code == 7
    assert "left a transaction" in result.named("migration.failed")[0]["error"]["message"]
    assert words(database) == ["first", "second"]
    assert database.query("SELECT name FROM migration_history") == []


@EVERY_ENGINE
def test_a_transaction_left_open_with_nothing_outside_is_clean(database: Database, project: Project) -> None:
    """Where all the code did was inside the transaction it left open, nothing of it took effect: 6."""
    one(database)
    project.migration("0001_own", f"db.begin()\n{ADD(3, 'third')}")
    assert project.run("migrate", env=database.env).code == 6
    assert words(database) == ["first"]


RAW_COMMITS = {
    "a cursor of the driver": 'cursor = db.connection().cursor(); cursor.execute("COMMIT")',
    "a cursor of the driver, and a new BEGIN": (
        'cursor = db.connection().cursor(); cursor.execute("COMMIT"); cursor.execute("BEGIN")'
    ),
}


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
@pytest.mark.parametrize("then", ["pass", 'raise ValueError("later")', 'db.execute_sql("SELECT nonsense")'])
@pytest.mark.parametrize("case", RAW_COMMITS)
def test_a_commit_past_peewee_is_told_apart(case: str, then: str, database: Database, project: Project) -> None:
    """Code that commits smalls' transaction through the driver is 7, however it goes on, and never recorded."""
    one(database)
    project.migration("0001_own", f"{ADD(2, 'second')}\n{RAW_COMMITS[case]}\n{then}")
    result = project.run("migrate", env=database.env)
    assert result.code == 7, result.stderr
    error = result.named("migration.failed")[0]["error"]
    assert "what took effect is not known" in error["message"]
    assert "INSERT INTO note" in str(error["statements"])
    assert database.query("SELECT name FROM migration_history") == []
    assert words(database) == ["first", "second"]
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert "smalls repair" in again.named("run.failed")[0]["error"]["hint"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
@pytest.mark.parametrize("then", ['raise ValueError("later")', 'cursor.execute("SELECT nonsense")'])
def test_the_drivers_connection_alone_is_no_harm(then: str, database: Database, project: Project) -> None:
    """Code that used the driver's connection and did not commit is rolled back whole: 6."""
    one(database)
    before = database.dump()
    body = f"""
        cursor = db.connection().cursor()
        cursor.execute("INSERT INTO note (id, word) VALUES (2, 'second')")
        {then}
    """
    project.migration("0001_own", body)
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert database.dump(without=OURS) == before


@EVERY_ENGINE
def test_after_commit_runs_after_the_commit(database: Database, project: Project) -> None:
    """A callback of after_commit() runs once the migration is recorded, and not when it fails."""
    one(database)
    project.migration("0001_fails", 'db.after_commit(lambda: print("called")); raise ValueError("no")')
    failed = project.run("migrate", env=database.env)
    if database.family != "mysql":  # there no transaction is open, so it runs at once, as it would alone
        assert failed.named("migration.output") == []
    project.migration("0001_fails", f'{ADD(2, "second")}; db.after_commit(lambda: print("called"))')
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert [event["message"] for event in result.named("migration.output")] == ["called"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_a_failing_after_commit_is_not_called_clean(database: Database, project: Project) -> None:
    """An after_commit() callback that raises comes after the commit: 7, and nobody says nothing took effect."""
    one(database)
    project.migration("0001_own", f"{ADD(2, 'second')}; db.after_commit(lambda: 1 / 0)")
    result = project.run("migrate", env=database.env)
    assert result.code == 7
    error = result.named("migration.failed")[0]["error"]
    assert "ZeroDivisionError" in error["message"]
    assert words(database) == ["first", "second"]
    assert project.run("repair", "--mark-applied", "0001_own", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 0


MULTI = {
    "BEGIN to COMMIT": "BEGIN; INSERT INTO note VALUES (2, 'second'); COMMIT; INSERT INTO note VALUES (3, 'third')",
    "COMMIT in between": "INSERT INTO note VALUES (2, 'second'); COMMIT; INSERT INTO note VALUES (3, 'third')",
    "no control": "INSERT INTO note VALUES (2, 'second'); INSERT INTO note VALUES (3, 'third');",
}


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
@pytest.mark.parametrize("case", MULTI)
def test_scripts_in_one_call(case: str, database: Database, project: Project) -> None:
    """Several statements in one call, with their own BEGIN and COMMIT, do what they would alone."""
    one(database)
    project.migration("0001_own", f'db.execute_sql("{MULTI[case]}")')
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert words(database) == ["first", "second", "third"]
    assert bool(result.named("migration.unwrapped")) == ("COMMIT" in MULTI[case])


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_function_body_is_no_commit(database: Database, project: Project) -> None:
    """END inside a function's or a trigger's body ends nothing."""
    one(database)
    project.migration(
        "0001_own",
        'db.execute_sql("CREATE FUNCTION two() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END")\n'
        'db.execute_sql("DO $$ BEGIN PERFORM 1; COMMIT_NOT := 1; EXCEPTION WHEN OTHERS THEN NULL; END $$")\n'
        'raise ValueError("no")'.replace("COMMIT_NOT := 1", "PERFORM 2"),
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert result.named("migration.unwrapped") == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_triggers_and_scripts_on_sqlite(database: Database, project: Project) -> None:
    """A trigger's BEGIN and END end nothing; executescript, which commits by itself, runs as it would alone."""
    one(database)
    trigger = "CREATE TRIGGER t AFTER INSERT ON note BEGIN DELETE FROM note WHERE id = 99; SELECT 1; END"
    project.migration("0001_trigger", f'db.execute_sql("{trigger}")')
    script = "INSERT INTO note VALUES (2, 'second'); INSERT INTO note VALUES (3, 'third');"
    project.migration("0002_script", f'{ADD(4, "fourth")}\ndb.cursor().executescript("{script}")')
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert words(database) == ["first", "second", "third", "fourth"]
    assert [event["migration"] for event in result.named("migration.unwrapped")] == ["0002_script"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_with_transaction_off_every_call_is_the_files_own(database: Database, project: Project) -> None:
    """`transaction = False`: no transaction of ours, so that even a rollback() has nothing of ours to undo."""
    one(database)
    body = f"""
        {ADD(2, "second")}
        db.begin()
        {ADD(3, "third")}
        db.rollback()
    """
    project.migration("0001_own", body, header="transaction = False\n")
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert result.named("migration.unwrapped") == []
    assert words(database) == ["first", "second"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_a_failure_with_transaction_off_is_partial(database: Database, project: Project) -> None:
    """`transaction = False`: what took effect before a failure is listed, 7, and repair lets it run again."""
    one(database)
    body = f"{ADD(2, 'second')}\nif db.execute_sql('SELECT COUNT(*) FROM note').fetchone()[0] < 3: raise OSError"
    project.migration("0001_own", body, header="transaction = False\n")
    result = project.run("migrate", env=database.env)
    assert result.code == 7
    error = result.named("migration.failed")[0]["error"]
    assert [entry["outcome"] for entry in error["statements"]] == ["done", "done"]
    assert project.run("migrate", env=database.env).code == 7
    database.execute("INSERT INTO note (id, word) VALUES (7, 'seventh')")
    database.execute("DELETE FROM note WHERE id = 2")
    assert project.run("repair", "--retry", "0001_own", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 0


@EVERY_ENGINE
def test_a_project_that_forbids_autoconnect(database: Database, project: Project) -> None:
    """A file that closes the project's connection is recorded, also where the object never connects by itself."""
    one(database)
    project.write(
        "model.py",
        f"""
        from playhouse.db_url import connect
        db = connect({database.url!r}, unquote_password=True, autoconnect=False)
        """,
    )
    project.write("config.ini", "[smalls]\nmodel = model\n")
    project.migration("0001_own", f"{ADD(2, 'second')}\ndb.close()")
    project.migration("0002_next", ADD(3, "third"))
    result = project.run("migrate")
    assert result.code == 0, result.stderr
    assert words(database) == ["first", "second", "third"]


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_check_at_commit_time_fails_clean(database: Database, project: Project) -> None:
    """A deferred constraint that refuses the COMMIT rolls everything back: 6."""
    database.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    database.execute(
        "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    before = database.dump()
    project.migration("0001_own", 'db.execute_sql("INSERT INTO child VALUES (9)")')
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert "violates foreign key" in result.named("migration.failed")[0]["error"]["message"]
    assert database.dump(without=OURS) == before


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_swallowed_error_is_named(database: Database, project: Project) -> None:
    """PostgreSQL gives a transaction up at its first error: the error that the code swallowed is the one told."""
    one(database)
    swallow = """
        try:
            db.execute_sql("ALTER TABLE missing ADD COLUMN x INT")
        except Exception:
            pass
    """
    project.migration("0001_own", swallow)
    quiet = project.run("migrate", env=database.env)
    project.migration("0001_own", dedent(swallow) + ADD(2, "second"))
    loud = project.run("migrate", env=database.env)
    for result in (quiet, loud):
        assert result.code == 6, result.stderr
        error = result.named("migration.failed")[0]["error"]
        assert "ALTER TABLE missing" in error["message"] + error["hint"]
        assert "db.atomic()" in error["message"] + error["hint"]


def _threads(result: Result) -> str:
    return result.named("migration.failed")[0]["error"]["message"]


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_threads_have_connections_of_their_own(database: Database, project: Project) -> None:
    """A thread's statements go over its own connection, and leave smalls' session and transaction alone."""
    one(database)
    body = f"""
        from concurrent.futures import ThreadPoolExecutor

        def work():
            with db.atomic():
                {ADD(2, "second")}
            db.close()

        {ADD(3, "third")}
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
        {ADD(4, "fourth")}
    """
    project.migration("0001_own", body)
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert result.named("migration.unwrapped") == []
    assert words(database) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_what_threads_did_is_not_called_undone(database: Database, project: Project) -> None:
    """What a thread committed survives our rollback, so the failure is 7 and says that it is not known."""
    one(database)
    body = f"""
        from threading import Thread

        def work():
            {ADD(2, "second")}
            db.close()

        thread = Thread(target=work)
        thread.start()
        thread.join()
        raise ValueError("no")
    """
    project.migration("0001_own", body)
    result = project.run("migrate", env=database.env)
    assert result.code == 7, result.stderr
    assert "not known" in _threads(result)
    assert words(database) == ["first", "second"]


def test_the_oracle_uses_the_same_classes() -> None:
    """The objects that the bodies run on alone are the ones that smalls makes."""
    kinds = {"sqlite": SqliteDatabase, "postgresql": PostgresqlDatabase, "mysql": MySQLDatabase}
    for scheme, kind in kinds.items():
        assert type(connect(f"{scheme}:///x")) is kind
