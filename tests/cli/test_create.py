"""`create`: any description, the next number, and a file that runs."""

import sqlite3
import subprocess

import pytest

from tests.running import SMALLS, clean_environment

SOME = ("sqlite", "postgres15", "mariadb10")


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("adding column foo to table bar", "0001_adding_column_foo_to_table_bar.py"),
        ('a/b\\c \'d\' "e" """f""" {g} 🎉\\', "0001_a_b_c_d_e_f_g.py"),
        ("word " * 60, "0001_" + "word_" * 19 + "word.py"),
        ("two\nlines\tand\x07 more", "0001_two_lines_and_more.py"),
    ],
)
def test_any_description(project, description, name):
    """The file has a safe name, says the description, loads, and does nothing until it is filled in."""
    created = project.run("create", description)
    assert created.code == 0, created.stderr
    assert created.stdout == f"migrations/{name}\n"
    assert created.named("migration.created")[0]["path"] == f"migrations/{name}"
    assert description.split()[0][:4] in (project.migrations / name).read_text()
    assert project.run("migrate").code == 0
    assert project.run("rollback", "zero", "--yes").code == 0


@pytest.mark.parametrize("description", ["", "   ", "🎉", "///"])
def test_nothing_to_make_a_name_of(project, description):
    """A description without a letter or digit gets a clear answer, and no file."""
    created = project.run("create", description)
    assert created.code == 2
    assert "no letter or digit" in created.stderr
    assert list(project.migrations.iterdir()) == []


def test_a_description_that_is_not_utf8(project):
    """Bytes that are no text do not break the file, nor leave half of one."""
    done = subprocess.run(
        [*SMALLS, "create", b"add \xff column"],
        cwd=project.path,
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert project.run("check").code == 0
    assert [path.name for path in project.migrations.iterdir() if path.suffix == ".py"] == ["0001_add_column.py"]


@pytest.mark.parametrize(
    ("there", "number"),
    [
        ((), "0001"),
        (("__init__.py", "README.md", "12_x.py", "notes.py", "0007_x.txt", "0008_x.pyc"), "0001"),
        (("0001_a.py", "0005_b.py"), "0006"),
        (("0003_a.py", "0003_b.py"), "0004"),
        (("9999_a.py",), "10000"),
        (("9999_a.py", "10000_b.py"), "10001"),
    ],
)
def test_the_next_number(project, there, number):
    """The number is after the highest, past 9999 too, whatever else is in the folder."""
    for name in there:
        project.write(f"migrations/{name}", "def migrate(): pass\n")
    assert project.run("create", "next").stdout == f"migrations/{number}_next.py\n"


def test_the_folder_is_made(project):
    """The first `create` makes the folder; SMALLS_MIGRATIONS names it."""
    created = project.run("create", "x", env={"SMALLS_MIGRATIONS": "db/changes"})
    assert created.stdout == "db/changes/0001_x.py\n"


def test_a_folder_that_cannot_be_written(project):
    """Where the folder cannot be, it is a configuration error that says so."""
    project.write("file", "")
    created = project.run("create", "x", env={"SMALLS_MIGRATIONS": "file/migrations"})
    assert created.code == 3
    assert created.events[-2]["error"]["code"] == "SML-MIGRATIONS-FOLDER"


def test_create_needs_no_database(project):
    """`create` works in PROD without any database, and connects to none."""
    unreachable = {"SMALLS_ENV": "PROD", "SMALLS_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n"}
    assert project.run("create", "x", env=unreachable).code == 0
    assert project.run("create", "y", env={"SMALLS_ENV": "PROD"}).code == 0


FILLED = {
    "migrate": """
    class Thing(Model):
        title = CharField()
        class Meta:
            database = db
    db.create_tables([Thing])
    pw_migrate(migrator.add_column("thing", "size", IntegerField(default=3)))
    db.execute_sql("INSERT INTO thing (title, size) VALUES ('a', 4)")
""",
    "rollback": """
    pw_migrate(migrator.drop_column("thing", "size"))
    db.execute_sql("DROP TABLE thing")
""",
}


def _fill(path):
    text = path.read_text()
    for function, body in FILLED.items():
        head, separator, tail = text.partition(f"def {function}():\n")
        text = head + separator + "    from peewee import CharField, IntegerField, Model\n" + body + tail
    path.write_text(text)


@pytest.mark.parametrize("with_model", [False, True], ids=["plain", "model"])
def test_the_template_runs(project, database, with_model):
    """What the template offers works on every engine, with a model module and without."""
    env = dict(database.env)
    if with_model:
        project.write("shop/__init__.py", "")
        project.write("shop/model.py", "from peewee import DatabaseProxy\n\ndatabase = DatabaseProxy()\n")
        env |= {"SMALLS_MODEL": "shop.model", "SMALLS_OBJECT": "database"}
    assert project.run("create", "things", env=env).code == 0
    path = project.migrations / "0001_things.py"
    text = path.read_text()
    assert ("from shop.model import database" in text) is with_model
    if with_model:  # the file speaks of the object by its own name
        path.write_text(
            text.replace("from shop.model import database\n", "from shop.model import database\ndb = database\n")
        )
    _fill(path)
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    assert database.query("SELECT title, size FROM thing") == [("a", 4)]
    done = project.run("rollback", "0", "--yes", env=env)
    assert done.code == 0, done.stderr
    assert "thing" not in database.tables()


def test_the_form_of_upstreams_page(project):
    """`model = model.db` in config.ini names the object too, and the template imports it rightly."""
    project.write("model.py", "from peewee import SqliteDatabase\n\ndb = SqliteDatabase('own.db')\n")
    project.write("config.ini", "[smalls]\nmodel = model.db\n")
    assert project.run("create", "x").code == 0
    assert "from model import db\n" in (project.migrations / "0001_x.py").read_text()
    _fill(project.migrations / "0001_x.py")
    assert project.run("migrate").code == 0
    assert sqlite3.connect(project.path / "own.db").execute("SELECT size FROM thing").fetchall() == [(4,)]


def test_two_files_of_one_number(project):
    """Two people's equal numbers are told apart by name, both run, and `status` and `check` report them."""
    project.migration("0001_anna")
    project.migration("0001_bert")
    assert "0001_anna, 0001_bert" in project.run("check").named("history.warned")[0]["message"]
    shown = project.run("status").stdout
    assert "same number as 0001_bert" in shown
    assert "same number as 0001_anna" in shown
    done = project.run("migrate")
    assert [event["migration"] for event in done.named("migration.applied")] == ["0001_anna", "0001_bert"]
    assert done.named("history.warned")
