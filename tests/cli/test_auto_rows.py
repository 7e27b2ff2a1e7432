"""Piccolo's promises, row by row, and those of its defects that are not about SQL."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.test_auto_apps import CONF, HEAD, app, conf, history, tables
from tests.running import Project

POST = "class Post(Base):\n    title = CharField()\n"
SALE = "from users.models import User\nclass Sale(Base):\n    user = ForeignKeyField(User, null=True)\n"


@pytest.fixture
def blog(project: Project) -> Project:
    """Give a project with the app `blog`, not migrated."""
    conf(project, "blog")
    app(project, "blog", POST, "Post")
    return project


@pytest.fixture
def two(project: Project) -> Project:
    """Give a project of two apps whose first migrations have one name, migrated."""
    conf(project, "shop", "users")
    app(project, "users", "class User(Base):\n    name = CharField()\n", "User")
    app(project, "shop", SALE, "Sale", needs=("users",))
    for name in ("users", "shop"):
        assert project.run("create", "first", "--auto", "--app", name).code == 0
    assert project.run("migrate").code == 0
    return project


def test_p1_p2_an_app_is_a_package_that_a_command_makes(project: Project):
    """With its config, its models and its migrations folder."""
    assert project.run("app", "new", "blog").code == 0
    there = {path.name for path in (project.path / "blog").iterdir()}
    assert {"__init__.py", "smalls_app.py", "models.py", "migrations"} <= there
    assert "APP_CONFIG = AppConfig(" in (project.path / "blog/smalls_app.py").read_text()


def test_p3_models_are_registered_one_by_one_and_commands_are_the_apps_own(blog: Project):
    """A model that is not registered is no table; a command runs with the project's database."""
    (blog.path / "blog/models.py").write_text(HEAD + POST + "class Draft(Base):\n    title = CharField()\n")
    assert blog.run("create", "first", "--auto").code == 0
    assert blog.run("migrate").code == 0
    assert tables(blog) == ["post"]
    assert "hello from app.db" in blog.run("blog", "greet").stdout


def test_p4_what_an_app_needs_runs_first(two: Project):
    """Whatever the order in which apps are registered."""
    assert history(two) == ["users.0001_first", "shop.0001_first"]


def test_p5_the_projects_config_names_database_and_apps(blog: Project):
    """No other setting is needed."""
    assert 'DB = SqliteDatabase("app.db")' in CONF
    assert json.loads(blog.run("status", "--json").stdout)["database"].endswith("app.db")


def test_p6_p7_p9_models_against_the_sum_of_the_migrations(blog: Project):
    """Each --auto writes what is new; afterwards the database matches the models, and a third finds nothing."""
    assert blog.run("create", "first", "--auto", "--app", "blog").code == 0
    (blog.path / "blog/models.py").write_text(HEAD + POST + "    body = TextField(null=True)\n")
    made = blog.run("create", "second", "--auto", "--app", "blog")
    assert [event["message"] for event in made.named("models.changed")] == ["add column post.body"]
    assert blog.run("migrate", "--app", "blog").code == 0
    with sqlite3.connect(blog.path / "app.db") as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(post)")]
    assert columns == ["id", "title", "body"]
    assert blog.run("create", "third", "--auto", "--app", "blog").stdout == ""


def test_p8_a_migration_returns_a_manager(blog: Project):
    """Which registers the changes."""
    assert blog.run("create", "first", "--auto").code == 0
    text = (blog.path / "blog/migrations/0001_first.py").read_text()
    assert "def migrate() -> MigrationManager:" in text
    assert "manager.add_table(" in text
    assert text.endswith("    return manager\n")


def test_piccolo_backwards_deletes_rows_of_other_apps(two: Project):
    """Rows of one name are told apart by their app."""
    assert two.run("rollback", "zero", "--app", "shop", "--yes").code == 0
    assert history(two) == ["users.0001_first"]
    assert tables(two) == ["user"]


def test_piccolo_history_is_written_outside_the_transaction(blog: Project):
    """Where the row cannot be written, nothing of the migration stays."""
    assert blog.run("create", "first", "--auto").code == 0
    assert blog.run("migrate").code == 0
    app(blog, "blog", POST + "class Tag(Base):\n    name = CharField()\n", "Post", "Tag")
    assert blog.run("create", "second", "--auto").stdout
    with sqlite3.connect(blog.path / "app.db") as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON migration_history BEGIN SELECT RAISE(ABORT, 'no row'); END"
        )
    assert blog.run("migrate").code != 0
    assert tables(blog) == ["post"]
    assert history(blog) == ["blog.0001_first"]


def test_piccolo_preview_makes_the_history_table(blog: Project):
    """A plan changes nothing."""
    assert blog.run("create", "first", "--auto").code == 0
    assert "CREATE TABLE" in blog.run("migrate", "--plan").stdout
    assert not (blog.path / "app.db").exists() or tables(blog) == []


def test_piccolo_a_quote_in_the_description(blog: Project):
    """Or whatever else a person types."""
    made = blog.run("create", 'it\'s "new" / \\ ü', "--auto")
    assert made.code == 0, made.stderr
    assert blog.run("check").code == 0
    assert blog.run("migrate").code == 0


def test_piccolo_the_order_in_a_file_is_chance(blog: Project):
    """The same input gives the same file, to the byte, whatever the order of sets."""
    fields = "".join(
        f"    c{n} = CharField(null=True, index=True, choices={{('a', n), ('b', n)}})\n" for n in range(4)
    )
    models = HEAD + "n = 1\n" + "".join(f"class T{n}(Base):\n{fields}" for n in range(4)) + POST
    (blog.path / "blog/models.py").write_text(models)
    config = blog.path / "blog/smalls_app.py"
    config.write_text(config.read_text().replace("[Post]", "[Post, T0, T1, T2, T3]"))
    texts = set()
    for seed in ("0", "1", "42"):
        made = blog.run("create", "first", "--auto", env={"PYTHONHASHSEED": seed})
        path = blog.path / Path(made.stdout.strip())
        texts.add(path.read_bytes())
        path.unlink()
    assert len(texts) == 1
