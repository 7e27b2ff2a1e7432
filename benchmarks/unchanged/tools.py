"""The tools: how each gets its project, and the command that holds models against migrations."""

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.commands import Command, FailedError, run
from benchmarks.environments import this_project
from benchmarks.peers.base import PythonPeer, installed_version, write
from benchmarks.peers.django import MANAGE
from benchmarks.peers.piccolo import Piccolo
from benchmarks.unchanged.models import DJANGO, PEEWEE, PICCOLO, SQLALCHEMY, Dialect

SETTINGS = """DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "bench.sqlite"}}
INSTALLED_APPS = ["bench"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
ENV = """import models
from alembic import context
from sqlalchemy import create_engine

with create_engine("sqlite:///bench.sqlite").connect() as connection:
    context.configure(connection=connection, target_metadata=models.Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = '''"""${message}"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''
PICCOLO_CONF = """from piccolo.conf.apps import AppRegistry
from piccolo.engine.sqlite import SQLiteEngine

DB = SQLiteEngine(path="bench.sqlite")
APP_REGISTRY = AppRegistry(apps=["bench.piccolo_app"])
"""
PICCOLO_APP = """from pathlib import Path

from piccolo.conf.apps import AppConfig, table_finder

APP_CONFIG = AppConfig(
    app_name="bench",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
    table_classes=table_finder(modules=["bench.tables"]),
)
"""


@dataclass(slots=True)
class Tool(PythonPeer):
    """A tool. `name` is its environment's, `label` the table's; paths are within the project.

    `begin` are the commands that lead from the models to migrations, `check` the one that is measured, `most` the
    number of tables up to which it is.
    """

    name: str
    package: str
    label: str
    dialect: Dialect
    models: str
    migrations: str
    files: dict[str, str]
    begin: tuple[tuple[str, ...], ...]
    check: tuple[str, ...]
    most: int = 1_000
    programs: Path = field(default_factory=Path)

    def prepare(self, folder: Path, tables: int) -> None:
        """Write a project whose migrations agree with its models. Raises FailedError."""
        for name, text in self.files.items():
            write(folder, name, text)
        (folder / self.migrations).mkdir(parents=True, exist_ok=True)
        write(folder, self.models, self.dialect.text(tables))
        for words in self.begin:
            run(self._command(folder, words))
        if not self._migrations(folder):
            raise FailedError(f"{self.label} made no migration")

    def command(self, folder: Path) -> Command:
        """Return the command to measure."""
        return self._command(folder, self.check)

    def verify(self, folder: Path, tables: int) -> None:
        """Hold the tool to its word: it wrote nothing so far, and it sees a column more. Raises FailedError."""
        before = self._migrations(folder)
        if len(before) != 1:
            raise FailedError(f"{self.label} saw changes where there are none: {before}")
        write(folder, self.models, self.dialect.text(tables, changed=True))
        try:
            run(self.command(folder))
        except FailedError:
            return  # a tool that only checks says so by its exit code
        if self._migrations(folder) == before:
            raise FailedError(f"{self.label} did not see a new column")

    def _command(self, folder: Path, words: tuple[str, ...]) -> Command:
        return Command((self.programs / words[0], *words[1:]), folder)

    def _migrations(self, folder: Path) -> list[str]:
        found = (folder / self.migrations).glob("*.py")
        return sorted(path.name for path in found if path.name != "__init__.py")


class Smalls(Tool):
    """smalls as it is in this tree."""

    def install(self) -> str:
        """Install what is in this tree."""
        self.programs = this_project()
        return installed_version(self.programs, self.package)


def _smalls(label: str, *check: str) -> Tool:
    return Smalls(
        name="smalls",
        package="smalls",
        label=label,
        dialect=PEEWEE,
        models="models.py",
        migrations="migrations",
        files={"config.ini": "[smalls]\nmodel = models\n"},
        begin=(("smalls", "create", "--auto", "first"),),
        check=("smalls", *check),
    )


AUTO, CHECK, DJANGO_CHECK = "smalls create --auto", "smalls check", "Django makemigrations --check"
TOOLS = (
    _smalls(AUTO, "create", "--auto", "second"),
    _smalls(CHECK, "check"),
    Tool(
        name="django",
        package="Django",
        label=DJANGO_CHECK,
        dialect=DJANGO,
        models="bench/models.py",
        migrations="bench/migrations",
        files={
            "manage.py": MANAGE,
            "settings.py": SETTINGS,
            "bench/__init__.py": "",
            "bench/migrations/__init__.py": "",
        },
        begin=(("python", "manage.py", "makemigrations", "bench"),),
        check=("python", "manage.py", "makemigrations", "--check"),
    ),
    Tool(
        name="alembic",
        package="alembic",
        label="alembic check",
        dialect=SQLALCHEMY,
        models="models.py",
        migrations="migrations/versions",
        files={
            "alembic.ini": "[alembic]\nscript_location = migrations\nprepend_sys_path = .\n",
            "migrations/env.py": ENV,
            "migrations/script.py.mako": REVISION,
        },
        begin=(("alembic", "revision", "--autogenerate", "-m", "first"), ("alembic", "upgrade", "head")),
        check=("alembic", "check"),
    ),
    Tool(
        name="piccolo",
        package=Piccolo.package,
        label="Piccolo migrations new --auto",
        dialect=PICCOLO,
        models="bench/tables.py",
        migrations="bench/piccolo_migrations",
        files={
            "piccolo_conf.py": PICCOLO_CONF,
            "bench/__init__.py": "",
            "bench/piccolo_app.py": PICCOLO_APP,
            "bench/piccolo_migrations/__init__.py": "",
        },
        begin=(("piccolo", "migrations", "new", "bench", "--auto"),),
        check=("piccolo", "migrations", "new", "bench", "--auto"),
        most=200,
    ),
)
