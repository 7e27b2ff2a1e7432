"""Projects and databases of the first smalls: they run unchanged, are adopted in place, and stay readable by it."""

import subprocess
import sys
from datetime import datetime
from urllib.parse import unquote, urlsplit

import pytest

from tests.databases import Database
from tests.running import Project, clean_environment

EVERY_FAMILY = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
MIGRATOR = {"sqlite": "SqliteMigrator", "postgres": "PostgresqlMigrator", "mysql": "MySQLMigrator"}

# The history as its own model has it; `version` came with the newer form.
HISTORY = """
    from datetime import datetime
    from peewee import AutoField, CharField, DateTimeField, IntegerField, Model
    from playhouse.shortcuts import ThreadSafeDatabaseMetadata
    from model import db

    class MigrationHistory(Model):
        id = AutoField(primary_key=True)
        name = CharField(unique=True)
        migrated_at = DateTimeField(null=False, default=datetime.now)
        {version}

        class Meta:
            database = db
            legacy_table_names = False
            model_metadata_class = ThreadSafeDatabaseMetadata
"""
FORMS = {"older": ("", ""), "newer": ("version = IntegerField(null=False)", ", version=2")}

FIRST = """
    # pylint: disable=C0103
    from playhouse.migrate import {migrator}
    from playhouse.migrate import migrate as pw_migrate

    from model import db, Person

    migrator = {migrator}(db)

    def migrate():
        db.create_tables([Person])

    def rollback():
        db.drop_tables([Person])
"""
SECOND = """
    from peewee import CharField, IntegerField
    from playhouse.migrate import {migrator}
    from playhouse.migrate import migrate as pw_migrate

    # Model from the config file
    from model import db

    migrator = {migrator}(db)

    title_field = CharField(default="", max_length=40)

    def migrate():
        pw_migrate(
            migrator.add_column("person", "title", title_field),
            migrator.add_index("person", ("title",), False),
            migrator.rename_column("person", "years", "age"),
        )

    def rollback():
        pw_migrate(
            migrator.rename_column("person", "age", "years"),
            migrator.drop_index("person", "person_title"),
            migrator.drop_column("person", "title"),
        )
"""


def connection_of(database: Database) -> str:
    """Write the database object as a project's model module has it."""
    if database.family == "sqlite":
        return f"SqliteDatabase({database.name!r})"
    parts = urlsplit(database.url)
    kind = "PostgresqlDatabase" if database.family == "postgres" else "MySQLDatabase"
    password = unquote(parts.password or "")
    return (
        f"{kind}({database.name!r}, user={parts.username!r}, password={password!r}, "
        f"host={parts.hostname!r}, port={parts.port})"
    )


@pytest.fixture
def upstream(project: Project, database: Database) -> Project:
    """Give a project as the first smalls knew it: config.ini, model.py, two migrations."""
    project.write("config.ini", "[smalls]\nmodel=model\nobject=db\n")
    project.write(
        "model.py",
        f"""
        from peewee import *

        db = {connection_of(database)}

        class Person(Model):
            name = CharField(max_length=40)
            years = IntegerField(default=0)

            class Meta:
                database = db
        """,
    )
    migrator = MIGRATOR[database.family]
    project.write("migrations/0001_people.py", FIRST.format(migrator=migrator))
    project.write("migrations/0002_titles.py", SECOND.format(migrator=migrator))
    return project


def python(project: Project, code: str, form: str) -> str:
    """Run code beside the project's model, with the history's own model of one form; give what it prints."""
    project.write("theirs.py", HISTORY.format(version=FORMS[form][0]))
    text = f"from theirs import *\nfrom model import *\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=project.path,
        env=clean_environment({"PYTHONPATH": str(project.path)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_theirs(project: Project, form: str) -> None:
    """Apply the first migration as the first smalls did: run it, then record it."""
    python(
        project,
        f"""
if not db.table_exists(MigrationHistory):
    db.create_tables([MigrationHistory])
from importlib import import_module
import_module("migrations.0001_people").migrate()
MigrationHistory.create(name="0001_people", migrated_at=datetime(2024, 1, 2, 3, 4, 5){FORMS[form][1]})
Person.create(name="Ada", years=36)
""",
        form,
    )


def test_a_project_runs_unchanged(upstream: Project, database: Database) -> None:
    """config.ini, model.py and files that bind their own migrator: forwards, status, backwards, forwards."""
    result = upstream.run("migrate")
    assert result.code == 0, result.stderr
    assert result.named("migration.unwrapped") == []
    database.query("SELECT title, age FROM person")
    assert "2 applied, 0 pending" in upstream.run("status").stdout
    assert upstream.run("rollback", "0000", "--yes").code == 0
    assert "person" not in database.tables()
    assert upstream.run("migrate").code == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10", "mysql9"], indirect=True)
@pytest.mark.parametrize("form", FORMS)
def test_a_database_is_adopted_in_place(form: str, upstream: Project, database: Database) -> None:
    """Nothing is run again and nothing lost; rows stay as they are; theirs can still read and add rows."""
    as_theirs(upstream, form)
    before = database.query("SELECT * FROM migration_history")
    dump = database.dump()
    assert "1 applied, 1 pending" in upstream.run("status").stdout
    assert upstream.run("migrate", "--plan").code == 0
    assert database.dump() == dump  # looking changes nothing

    result = upstream.run("migrate")
    assert result.code == 0, result.stderr
    assert [event["migration"] for event in result.named("migration.applied")] == ["0002_titles"]
    assert result.named("history.adopted")
    columns = ", ".join(["id", "name", "migrated_at", *(["version"] if form == "newer" else [])])
    assert database.query(f"SELECT {columns} FROM migration_history WHERE id = 1") == before
    assert database.query("SELECT name, age, title FROM person") == [("Ada", 36, "")]

    listed = python(
        upstream,
        f"""
rows = list(MigrationHistory.select().order_by(MigrationHistory.migrated_at.desc(), MigrationHistory.id.desc()))
assert all(isinstance(row.migrated_at, datetime) for row in rows), rows
print(*(row.name for row in rows))
MigrationHistory.create(name="0003_theirs"{FORMS[form][1]})
""",
        form,
    )
    assert listed.split() == ["0002_titles", "0001_people"]
    upstream.write("migrations/0003_theirs.py", "def migrate():\n    1 / 0\ndef rollback():\n    pass\n")
    upstream.write("migrations/0004_ours.py", "def migrate():\n    pass\ndef rollback():\n    pass\n")
    result = upstream.run("migrate")
    assert [event["migration"] for event in result.named("migration.applied")] == ["0004_ours"]
    result = upstream.run("rollback", "0001", "--yes")
    assert [event["migration"] for event in result.named("migration.undone")] == [
        "0004_ours",
        "0003_theirs",
        "0002_titles",
    ]
    assert database.query(f"SELECT {columns} FROM migration_history") == before


@EVERY_FAMILY
def test_both_can_write_to_a_table_of_ours(upstream: Project, database: Database) -> None:
    """A history that we made is read and added to by either form; the local clock and the version are theirs."""
    began = datetime.now().replace(microsecond=0)  # noqa: DTZ005 -- as the first smalls wrote it
    assert upstream.run("migrate", env={"SMALLS_VERSION": "7"}).code == 0
    for number, form in enumerate(FORMS, start=3):
        out = python(
            upstream,
            f"""
first = MigrationHistory.get_by_id(1)
print(first.name, first.migrated_at.isoformat(), getattr(first, "version", 7))
MigrationHistory.create(name="000{number}_{form}"{FORMS[form][1]})
""",
            form,
        )
        name, at, version = out.split()
        assert (name, version) == ("0001_people", "7")
        assert began <= datetime.fromisoformat(at) <= datetime.now()  # noqa: DTZ005
    assert len(database.query("SELECT * FROM migration_history")) == 4


@SQLITE
def test_nothing_to_do_adopts_nothing(upstream: Project, database: Database) -> None:
    """Where every file is applied already, not even our columns are added, and PROD is content."""
    as_theirs(upstream, "newer")
    (upstream.migrations / "0002_titles.py").unlink()
    before = database.dump()
    for environment in ("DEV", "PROD"):
        result = upstream.run("migrate", env={"SMALLS_ENV": environment})
        assert result.code == 0, result.stderr
        assert result.named("lock.acquired") == []
    assert database.dump() == before


@EVERY_FAMILY
def test_an_adopted_file_is_known_when_it_changes(upstream: Project, database: Database) -> None:
    """From the adoption on, adopted files are held to what they were then."""
    as_theirs(upstream, "older")
    assert upstream.run("migrate").code == 0
    path = upstream.migrations / "0001_people.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    assert upstream.run("migrate", env={"SMALLS_ENV": "PROD"}).code == 8


# What config.ini says → the module and the object that it means.
CONFIGS = {
    "model": ("model=model\nobject=db", "model.py", "db"),
    "the text's model.db": ("model=model.db\nobject=db", "model.py", "db"),
    "the text's without object": ("model=model.db", "model.py", "db"),
    "a module in a package": ("model=app.models\nobject=db", "app/models.py", "db"),
    "a package's module, with the object": ("model=app.models.db\nobject=db", "app/models.py", "db"),
    "another object": ("model=model\nobject=database", "model.py", "database"),
    "another object in both": ("model=model.database\nobject=database", "model.py", "database"),
    "a package": ("model=app\nobject=db", "app/__init__.py", "db"),
    "a module named like the object": ("model=db\nobject=db", "db.py", "db"),
    "a version": ("model=model\nobject=db\nsmalls_version=3", "model.py", "db"),
    "spaces and capitals": ("Model = model\nObject = db", "model.py", "db"),
}


@SQLITE
@pytest.mark.parametrize("case", CONFIGS)
def test_what_config_ini_means(case: str, project: Project, database: Database) -> None:
    """Both forms of `model` find the object, and the run uses that same object."""
    text, path, name = CONFIGS[case]
    project.write("config.ini", f"[smalls]\n{text}\n")
    project.write(path, f"from peewee import SqliteDatabase\n{name} = SqliteDatabase({database.name!r})\n")
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    project.migration(
        "0001_same",
        f"assert smalls.db is {name}\n{name}.execute_sql('CREATE TABLE made (id INTEGER)')",
        header=f"import smalls\nfrom {module} import {name}\n",
    )
    result = project.run("migrate")
    assert result.code == 0, result.stderr
    assert "made" in database.tables()
    versions = database.query("SELECT version FROM migration_history")
    assert versions == [(3,)] if "version" in case else versions == [(0,)]


@SQLITE
def test_its_variables_are_heeded(upstream: Project, database: Database) -> None:
    """SMALLS_MODEL and SMALLS_VERSION win over config.ini, SMALLS_CONFIG names another; SMALLS_END is doubted."""
    upstream.write("other.ini", "[smalls]\nmodel=nowhere\nsmalls_version=1\n")
    result = upstream.run(
        "migrate",
        env={"SMALLS_CONFIG": "other.ini", "SMALLS_MODEL": "model", "SMALLS_VERSION": "5", "SMALLS_END": "PROD"},
    )
    assert result.code == 0, result.stderr
    assert {version for (version,) in database.query("SELECT version FROM migration_history")} == {5}
    assert any("SMALLS_ENV" in event["message"] for event in result.named("config.warned"))
    assert result.named("run.started")[0]["environment"] == "DEV"


@EVERY_FAMILY
def test_initdb_and_seed(upstream: Project, database: Database) -> None:
    """Its scripts need no mode bits; they use the model module, and the database the run uses."""
    upstream.write(
        "initdb.py",
        """
        #!/usr/bin/env python3
        from model import db, Person
        db.connect()
        db.create_tables([Person])
        print("made")
        """,
    )
    upstream.write("seed.py", "from model import Person\nPerson.create(name='Grace', years=85)\nprint('sown')\n")
    for command, word in (("init", "made"), ("seed", "sown")):
        result = upstream.run(command)
        assert result.code == 0, result.stderr
        assert [event["message"] for event in result.named("script.output")] == [word]
    assert database.query("SELECT name FROM person") == [("Grace",)]


@SQLITE
def test_a_script_that_calls_smalls(upstream: Project, database: Database) -> None:
    """An initdb.py that runs the migrations, as by `./smalls.py migrate`, does not wait for its parent."""
    upstream.write(
        "initdb.py",
        """
        import subprocess, sys
        sys.exit(subprocess.run([sys.executable, "-m", "smalls", "migrate"]).returncode)
        """,
    )
    result = upstream.run("init", env={"SMALLS_LOCK_TIMEOUT": "1"})
    assert result.code == 0, result.stderr
    assert "person" in database.tables()
