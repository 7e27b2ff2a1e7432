"""`verify`: each single change made by hand is found, on every engine; what is as promised raises no alarm."""

import json
from typing import Any

import pytest
from playhouse.db_url import connect

from smalls.autogen.models import schema_of
from smalls.drift import Difference, compare
from smalls.scratch import catalogues
from tests.databases import Database
from tests.operations.harness import ENGINE
from tests.running import Project
from tests.servers import ENGINES, MYSQL, POSTGRES

HEADER = """\
from smalls.auto import *

"""
MODELS = """
import peewee
from smalls import db

class Base(peewee.Model):
    class Meta:
        database = db

class Author(Base):
    name = peewee.CharField(max_length=100, unique=True)
    born = peewee.IntegerField(null=True)
    rank = peewee.IntegerField(constraints=[peewee.SQL("DEFAULT 1")])

class Post(Base):
    author = peewee.ForeignKeyField(Author, on_delete="CASCADE")
    title = peewee.CharField(index=True)
    body = peewee.TextField(null=True)
    size = peewee.IntegerField(default=0)
    class Meta:
        constraints = [peewee.Check("size < 1000")]
        indexes = ((("author", "size"), True),)
"""


@pytest.fixture
def made(database: Database, project: Project) -> Project:
    """Give a project whose declarative migration is applied."""
    project.write("shop.py", MODELS.replace("from smalls import db", f"db = peewee.{CLASSES[database.family]}"))
    project.write("config.ini", "[smalls]\nmodel = shop\n")
    created = project.run("create", "first", "--auto", env=database.env)
    assert created.code == 0, created.stderr
    done = project.run("migrate", env=database.env)
    assert done.code == 0, done.stderr
    return project


CLASSES = {
    "sqlite": "SqliteDatabase(None)",
    "postgres": "PostgresqlDatabase(None)",
    "mysql": "MySQLDatabase(None)",
}
EVERYWHERE = ("sqlite", "postgres", "mysql")
SERVERS = ("postgres", "mysql")
# what is done by hand, by family (SQLite's tables are made anew), and what is found
CHANGES = {
    "table dropped": ({"*": "DROP TABLE post"}, "missing", "add table post"),
    "column dropped": ({"*": "ALTER TABLE post DROP COLUMN body"}, "missing", "add column post.body"),
    "column added": ({"*": "ALTER TABLE post ADD COLUMN more INTEGER"}, "extra", "drop column post.more"),
    "table added": ({"*": "CREATE TABLE other (n INTEGER)"}, "extra", "drop table other"),
    "column renamed": (
        {"*": "ALTER TABLE post RENAME COLUMN body TO text"},
        "missing",
        "add column post.body",
    ),
    "type changed": (
        {
            "postgres": "ALTER TABLE author ALTER COLUMN born TYPE BIGINT",
            "mysql": "ALTER TABLE author MODIFY born BIGINT",
            "sqlite": ("author", '"born" INTEGER', '"born" BIGINT'),
        },
        "changed",
        "alter column author.born",
    ),
    "length changed": (
        {
            "postgres": "ALTER TABLE author ALTER COLUMN name TYPE VARCHAR(101)",
            "mysql": "ALTER TABLE author MODIFY name VARCHAR(101) NOT NULL",
            "sqlite": ("author", "VARCHAR(100)", "VARCHAR(101)"),
        },
        "changed",
        "alter column author.name",
    ),
    "null allowed": (
        {
            "postgres": "ALTER TABLE post ALTER COLUMN size DROP NOT NULL",
            "mysql": "ALTER TABLE post MODIFY size INTEGER NULL",
            "sqlite": ("post", '"size" INTEGER NOT NULL', '"size" INTEGER'),
        },
        "changed",
        "alter column post.size",
    ),
    "null forbidden": (
        {
            "postgres": "ALTER TABLE author ALTER COLUMN born SET NOT NULL",
            "mysql": "ALTER TABLE author MODIFY born INTEGER NOT NULL",
            "sqlite": ("author", '"born" INTEGER', '"born" INTEGER NOT NULL'),
        },
        "changed",
        "alter column author.born",
    ),
    "default dropped": (
        {
            "postgres": "ALTER TABLE author ALTER COLUMN rank DROP DEFAULT",
            "mysql": "ALTER TABLE author ALTER COLUMN `rank` DROP DEFAULT",
            "sqlite": ("author", "DEFAULT 1", ""),
        },
        "changed",
        "alter column author.rank",
    ),
    "default changed": (
        {
            "postgres": "ALTER TABLE author ALTER COLUMN rank SET DEFAULT 2",
            "mysql": "ALTER TABLE author ALTER COLUMN `rank` SET DEFAULT 2",
            "sqlite": ("author", "DEFAULT 1", "DEFAULT 2"),
        },
        "changed",
        "alter column author.rank",
    ),
    "index dropped": (
        {"*": "DROP INDEX post_title", "mysql": "DROP INDEX post_title ON post"},
        "missing",
        "add index post_title on post",
    ),
    "index over others": (
        {
            "*": "DROP INDEX post_title; CREATE INDEX post_title ON post (size)",
            "mysql": "ALTER TABLE post DROP INDEX post_title, ADD INDEX post_title (size)",
        },
        "changed",
        "change index post_title on post",
    ),
    "unique no more": (
        {
            "*": "DROP INDEX author_name; CREATE INDEX author_name ON author (name)",
            "mysql": "ALTER TABLE author DROP INDEX author_name, ADD INDEX author_name (name)",
        },
        "changed",
        "change index author_name on author",
    ),
    "index added": ({"*": "CREATE INDEX byhand ON post (size)"}, "extra", "drop index byhand on post"),
    "key dropped": (
        {
            "postgres": "ALTER TABLE post DROP CONSTRAINT post_author_id_fkey",
            "mysql": "ALTER TABLE post DROP FOREIGN KEY post_ibfk_1",
            "sqlite": ("post", "ON DELETE CASCADE", ""),
        },
        "missing",
        "add constraint on post",
    ),
    "key's rule changed": (
        {
            "postgres": "ALTER TABLE post DROP CONSTRAINT post_author_id_fkey, ADD FOREIGN KEY (author_id)"
            " REFERENCES author (id) ON DELETE RESTRICT",
            "mysql": "ALTER TABLE post DROP FOREIGN KEY post_ibfk_1; ALTER TABLE post ADD FOREIGN KEY (author_id)"
            " REFERENCES author (id)",
            "sqlite": ("post", "CASCADE", "SET NULL"),
        },
        "missing",
        "add constraint on post",
    ),
    "check changed": (
        {
            "postgres": "ALTER TABLE post DROP CONSTRAINT post_size_check, ADD CHECK (size < 10)",
            "mariadb": "ALTER TABLE post DROP CONSTRAINT CONSTRAINT_1, ADD CHECK (size < 10)",
            "mysql9": "ALTER TABLE post DROP CHECK post_chk_1, ADD CHECK (size < 10)",
            "sqlite": ("post", "size < 1000", "size < 10"),
        },
        "missing",
        "add constraint on post",
    ),
    "check dropped": (
        {
            "postgres": "ALTER TABLE post DROP CONSTRAINT post_size_check",
            "mariadb": "ALTER TABLE post DROP CONSTRAINT CONSTRAINT_1",
            "mysql9": "ALTER TABLE post DROP CHECK post_chk_1",
            "sqlite": ("post", ", CHECK (size < 1000)", ""),
        },
        "missing",
        "add constraint on post",
    ),
}


def by_hand(database: Database, name: str) -> None:
    """Make a change past smalls."""
    how = CHANGES[name][0]
    keys = (database.engine, database.engine.rstrip("0123456789"), database.family, "*")
    sql = next(how[key] for key in keys if key in how)
    if isinstance(sql, str):
        database.execute(sql)
        return
    table, old, new = sql
    (text,) = database.query("SELECT sql FROM sqlite_master WHERE name = ?", (table,))[0]
    assert old in text
    indexes = database.query(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
    )
    again = "; ".join(row[0] for row in indexes)
    database.execute(f"PRAGMA foreign_keys = 0; DROP TABLE {table}; {text.replace(old, new)}; {again}")


@pytest.mark.parametrize("database", ENGINES, indirect=True)
def test_each_change_by_hand_is_found(database: Database) -> None:
    """One after the other on a fresh copy of the schema: found as what it is."""
    db = connect(database.url, unquote_user=True, unquote_password=True)
    space: dict[str, Any] = {"db": db}
    exec(MODELS.replace("from smalls import db", ""), space)  # noqa: S102 -- the text of this file
    models = [space["Author"], space["Post"]]
    missed = []
    for name, (_, kind, operation) in CHANGES.items():
        for table in ("post", "author", "other"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        with db.connection_context():
            db.create_tables(models)
            assert drift(database, db, models) == []
            by_hand(database, name)
            told = drift(database, db, models)
        if not any((each.kind, each.operation) == (kind, operation) for each in told):
            missed.append((name, told))
    assert missed == []


def drift(database: Database, db: Any, models: list[Any]) -> list[Difference]:
    """Compare as `verify` does."""
    return compare(*catalogues(ENGINE[database.family], db, schema_of(models), lambda: None))


@pytest.mark.parametrize("database", ENGINES, indirect=True)
@pytest.mark.parametrize("name", ["column added", "column dropped"])
def test_the_exit_code_tells_them_apart(database: Database, made: Project, name: str) -> None:
    """What is missing is 11, what is extra is told and no failure."""
    by_hand(database, name)
    result = made.run("verify", "--json", env=database.env)
    _, kind, operation = CHANGES[name]
    (told,) = json.loads(result.stdout)["differences"]
    assert (told["kind"], told["operation"]) == (kind, operation)
    assert result.code == (0 if kind == "extra" else 11), result.stderr


def test_what_is_as_promised_raises_no_alarm_and_changes_nothing(database: Database, made: Project) -> None:
    """Exit 0, nothing on stdout, and the database is the same to the byte."""
    before = database.dump()
    result = made.run("verify", env=database.env)
    assert result.code == 0, result.stderr
    assert result.stdout == ""
    assert result.named("schema.verified")[0]["message"] == "The live schema is as promised: 2 tables."
    assert database.dump() == before


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_a_run_verifies_at_its_end_where_it_is_told_to(database: Database, made: Project) -> None:
    """SMALLS_VERIFY=1: nothing pending and all as promised is 0; a column that is gone is 11, and named."""
    env = {**database.env, "SMALLS_VERIFY": "1"}
    assert made.run("migrate", env=env).code == 0
    database.execute("ALTER TABLE post DROP COLUMN body")
    assert made.run("migrate", env=database.env).code == 0
    result = made.run("migrate", env=env)
    assert result.code == 11, result.stderr
    (failed,) = result.named("run.failed")
    assert failed["error"]["code"] == "SML-DRIFT"
    assert failed["error"]["operations"] == ["add column post.body"]
    made.migration("0002_direct", 'db.execute_sql("UPDATE author SET born = 1")', header="state = []\n")
    assert made.run("migrate", env=env).code == 11
    assert len(database.query("SELECT * FROM migration_history")) == 2


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_what_is_pending_is_not_promised_yet(database: Database, made: Project) -> None:
    """Only what was applied counts."""
    models = made.path / "shop.py"
    models.write_text(models.read_text() + "\nclass More(Base):\n    n = peewee.IntegerField()\n")
    assert made.run("create", "more", "--auto", env=database.env).code == 0
    assert made.run("verify", env=database.env).code == 0
    assert made.run("migrate", env=database.env).code == 0
    assert "3 tables" in made.run("verify", env=database.env).named("run.finished")[0]["message"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_a_direct_file_that_says_nothing_hides_the_state(database: Database, made: Project) -> None:
    """Guessing would be a false alarm some day; the file is named."""
    made.migration("0002_direct", 'db.execute_sql("ALTER TABLE post ADD COLUMN n INTEGER")')
    assert made.run("migrate", env=database.env).code == 0
    result = made.run("verify", env=database.env)
    assert result.code == 3
    assert result.named("run.failed")[0]["error"]["migrations"] == ["0002_direct"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_a_project_of_direct_files_promises_nothing(database: Database, project: Project) -> None:
    """There is nothing to verify, and it says so."""
    project.migration("0001_direct", 'db.execute_sql("CREATE TABLE a (n INTEGER)")')
    assert project.run("migrate", env=database.env).code == 0
    result = project.run("verify", env=database.env)
    assert result.code == 0
    assert "no applied migration declares a table" in result.named("run.finished")[0]["message"]


@pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)
def test_who_may_not_build_anything_is_told_what_is_needed(database: Database, made: Project) -> None:
    """A user who may only read: 3, and the right that is missing."""
    url = database.user_url(read_only=True)
    result = made.run("verify", env={"SMALLS_DATABASE_URL": url})
    assert result.code == 3, result.stderr
    assert "CREATE" in result.named("run.failed")[0]["error"]["hint"]


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_the_owner_of_one_database_may_verify(database: Database, made: Project) -> None:
    """It takes no right over the server."""
    env = {"SMALLS_DATABASE_URL": database.user_url()}
    for table in ("post", "author", "migration_history", "smalls_journal"):
        database.execute(f"DROP TABLE {table}")
    if database.family == "postgres":
        database.execute(f"GRANT CREATE ON SCHEMA public TO {database.users[0]}")
    assert made.run("migrate", env=env).code == 0
    result = made.run("verify", env=env)
    assert result.code == 0, result.stderr
