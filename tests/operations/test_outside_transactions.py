"""PostgreSQL and MySQL: statements that commit or refuse a transaction, and what is said when they fail."""

import pytest

from tests.databases import Database
from tests.running import Project
from tests.servers import MYSQL, POSTGRES

OURS = ("migration_history", "smalls_journal")
postgres = pytest.mark.parametrize("database", ["postgres15"], indirect=True)
mysql = pytest.mark.parametrize("database", ["mariadb10", "mysql9"], indirect=True)
INDEX = 'db.execute_sql("CREATE {0}INDEX CONCURRENTLY note_word ON note (word)")'.format


def rows(database: Database) -> None:
    """Make a table with two equal words."""
    database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, word VARCHAR(20))")
    database.execute("INSERT INTO note VALUES (1, 'same'), (2, 'same')")


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
@pytest.mark.parametrize("header", ["", "transaction = False\n"])
def test_an_index_is_made_concurrently(header: str, database: Database, project: Project) -> None:
    """CREATE INDEX CONCURRENTLY works with and without `transaction = False`."""
    rows(database)
    project.migration("0001_index", INDEX(""), 'db.execute_sql("DROP INDEX CONCURRENTLY note_word")', header)
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert bool(result.named("migration.unwrapped")) == (header == "")
    assert "note_word" in database.dump(without=OURS)
    result = project.run("rollback", "zero", "--yes", env=database.env)
    assert result.code == 0, result.stderr
    assert "note_word" not in database.dump(without=OURS)


@postgres
@pytest.mark.parametrize("header", ["", "transaction = False\n"])
def test_a_failed_concurrent_index_is_not_nothing(header: str, database: Database, project: Project) -> None:
    """A unique index that fails half-way stays behind, invalid: that is 7, not 'nothing took effect'."""
    rows(database)
    project.migration("0001_index", INDEX("UNIQUE "), header=header)
    result = project.run("migrate", env=database.env)
    assert "note_word" in database.dump(without=OURS)
    assert result.code == 7, result.stderr


@postgres
def test_a_concurrent_index_in_the_codes_own_transaction_is_refused(database: Database, project: Project) -> None:
    """In the file's own atomic() PostgreSQL refuses it, as it would alone: 6, and nothing took effect."""
    rows(database)
    before = database.dump()
    body = f"db.execute_sql('DELETE FROM note')\nwith db.atomic():\n    {INDEX('')}"
    project.migration("0001_index", body)
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert "transaction = False" in result.named("migration.failed")[0]["error"]["hint"]
    assert database.dump(without=OURS) == before


@postgres
def test_vacuum_and_enum_values(database: Database, project: Project) -> None:
    """VACUUM leaves the transaction; a new enum value used at once is told what it needs."""
    rows(database)
    project.migration("0001_vacuum", "db.execute_sql('VACUUM note')")
    assert project.run("migrate", env=database.env).code == 0
    database.execute("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE m (mood mood)")
    body = """
        db.execute_sql("ALTER TYPE mood ADD VALUE 'happy'")
        db.execute_sql("INSERT INTO m VALUES ('happy')")
    """
    project.migration("0002_enum", body)
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    assert "transaction = False" in result.named("migration.failed")[0]["error"]["hint"]
    project.migration("0002_enum", body, header="transaction = False\n")
    assert project.run("migrate", env=database.env).code == 0


@mysql
def test_a_data_change_undone_by_the_code_itself_is_clean(database: Database, project: Project) -> None:
    """Data statements that the file's own atomic() rolled back took no effect: 6, and the next run tries again."""
    rows(database)
    body = """
        with db.atomic():
            db.execute_sql("DELETE FROM note")
            db.execute_sql("INSERT INTO missing VALUES (1)")
    """
    project.migration("0001_data", body)
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert len(database.query("SELECT * FROM note")) == 2
    project.migration("0001_data", body.replace("missing", "note (id)"))
    assert project.run("migrate", env=database.env).code == 0


@mysql
def test_a_failed_ddl_statement_commits_what_was_before_it(database: Database, project: Project) -> None:
    """MySQL commits before it tries DDL: a row from before a failing ALTER, in one atomic(), stays, and it is 7."""
    rows(database)
    body = """
        with db.atomic():
            db.execute_sql("DELETE FROM note WHERE id = 1")
            db.execute_sql("ALTER TABLE note ADD COLUMN word INT")
    """
    project.migration("0001_both", body)
    result = project.run("migrate", env=database.env)
    assert len(database.query("SELECT * FROM note")) == 1
    assert result.code == 7, result.stderr


@pytest.mark.parametrize("database", MYSQL, indirect=True)
def test_a_failure_part_way_is_settled_by_repair(database: Database, project: Project) -> None:
    """On MySQL and MariaDB a failure after DDL is 7, stops the next run, and repair settles it three ways."""
    rows(database)
    project.migration("0000_first")
    failing = 'db.execute_sql("CREATE TABLE a (id INT)")\ndb.execute_sql("CREATE TABLE a (id INT)")'
    project.migration("0001_part", failing, 'db.execute_sql("DROP TABLE a")\ndb.execute_sql("DROP TABLE b")')
    project.migration("0002_later", 'db.execute_sql("CREATE TABLE later (id INT)")')
    result = project.run("migrate", env=database.env)
    assert result.code == 7
    error = result.named("migration.failed")[0]["error"]
    assert error["statement"] == "CREATE TABLE a (id INT)"
    assert [entry["outcome"] for entry in error["statements"]] == ["done", "failed"]
    assert "repair --retry 0001_part" in error["hint"]
    assert error["file"].endswith("0001_part.py")
    assert error["line"]
    assert database.query("SELECT name FROM migration_history") == [("0000_first",)]
    assert "later" not in database.tables()

    again = project.run("migrate", env=database.env)
    assert again.code == 7
    assert again.named("migration.started") == []
    status = project.run("status", env=database.env)
    assert "failed" in status.stdout
    assert "0001_part" in status.stdout
    shown = project.run("repair", env=database.env)
    assert "CREATE TABLE a" in shown.stdout
    assert project.run("repair", "--retry", "0001_part", env=database.env).code == 13

    database.execute("DROP TABLE a")
    assert project.run("repair", "--retry", "0001_part", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 7
    assert project.run("repair", "--mark-applied", "0001_part", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 0
    assert "later" in database.tables()

    undone = project.run("rollback", "0", "--yes", env=database.env)
    assert undone.code == 7  # 0002's rollback() does nothing; then the second statement of 0001's fails
    assert "repair --forget 0001_part" in undone.named("migration.failed")[0]["error"]["hint"]
    assert [name for (name,) in database.query("SELECT name FROM migration_history")] == ["0000_first", "0001_part"]
    again = project.run("rollback", "0", "--yes", env=database.env)
    assert again.code == 7
    assert again.named("migration.started") == []
    assert "--forget 0001_part" in again.named("run.failed")[0]["error"]["hint"]
    assert "undoing it failed part-way" in project.run("status", env=database.env).stdout
    assert project.run("repair", "--forget", "0001_part", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 7  # 0001 again, up to its second CREATE


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_failed_drop_of_several_may_have_dropped_some(database: Database, project: Project) -> None:
    """MariaDB drops what is there and then says that the rest is not: that took effect."""
    rows(database)
    project.migration("0001_drop", 'db.execute_sql("DROP TABLE note, missing")')
    result = project.run("migrate", env=database.env)
    assert "note" not in database.tables()
    assert result.code == 7


@mysql
def test_a_failure_at_the_first_statement_is_clean(database: Database, project: Project) -> None:
    """Where the first statement fails nothing took effect: 6, and the mended file simply runs."""
    rows(database)
    project.migration("0001_first", 'db.execute_sql("ALTER TABLE note ADD COLUMN word INT")')
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    assert "Duplicate column" in result.named("migration.failed")[0]["error"]["message"]
    project.migration("0001_first", 'db.execute_sql("ALTER TABLE note ADD COLUMN number INT")')
    assert project.run("migrate", env=database.env).code == 0
