"""A migration's transaction, on every engine: opened, recognised, ended behind our back, and left."""

from collections.abc import Callable

import pytest

from smalls.guard import Guard, RolledBackError
from smalls.stop import Stop, Stopped
from smalls.tap import Tap
from tests.databases import Database
from tests.ports import Opened
from tests.servers import MYSQL, POSTGRES, SQLITE

OpenRun = Callable[..., Opened]
wrapped_only = pytest.mark.parametrize("database", [*SQLITE, *POSTGRES], indirect=True)


def guarded(run: Opened) -> tuple[Guard, Tap]:
    """Make what a migration runs in."""
    run.work.connect()
    transactional = run.chosen.dialect.transactional_ddl
    tap = Tap(run.stop, ddl_commits=not transactional)
    return Guard(run.work, tap, run.log, "0001_one", wrap=transactional), tap


def test_a_session_is_known_to_be_in_a_transaction(database: Database, open_run: OpenRun) -> None:
    """Whoever opened it, and only while it is open."""
    run = open_run(database.url)
    run.work.connect()
    assert not run.work.in_transaction
    for begin, end in (("BEGIN", "COMMIT"), ("BEGIN", "ROLLBACK")):
        run.work.query(begin)
        run.work.query("SELECT 1")
        assert run.work.in_transaction
        run.work.query(end)
        assert not run.work.in_transaction
    run.work.close()
    assert not run.work.in_transaction


def test_our_transaction_is_ours_until_it_ends(database: Database, open_run: OpenRun) -> None:
    """The mark is there after `begin`, and gone, where the engine has DDL in transactions, with the next one."""
    run = open_run(database.url)
    dialect = run.chosen.dialect
    run.work.connect()
    dialect.begin(run.work.query, "it's 0001")
    assert dialect.is_ours(run.work.query, "it's 0001")
    run.work.query("ROLLBACK")
    if database.family == "postgres":
        run.work.query("BEGIN")
        assert not dialect.is_ours(run.work.query, "it's 0001")
        run.work.query("ROLLBACK")


def test_what_is_undone_is_gone(database: Database, open_run: OpenRun) -> None:
    """After `undo` nothing of it is left where DDL rolls back; elsewhere its effects are counted."""
    run = open_run(database.url)
    guard, tap = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE t (id INTEGER)")
        run.chosen.database.execute_sql("INSERT INTO t VALUES (1)")
    guard.undo()
    assert not run.work.in_transaction
    assert database.tables() == (["t"] if database.family == "mysql" else [])
    assert tap.effects == (2 if database.family == "mysql" else 0)


def test_what_is_committed_is_there(database: Database, open_run: OpenRun) -> None:
    """After `commit` all of it is."""
    run = open_run(database.url)
    guard, _ = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE t (id INTEGER)")
    if guard.inside:
        assert guard.still_ours()
        guard.commit()
    assert database.tables() == ["t"]
    assert not run.work.in_transaction


@wrapped_only
def test_a_commit_past_peewee_is_found_out(database: Database, open_run: OpenRun) -> None:
    """Code that commits on the driver's own connection has ended our transaction, and that is known."""
    run = open_run(database.url)
    guard, tap = guarded(run)
    with guard.watching():
        run.chosen.database.connection().cursor().execute("COMMIT")
    assert guard.inside
    assert not guard.still_ours()
    assert tap.opaque


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_another_transaction_is_not_taken_for_ours(database: Database, open_run: OpenRun) -> None:
    """Committing past Peewee and beginning again leaves a transaction open that is not ours."""
    run = open_run(database.url)
    guard, _ = guarded(run)
    with guard.watching():
        cursor = run.chosen.database.connection().cursor()
        cursor.execute("COMMIT")
        cursor.execute("BEGIN")
    assert run.work.in_transaction
    assert not guard.still_ours()
    guard.undo()


@wrapped_only
def test_leaving_commits_what_there_is(database: Database, open_run: OpenRun) -> None:
    """A commit by the code's own hand commits, as it would alone; what follows runs outside."""
    run = open_run(database.url)
    guard, tap = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE t (id INTEGER)")
        run.chosen.database.commit()
        assert database.tables() == ["t"]
        assert not guard.inside
    assert tap.effects == 1
    assert run.named("migration.unwrapped")


@wrapped_only
def test_rolling_ours_back_is_refused(database: Database, open_run: OpenRun) -> None:
    """Code that rolls back what it did not begin is stopped: it would go on as if nothing were amiss."""
    run = open_run(database.url)
    guard, _ = guarded(run)
    db = run.chosen.database
    with guard.watching():
        db.execute_sql("CREATE TABLE t (id INTEGER)")
        with pytest.raises(RolledBackError):
            db.rollback()
    assert guard.rolled_back
    assert database.tables() == []


def test_the_objects_own_behaviour_comes_back(database: Database, open_run: OpenRun) -> None:
    """After the run the project's object has none of our hooks on it, and connects as before."""
    run = open_run(database.url)
    db = run.chosen.database
    guard, _ = guarded(run)
    with guard.watching():
        db.execute_sql("SELECT 1")
    guard.undo()
    run.close()
    assert not {"cursor", "connection", "begin", "commit", "close", "_initialize_connection"} & set(vars(db))
    db.connect()
    db.execute_sql("SELECT 1")
    db.close()


def test_abilities_are_told(database: Database, open_run: OpenRun) -> None:
    """`config` can say who the database user is and what they may do."""
    run = open_run(database.url)
    run.work.connect()
    found = run.chosen.dialect.abilities(run.work.query, None)
    if database.family == "postgres":
        assert found["user"] == "postgres"
        assert found["schema"] == "public"
        assert found["create tables in the schema"] is True
        assert found["server is a read-only standby"] is False
        assert found["superuser"] is found["create databases"] is found["the server takes writes"] is True
        assert found["alter, index and drop every table in the schema"] is True
    elif database.family == "mysql":
        assert str(found["user"]).startswith("root@")
        assert "ALL PRIVILEGES" in str(found["grants"]) or "GRANT SELECT" in str(found["grants"])
        assert "IDENTIFIED" not in str(found["grants"])
        assert [ability for ability, answer in found.items() if answer is False] == []
    else:
        assert found == {"write": True, "write beside the file": True}
    words = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "M"}[database.family]
    assert run.chosen.dialect.server(run.work.query).startswith(words)


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_abilities_of_a_reader(database: Database, open_run: OpenRun) -> None:
    """A user who only reads is told from one who may change things."""
    url = database.user_url(read_only=True)
    run = open_run(url)
    run.work.connect()
    found = run.chosen.dialect.abilities(run.work.query, None)
    assert database.users[0] in str(found["user"])
    if database.family == "postgres":
        assert found["create tables in the schema"] is False
        assert found["superuser"] is found["create databases"] is False
        assert found["see what other users' sessions run"] is False
        assert found["take an advisory lock"] is True
    else:
        refused = {ability for ability, answer in found.items() if answer is False}
        assert {"create tables", "alter tables", "drop tables", "create databases", "superuser"} <= refused
        assert found["take an advisory lock"] is True
        assert "GRANT SELECT ON" in str(found["grants"])
        assert "ALL PRIVILEGES" not in str(found["grants"])


# ── stopping in the middle of a statement ──


def test_a_statement_that_completes_under_a_stop_is_counted(database: Database, open_run: OpenRun) -> None:
    """A stop that is found only when the statement is over must not hide that it took effect."""
    run = open_run(database.url)
    run.work.connect()
    tap = Tap(run.stop, ddl_commits=True)

    def send(sql: str) -> None:
        run.work.raw_query(sql)
        run.stop.reason = 15

    with pytest.raises(Stopped):
        tap.run(send, "CREATE TABLE t (id INTEGER)")
    run.stop.reason = None
    assert database.tables() == ["t"]
    assert tap.effects == 1
    assert tap.report()[-1]["outcome"] == "done"
    assert tap.running is None


def test_a_stop_before_a_statement_keeps_it_from_being_sent() -> None:
    """Once a stop was asked for nothing more is sent."""
    stop = Stop()
    stop.reason = 15
    sent = []
    with pytest.raises(Stopped):
        Tap(stop, ddl_commits=True).run(sent.append, "DROP TABLE users")
    assert not sent
