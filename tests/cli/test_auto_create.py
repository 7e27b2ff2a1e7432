"""`create --auto` and `check` in a project without apps, also one that has direct files already."""

import json
import os
import pty
import sqlite3
import subprocess
import sys

import pytest

from tests.running import SMALLS, Project, clean_environment

HEAD = """\
from peewee import *

db = SqliteDatabase("app.db")


class Base(Model):
    class Meta:
        database = db


"""
POST = "class Post(Base):\n    titel = CharField()\n"
ENV = {"SMALLS_MODEL": "models", "SMALLS_EDITED": "warn"}


def models(project: Project, text: str) -> None:
    (project.path / "models.py").write_text(HEAD + text)


def auto(project: Project, *args: str):
    return project.run("create", "change", "--auto", *args, env=ENV)


def query(project: Project, sql: str) -> list[tuple]:
    with sqlite3.connect(project.path / "app.db") as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def blog(project: Project) -> Project:
    """Give a project with one table, migrated, and a row in it."""
    models(project, POST)
    assert auto(project).code == 0
    assert project.run("migrate", env=ENV).code == 0
    query(project, "INSERT INTO post (titel) VALUES ('Hello')")
    return project


def test_a_rename_that_is_said_keeps_the_rows(blog: Project):
    """By a flag, where there is no terminal."""
    models(blog, POST.replace("titel", "title"))
    assert auto(blog, "--rename", "Post.titel=title").code == 0
    assert blog.run("migrate", env=ENV).code == 0
    assert query(blog, "SELECT title FROM post") == [("Hello",)]


def test_a_rename_that_is_not_said_is_warned_of_and_marked(blog: Project):
    """The warning says how to say otherwise; the file says in its name that it destroys."""
    models(blog, POST.replace("titel", "title"))
    made = auto(blog)
    assert made.code == 0
    assert made.stdout.strip() == "migrations/0002_change_destructive.py"
    hints = [event["hint"] for event in made.named("models.warned")]
    assert "--rename Post.titel=title" in hints
    assert any(hint.startswith("--backfill Post.title=") for hint in hints)
    shown = blog.run("migrate", "--plan", env=ENV)
    assert json.loads(shown.stdout)["plan"][0]["destructive"] is True
    assert "DESTRUCTIVE" in shown.named("migration.planned")[0]["message"]


def test_a_new_column_that_must_not_be_null_takes_a_value_by_flag(blog: Project):
    """The rows get it, later ones do not."""
    models(blog, POST + "    views = IntegerField()\n")
    assert auto(blog, "--fill", "Post.views=7").code == 0
    assert blog.run("migrate", env=ENV).code == 0
    assert query(blog, "SELECT titel, views FROM post") == [("Hello", 7)]


def test_questions_are_asked_on_a_terminal(blog: Project):
    """Whether that is the same column under a new name."""
    models(blog, POST.replace("titel", "title"))
    main, side = pty.openpty()
    try:
        os.write(main, b"y\n")
        done = subprocess.run(
            [*SMALLS, "create", "change", "--auto"],
            cwd=blog.path,
            env=clean_environment(ENV),
            stdin=side,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(main)
        os.close(side)
    assert "post.title the old titel under a new name?" in done.stderr
    assert 'rename_column("post", "titel", "title")' in (blog.migrations / "0002_change.py").read_text()


def test_flags_that_mean_nothing_without_auto(project: Project):
    """Are a usage error."""
    assert project.run("create", "x", "--adopt").code == 2


def test_auto_without_any_models(project: Project):
    """Says what to set."""
    done = project.run("create", "x", "--auto")
    assert done.code == 3
    assert "SMALLS_MODEL" in done.named("run.failed")[0]["error"]["hint"]


def test_check_tells_what_is_missing_and_needs_no_database(blog: Project):
    """Exit code 16, with the operations."""
    assert blog.run("check", env=ENV).code == 0
    models(blog, POST + "    views = IntegerField(null=True)\n")
    (blog.path / "app.db").unlink()
    done = blog.run("check", env=ENV)
    assert done.code == 16
    assert done.named("run.failed")[0]["error"]["operations"] == ["add column post.views"]
    assert not (blog.path / "app.db").exists()


def test_a_project_of_direct_files_is_not_told_that_models_differ(project: Project):
    """It never declared a state."""
    models(project, POST)
    project.migration("0001_first", "db.create_tables([])")
    assert project.run("check", env=ENV).code == 0


def test_direct_files_hide_the_state_until_it_is_adopted(project: Project):
    """Then the first --auto does not create what is there."""
    models(project, POST)
    project.migration("0001_first", 'db.execute_sql("CREATE TABLE post (id INTEGER PRIMARY KEY, titel TEXT)")')
    assert project.run("migrate", env=ENV).code == 0
    refused = auto(project)
    assert refused.code == 3
    assert refused.named("run.failed")[0]["error"]["migrations"] == ["0001_first"]
    adopted = auto(project, "--adopt")
    assert adopted.code == 0, adopted.stderr
    assert "state_only" in (project.migrations / "0002_change.py").read_text()
    assert project.run("migrate", env=ENV).code == 0
    assert auto(project).stdout == ""
    models(project, POST + "    views = IntegerField(null=True)\n")
    assert auto(project).code == 0
    assert project.run("migrate", env=ENV).code == 0
    assert query(project, "SELECT views FROM post") == []


def test_a_later_direct_file_says_what_it_did(blog: Project):
    """By `state`; one that touched only data says so with an empty list."""
    models(blog, POST + "    views = IntegerField(null=True)\n")
    blog.write(
        "migrations/0002_views.py",
        """\
        from smalls import db
        from smalls.operations import AddColumn
        from smalls.schema import Column, types

        state = [AddColumn("post", Column("views", types.integer(), null=True))]

        def migrate():
            db.execute_sql("ALTER TABLE post ADD COLUMN views INTEGER")

        def rollback():
            db.execute_sql("ALTER TABLE post DROP COLUMN views")
        """,
    )
    assert blog.run("check", env=ENV).code == 0
    assert blog.run("migrate", env=ENV).code == 0
    blog.migration("0003_data", 'db.execute_sql("UPDATE post SET views = 0")')
    assert auto(blog).code == 3
    blog.migration("0003_data", 'db.execute_sql("UPDATE post SET views = 0")', header="state = []")
    assert auto(blog).stdout == ""


def test_abstract_models_are_no_tables(project: Project):
    """Bases, mixins and models of another database stay out; models of the package come in."""
    project.write("site/__init__.py", "")
    package = project.path / "blogs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(
        HEAD
        + "from . import more\n"
        + "class TimeMixin(Base):\n    at = DateTimeField(null=True)\n"
        + "class Post(TimeMixin):\n    title = CharField()\n"
        + "class Special(Post):\n    extra = CharField(null=True)\n"
        + "class Other(Model):\n    class Meta:\n        database = SqliteDatabase('other.db')\n"
    )
    (package / "more.py").write_text("from peewee import *\n")
    done = project.run("create", "x", "--auto", env={"SMALLS_MODEL": "blogs.models"})
    assert sorted(event["message"] for event in done.named("models.changed")) == [
        "add table post",
        "add table special",
    ]


def test_a_data_migration_gets_the_models_of_its_time(blog: Project):
    """Whatever the models are by then."""
    blog.write(
        "migrations/0002_shout.py",
        """\
        from smalls.manager import MigrationManager

        def shout(db, models):
            for post in models.Post.select():
                post.titel = post.titel.upper()
                post.save()

        def migrate():
            manager = MigrationManager()
            manager.run_python(shout, "")
            return manager
        """,
    )
    done = blog.run("migrate", env=ENV)
    assert done.code == 0, done.stderr
    assert query(blog, "SELECT titel FROM post") == [("HELLO",)]
    assert blog.run("rollback", "1", "--yes", env=ENV).code == 0


def test_what_cannot_be_undone_is_refused_before_anything_is(blog: Project):
    """Exit code 8, and the history as it was."""
    blog.write(
        "migrations/0002_one_way.py",
        """\
        from smalls.manager import MigrationManager

        def migrate():
            manager = MigrationManager()
            manager.run_sql("UPDATE post SET titel = 'x'")
            return manager
        """,
    )
    checked = blog.run("check", env=ENV)
    assert checked.code == 3
    assert checked.named("run.failed")[0]["error"]["migrations"] == ["0002_one_way"]
    (step,) = json.loads(blog.run("migrate", "--plan", env=ENV).stdout)["plan"]
    assert step["reversible"] is False
    assert blog.run("migrate", env=ENV).code == 0
    assert blog.run("rollback", "zero", "--yes", env=ENV).code == 8
    assert len(query(blog, "SELECT * FROM migration_history")) == 2


def test_a_plan_runs_no_code_of_the_file(blog: Project):
    """One that only running could tell is not previewable, and the reason is told."""
    blog.write(
        "migrations/0002_loop.py",
        """\
        from smalls.manager import MigrationManager

        def migrate():
            open("ran", "w")
            manager = MigrationManager()
            manager.run_sql("UPDATE post SET titel = 'x'", "")
            return manager
        """,
    )
    shown = blog.run("migrate", "--plan", env=ENV)
    (step,) = json.loads(shown.stdout)["plan"]
    assert (step["style"], step["previewable"]) == ("declarative", False)
    assert "0002_loop" in step["reason"]
    assert not (blog.path / "ran").exists()
    assert blog.run("migrate", env=ENV).code == 0
    assert (blog.path / "ran").exists()


def test_a_plan_tells_a_file_that_asks_for_no_transaction(blog: Project):
    """Also of one whose statements could all run in one."""
    models(blog, POST + "    views = IntegerField(null=True)\n")
    assert auto(blog).code == 0
    path = blog.migrations / "0002_change.py"
    for attribute, wrapped in (("", True), ("\ntransaction = False\n", False)):
        path.write_text(path.read_text() + attribute)
        (step,) = json.loads(blog.run("migrate", "--plan", env=ENV).stdout)["plan"]
        assert step["transaction"] is wrapped


def test_a_rehearsal_leaves_nothing(blog: Project):
    """Of a declarative migration, too."""
    models(blog, POST + "    views = IntegerField(null=True)\n")
    assert auto(blog).code == 0
    assert blog.run("migrate", "--plan=execute", env=ENV).code == 0
    assert query(blog, "SELECT * FROM post") == [(1, "Hello")]


COUNTING = """
import sys

parsed = []


def hook(event, args):
    if event == "compile" and isinstance(args[0], bytes) and b'manager.add_table(\\n        "post' in args[0]:
        parsed.append(args[0])


sys.addaudithook(hook)
from smalls.cli.main import main

code = main(sys.argv[1:])
print(max(map(len, parsed)), sum(map(len, parsed)))
sys.exit(code)
"""


@pytest.mark.parametrize("command", [("check",), ("create", "x", "--auto")])
def test_a_big_migration_is_parsed_once(project: Project, command: tuple[str, ...]):
    """Piece by piece, whatever is asked of it; its tree, kept whole, would be most of the time and the memory."""
    models(project, "".join(f"class Post{n}(Base):\n    title = CharField()\n\n\n" for n in range(50)))
    assert auto(project).code == 0
    (made,) = project.migrations.glob("*.py")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *command],
        cwd=project.path,
        env=clean_environment(ENV),
        capture_output=True,
        text=True,
        check=True,
    )
    largest, whole = (int(number) / made.stat().st_size for number in done.stdout.split()[-2:])
    assert largest < 0.1
    assert 0.8 < whole < 1.2
    assert len(list(project.migrations.glob("*.py"))) == 1


MODELS_OF_A_PROXY = """\
from peewee import *

db = DatabaseProxy()


class Post(Model):
    title = CharField()
    published = BooleanField()

    class Meta:
        database = db


Post.add_index(fn.LOWER(Post.title), name="lowered")
Post.add_index(Post.title, where=(Post.published == True), name="published")
"""


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "sqlite"])
def test_check_needs_no_word_of_the_database(kind: str, project: Project):
    """What was written for one engine is the same to a check that knows of none, and of another."""
    (project.path / "models.py").write_text(MODELS_OF_A_PROXY)
    url = f"{kind}://u@127.0.0.1:1/nowhere" if kind != "sqlite" else "sqlite:///nowhere.db"
    done = project.run("create", "one", "--auto", env={**ENV, "SMALLS_DATABASE_URL": url})
    assert done.code == 0, done.stderr
    assert project.run("check", env=ENV).code == 0
    assert project.run("check", env={**ENV, "SMALLS_DATABASE_URL": "mysql://u@127.0.0.1:1/nowhere"}).code == 0


def test_a_chain_of_a_thousand_keys_goes_all_the_way(project: Project):
    """From models to tables and back, and nothing recurses."""
    keys = [f"class T{n}(Base):\n    up = ForeignKeyField(T{n - 1}, null=True)\n\n\n" for n in range(1, 1000)]
    models(project, "class T0(Base):\n    pass\n\n\n" + "".join(keys))
    assert auto(project).code == 0
    assert project.run("migrate", env=ENV).code == 0
    assert query(project, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 't%'") == [(1000,)]
    assert project.run("check", env=ENV).code == 0
    assert auto(project).named("run.finished")[0]["message"] == "Nothing to do: models and migrations agree."
    assert project.run("rollback", "zero", "--yes", env=ENV).code == 0
    assert query(project, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 't%'") == [(0,)]
