"""Killed in a direct migration outside a transaction: the next run tells what every statement of it did."""

import json

import pytest

from tests.databases import Database
from tests.faults.scenes import code_of
from tests.running import Project, Result
from tests.servers import MYSQL, POSTGRES, SQLITE

DIE = "os.kill(os.getpid(), 9)"
OUTSIDE = "import os\n\ntransaction = False\n"
# what the driver is told, killed before it is sent or after its answer
AT_STATEMENT = """
import os

from pymysql.cursors import Cursor

execute = Cursor.execute


def deadly(cursor, sql, *args):
    if sql != os.environ.get("DEADLY"):
        return execute(cursor, sql, *args)
    if os.environ["WHEN"] == "after":
        execute(cursor, sql, *args)
    os.kill(os.getpid(), 9)


Cursor.execute = deadly
"""
every_kind = pytest.mark.parametrize("database", [*SQLITE, *POSTGRES, *MYSQL], indirect=True)
mysql = pytest.mark.parametrize("database", MYSQL, indirect=True)


def body(*statements: str) -> str:
    """Write statements as a function's body."""
    return "\n".join(f"db.execute_sql({sql!r})" for sql in statements)


def seen(result: Result) -> list[tuple[str, str, str]]:
    """List statements, outcomes, and what was seen, as the run's error tells them."""
    statements = result.named("run.failed")[-1]["error"]["statements"]
    return [(each["statement"], each["outcome"], each.get("seen", "")) for each in statements]


@every_kind
def test_each_statement_is_told(database: Database, project: Project) -> None:
    """What was done, and what was running for all that is known; the catalogue tells what came of it."""
    statements = ("CREATE TABLE a (n INTEGER)", "INSERT INTO a VALUES (1)", "CREATE TABLE b (n INTEGER)")
    path = project.migration("0001_one", f"{body(*statements)}\n{DIE}", header=OUTSIDE)
    assert project.run("migrate", env=database.env).code == -9
    again = project.run("migrate", env=database.env)
    assert again.code == 7, again.stderr
    assert code_of(again) == "SML-MIGRATION-UNFINISHED"
    assert seen(again) == [
        (statements[0], "done", "table a exists now"),
        (statements[1], "done", ""),
        (statements[2], "running", "table b exists now"),
    ]
    assert "CREATE TABLE b (n INTEGER) (table b exists now)" in again.named("run.failed")[0]["message"]
    problem = json.loads(project.run("repair", env=database.env).stdout)["problems"][0]
    assert [each["outcome"] for each in problem["statements"]] == ["done", "done", "running"]
    assert problem["remedies"] == ["smalls repair --retry 0001_one", "smalls repair --mark-applied 0001_one"]

    assert project.run("repair", "--retry", "0001_one", "--yes", env=database.env).code == 0
    database.execute("DROP TABLE a; DROP TABLE b")
    path.write_text(path.read_text().replace(DIE, "pass"))
    assert project.run("migrate", env=database.env).code == 0
    assert database.query("SELECT n FROM a") == [(1,)]
    assert json.loads(project.run("repair", env=database.env).stdout)["problems"] == []


@every_kind
def test_what_was_finished_by_hand(database: Database, project: Project) -> None:
    """`repair --mark-applied` is the other way on; the same for the way back with --forget."""
    project.migration(
        "0001_one", f"{body('CREATE TABLE a (n INTEGER)')}\n{DIE}", f"{body('DROP TABLE a')}\n{DIE}", OUTSIDE
    )
    assert project.run("migrate", env=database.env).code == -9
    assert project.run("repair", "--mark-applied", "0001_one", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 0
    assert project.run("rollback", "zero", "--yes", env=database.env).code == -9
    again = project.run("rollback", "zero", "--yes", env=database.env)
    assert again.code == 7
    assert seen(again) == [("DROP TABLE a", "running", "there is no table a now")]
    assert project.run("repair", "--forget", "0001_one", "--yes", env=database.env).code == 0
    assert "0001_one" in project.run("status", env=database.env).stdout


@every_kind
def test_who_only_read_did_nothing(database: Database, project: Project) -> None:
    """A run that was killed before it sent anything that changes anything is as if it had not been."""
    path = project.migration("0001_one", f"{body('SELECT 1')}\n{DIE}", header=OUTSIDE)
    assert project.run("migrate", env=database.env).code == -9
    assert database.query("SELECT count(*) FROM smalls_journal") == [(0,)]
    path.write_text(path.read_text().replace(DIE, "pass"))
    assert project.run("migrate", env=database.env).code == 0


@mysql
@pytest.mark.parametrize(
    ("sql", "there"),
    [
        ("CREATE TABLE made (n INTEGER)", "table made"),
        ("ALTER TABLE old ADD COLUMN more INTEGER", "column old.more"),
        ("CREATE INDEX quick ON old (n)", "index old.quick"),
        ("ALTER TABLE old RENAME COLUMN n TO m", "column old.m"),
    ],
)
def test_at_a_statement(database: Database, project: Project, sql: str, there: str) -> None:
    """Killed before it was sent, the next run simply runs it; after it, it is seen to have taken effect."""
    database.execute("CREATE TABLE old (n INTEGER)")
    project.migration("0001_one", body(sql), header=AT_STATEMENT)
    deadly = {**database.env, "DEADLY": sql}
    assert project.run("migrate", env={**deadly, "WHEN": "before"}).code == -9
    assert database.query("SELECT event FROM smalls_journal") == [("statement",)]
    assert project.run("migrate", env={**deadly, "WHEN": "after"}).code == -9
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert seen(again) == [(sql, "running", f"{there} exists now")]


@mysql
def test_a_change_of_rows_cannot_be_seen(database: Database, project: Project) -> None:
    """Whether an UPDATE took effect no catalogue tells; that is said, and nothing is guessed."""
    database.execute("CREATE TABLE old (n INTEGER)")
    sql = "INSERT INTO old VALUES (1)"
    project.migration("0001_one", body(sql), header=AT_STATEMENT)
    assert project.run("migrate", env={**database.env, "DEADLY": sql, "WHEN": "before"}).code == -9
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert seen(again) == [(sql, "running", "whether it took effect is not known")]


@every_kind
@pytest.mark.parametrize("commits", [True, False])
def test_a_transaction_of_the_codes_own(database: Database, project: Project, commits: bool) -> None:
    """Its statements take effect with its COMMIT, and are told with it; what was never committed is not."""
    database.execute("CREATE TABLE old (n INTEGER)")
    lines = ["with db.atomic():", "    db.execute_sql('INSERT INTO old VALUES (1)')"]
    lines.insert(2, DIE if commits else f"    {DIE}")
    project.migration("0001_one", "\n".join(lines), header=OUTSIDE)
    assert project.run("migrate", env=database.env).code == -9
    again = project.run("migrate", env=database.env)
    if commits:
        assert again.code == 7
        assert [each[0] for each in seen(again)] == ["INSERT INTO old VALUES (1)", "COMMIT"]
    else:
        assert again.code == -9  # it simply ran again
    assert database.query("SELECT count(*) FROM old") == [(int(commits),)]


@pytest.mark.parametrize("database", [*SQLITE, *POSTGRES], indirect=True)
def test_code_that_left_smalls_transaction(database: Database, project: Project) -> None:
    """From its own commit() on, a file without `transaction = False` is journalled too."""
    lines = (body("CREATE TABLE a (n INTEGER)"), "db.commit()", DIE)
    project.migration("0001_one", "\n".join(lines), header="import os\n")
    assert project.run("migrate", env=database.env).code == -9
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert [each[0] for each in seen(again)] == ["CREATE TABLE a (n INTEGER)", "COMMIT"]


@mysql
def test_what_goes_past_peewee(database: Database, project: Project) -> None:
    """What the driver's own connection was sent is not seen, so that nobody says that it did nothing."""
    project.migration(
        "0001_one", f"db.connection().cursor().execute('CREATE TABLE a (n INTEGER)')\n{DIE}", header="import os\n"
    )
    assert project.run("migrate", env=database.env).code == -9
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert "the driver's own connection" in seen(again)[0][0]


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_passwords_are_not_kept(database: Database, project: Project) -> None:
    """Neither in the journal nor in what is told of it."""
    sql = f"CREATE USER {database.name}_u IDENTIFIED BY 'hunter-two'"
    if database.family == "postgres":
        sql = f"CREATE ROLE {database.name}_u PASSWORD 'hunter-two'"
    project.migration("0001_one", f"{body(sql)}\n{DIE}", header=OUTSIDE)
    try:
        assert project.run("migrate", env=database.env).code == -9
        again = project.run("migrate", env=database.env)
        assert again.code == 7
        assert "'***'" in again.stderr
        assert "hunter-two" not in again.stderr + database.dump()
    finally:
        database.execute(f"DROP {'ROLE' if database.family == 'postgres' else 'USER'} {database.name}_u")


@pytest.mark.parametrize("database", SQLITE, indirect=True)
def test_reading_rows_meanwhile_does_not_hold_the_journal_up(database: Database, project: Project) -> None:
    """On SQLite a file may change rows while it reads others, and ask for the id of the row before."""
    database.execute("CREATE TABLE old (n INTEGER PRIMARY KEY); INSERT INTO old VALUES (1), (2), (3)")
    database.execute("CREATE TABLE new (n INTEGER)")
    lines = (
        "for (n,) in db.execute_sql('SELECT n FROM old'):",
        "    db.execute_sql('UPDATE old SET n = n + 10 WHERE n = ?', (n,))",
        "    break",
        body("INSERT INTO old VALUES (50)", "INSERT INTO new VALUES (last_insert_rowid())"),
    )
    project.migration("0001_one", "\n".join(lines), header="transaction = False\n")
    result = project.run("migrate", env=database.env, timeout=10)
    assert result.code == 0, result.stderr
    assert database.query("SELECT n FROM new") == [(50,)]


@mysql
def test_what_failed_is_looked_at_again(database: Database, project: Project) -> None:
    """Of a migration that failed part-way the next run tells what is there by then, as `repair` does."""
    project.migration("0001_one", body("CREATE TABLE a (n INTEGER)", "CREATE TABLE a (n INTEGER)"))
    assert project.run("migrate", env=database.env).code == 7
    sql = "CREATE TABLE a (n INTEGER)"
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert seen(again) == [(sql, "done", "table a exists now"), (sql, "failed", "table a exists now")]
    database.execute("DROP TABLE a")
    assert seen(project.run("migrate", env=database.env))[0] == (sql, "done", "there is no table a now")


@every_kind
def test_a_loop_over_rows(database: Database, project: Project) -> None:
    """One entry for the first, one for all that follow; what comes after is told by itself."""
    lines = [
        *("for n in range(9):", "    db.execute_sql('INSERT INTO a VALUES (%s)' % db.param, (n,))"),
        *("try:", "    db.execute_sql('INSERT INTO nowhere VALUES (1)')", "except Exception:", "    pass"),
        "db.execute_sql('INSERT INTO a VALUES (%s)' % db.param, (9,))",
    ]
    text = f"{body('CREATE TABLE a (n INTEGER)')}\n" + "\n".join(lines) + f"\n{DIE}"
    project.migration("0001_one", text, header=OUTSIDE)
    assert project.run("migrate", env=database.env).code == -9
    assert database.query("SELECT count(*) FROM a") == [(10,)]
    insert = f"INSERT INTO a VALUES ({'?' if database.family == 'sqlite' else '%s'})"
    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert [each[:2] for each in seen(again)] == [
        ("CREATE TABLE a (n INTEGER)", "done"),
        (insert, "done"),
        (f"{insert} (again; how often is not noted)", "done"),
        ("INSERT INTO nowhere VALUES (1)", "failed"),
        (insert, "running"),
    ]
