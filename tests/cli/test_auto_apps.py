"""Apps on the command line: dependencies, tables that change their app, commands of an app's own."""

import json
import sqlite3

import pytest

from tests.running import Project

CONF = """\
from peewee import SqliteDatabase
from smalls.apps import AppRegistry

DB = SqliteDatabase("app.db")
APP_REGISTRY = AppRegistry(apps=[{apps}])
"""
APP = """\
from pathlib import Path
from smalls.apps import AppConfig
from .models import *

def greet():
    '''Say hello.'''
    from smalls import db
    print("hello from", db.database)

def fail():
    raise ValueError("no")

def leave(code=3):
    raise SystemExit(code)

def leave_well():
    leave(0)

def ask_badly():
    from smalls import db
    db.execute_sql("SELECT * FROM nothing_there")

def misuse():
    import click
    raise click.UsageError("not like that")

APP_CONFIG = AppConfig(
    "{name}",
    Path(__file__).parent / "migrations",
    table_classes=[{models}],
    migration_dependencies=[{needs}],
    commands=[greet, fail, leave, leave_well, ask_badly, misuse],
)
"""
HEAD = """\
from peewee import *
from smalls_conf import DB
class Base(Model):
    class Meta:
        database = DB
"""


def app(project: Project, name: str, models: str, *registered: str, needs: tuple[str, ...] = ()) -> None:
    """Write an app."""
    needed = ", ".join(f'"{other}.smalls_app"' for other in needs)
    project.write(f"{name}/__init__.py", "")
    project.write(f"{name}/smalls_app.py", APP.format(name=name, models=", ".join(registered), needs=needed))
    path = project.write(f"{name}/models.py", "")
    path.write_text(HEAD + models)


def conf(project: Project, *names: str) -> None:
    """Register apps."""
    project.write("smalls_conf.py", CONF.format(apps=", ".join(f'"{name}.smalls_app"' for name in names)))


@pytest.fixture
def two(project: Project) -> Project:
    """Give a project with an app `shop` that depends on an app `users`, each with a migration."""
    conf(project, "shop", "users")
    app(project, "users", "class User(Base):\n    name = CharField()\n", "User")
    shop = "from users.models import User\nclass Sale(Base):\n    user = ForeignKeyField(User)\n"
    app(project, "shop", shop, "Sale", needs=("users",))
    for name in ("shop", "users"):
        made = project.run("create", "first", "--auto", "--app", name)
        assert made.code == 0, made.stderr
    return project


def tables(project: Project) -> list[str]:
    """Name the tables of the project's database, without ours."""
    with sqlite3.connect(project.path / "app.db") as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall()
    return [name for (name,) in rows if not name.startswith(("sqlite_", "migration_", "smalls_"))]


def history(project: Project) -> list[str]:
    """Name what is applied, in order."""
    with sqlite3.connect(project.path / "app.db") as connection:
        return [name for (name,) in connection.execute("SELECT name FROM migration_history ORDER BY id")]


def test_dependencies_are_migrated_first_also_when_only_one_is_asked_for(two: Project):
    """Whatever the order of the registry or of the alphabet."""
    done = two.run("migrate", "--app", "shop")
    assert done.code == 0, done.stderr
    assert history(two) == ["users.0001_first", "shop.0001_first"]


def test_an_app_without_dependents_runs_alone(two: Project):
    """And up to a number of its own."""
    assert two.run("migrate", "1", "--app", "users").code == 0
    assert history(two) == ["users.0001_first"]
    assert two.run("migrate", "shop.0001_first").code == 0
    assert two.run("migrate", "1").code == 2  # of which app?


def test_a_number_needs_no_app_where_there_is_only_one(two: Project):
    """Neither forward nor back."""
    env = {"SMALLS_APPS": "users"}
    assert two.run("migrate", "1", env=env).code == 0
    assert history(two) == ["users.0001_first"]
    assert two.run("rollback", "0", "--yes", env=env).code == 0


def test_a_rollback_says_which_app_and_what_depends_on_it(two: Project):
    """And undoes that too only where it is said."""
    assert two.run("migrate").code == 0
    assert two.run("rollback", "0", "--yes").code == 2
    refused = two.run("rollback", "0", "--app", "users", "--yes")
    assert refused.code == 8
    assert refused.named("run.failed")[0]["error"]["migrations"] == ["shop.0001_first"]
    assert history(two) == ["users.0001_first", "shop.0001_first"]
    assert two.run("rollback", "0", "--app", "users", "--with-dependents", "--yes").code == 0
    assert (history(two), tables(two)) == ([], [])


def test_only_what_was_put_on_top_depends_on_what_goes(two: Project):
    """A later migration of an app may go without those that others applied before it."""
    assert two.run("migrate").code == 0
    models = two.path / "users" / "models.py"
    models.write_text(models.read_text() + "    mail = CharField(null=True)\n")
    assert two.run("create", "mail", "--auto", "--app", "users").code == 0
    assert two.run("migrate").code == 0
    assert two.run("rollback", "1", "--app", "users", "--yes").code == 0
    assert history(two) == ["users.0001_first", "shop.0001_first"]


def test_status_of_one_app(two: Project):
    """Shows its migrations only."""
    found = json.loads(two.run("status", "--app", "shop", "--json").stdout)
    assert [(line["name"], line["state"]) for line in found["migrations"]] == [("shop.0001_first", "pending")]
    assert two.run("status", "--app", "nope").code == 3


def test_a_baseline_of_one_app(two: Project):
    """Records its migrations, and leaves the others pending."""
    assert two.run("baseline", "1", "--app", "users").code == 0
    assert (history(two), tables(two)) == (["users.0001_first"], [])


def test_a_cycle_of_apps_is_an_error_that_shows_it(project: Project):
    """With exit code 3."""
    conf(project, "a", "b")
    app(project, "a", "", needs=("b",))
    app(project, "b", "", needs=("a",))
    done = project.run("migrate")
    assert done.code == 3
    assert "a.smalls_app → b.smalls_app → a.smalls_app" in done.named("run.failed")[0]["message"]


def test_apps_by_the_environment(two: Project):
    """SMALLS_APPS wins over the registry; a package stands for its smalls_app."""
    assert two.run("migrate", env={"SMALLS_APPS": "users"}).code == 0
    assert history(two) == ["users.0001_first"]


def test_a_model_moves_to_another_app_without_its_rows_being_touched(two: Project):
    """One file in each app, state only; and back."""
    assert two.run("migrate").code == 0
    with sqlite3.connect(two.path / "app.db") as connection:
        connection.execute("INSERT INTO user (name) VALUES ('Ann')")
        connection.execute("INSERT INTO sale (user_id) VALUES (1)")
    app(
        two,
        "users",
        "class User(Base):\n    name = CharField()\nclass Sale(Base):\n    user = ForeignKeyField(User)\n",
        "User",
        "Sale",
    )
    app(two, "shop", "", needs=("users",))
    assert two.run("create", "sales go", "--auto", "--app", "shop").code == 0
    assert two.run("create", "sales come", "--auto", "--app", "users").code == 0
    assert two.run("check").code == 0
    assert two.run("migrate").code == 0
    with sqlite3.connect(two.path / "app.db") as connection:
        assert connection.execute("SELECT user_id FROM sale").fetchall() == [(1,)]
    (path,) = (two.path / "shop/migrations").glob("0002*")
    assert path.name == "0002_sales_go.py"
    assert "state_only" in path.read_text()


def test_an_app_s_own_commands(two: Project):
    """Run as ours do: with the run's database, and an error for what they raise."""
    done = two.run("users", "greet")
    assert (done.code, done.stdout.strip()) == (0, "hello from app.db")
    assert two.run("users", "nope").code == 2
    assert two.run("nobody", "greet").code == 2
    assert "Say hello." in two.run("users", "--help").stdout


def test_what_an_app_s_own_command_raises_is_the_app_s(two: Project):
    """Told with the app's own file and line, and never as a defect of smalls."""
    lines = (two.path / "users/smalls_app.py").read_text().splitlines()
    for name, words, raising in (
        ("fail", "users fail failed: ValueError: no", '    raise ValueError("no")'),
        ("leave", "users leave ended with 3.", "    raise SystemExit(code)"),
        ("ask-badly", "no such table: nothing_there", '    db.execute_sql("SELECT * FROM nothing_there")'),
    ):
        done = two.run("users", name)
        error = done.named("run.failed")[0]["error"]
        assert (done.code, error["code"]) == (12, "SML-COMMAND-FAILED")
        assert words in error["message"]
        assert error["file"] == str(two.path / "users/smalls_app.py")
        assert lines[error["line"] - 1] == raising
    assert two.run("users", "leave-well").code == 0
    assert two.run("users", "misuse").code == 2


def test_which_app_is_asked_the_same_way_everywhere(two: Project):
    """A question of usage, whatever the command."""
    for command in (["create", "x"], ["create", "x", "--auto"], ["rollback", "0", "--yes"]):
        done = two.run(*command)
        assert (done.code, "--app NAME" in done.stderr) == (2, True), command


def test_the_object_named_twice(two: Project):
    """DB in smalls_conf.py and SMALLS_OBJECT contradict one another."""
    done = two.run("status", env={"SMALLS_OBJECT": "db", "SMALLS_MODEL": "users.models"})
    assert done.code == 3
    assert "smalls_conf.py has a DB" in done.named("run.failed")[0]["message"]


def test_a_new_app_beside_others(two: Project):
    """Is not registered behind anybody's back, and nothing that is there is overwritten."""
    made = two.run("app", "new", "news")
    assert made.code == 0
    assert '"news.smalls_app"' in made.named("run.finished")[0]["message"]
    assert two.run("app", "new", "news").code == 3
    assert two.run("app", "new", "no-good").code == 3
