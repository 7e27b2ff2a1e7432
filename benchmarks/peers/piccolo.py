"""Piccolo's migrations, in a project with one app."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.environments import LeftOutError
from benchmarks.peers.base import PythonPeer, Scenario, write
from tests.databases import Database

CONF = """import os
from urllib.parse import unquote, urlsplit

from piccolo.conf.apps import AppRegistry

url = urlsplit(os.environ["DATABASE_URL"])
if url.scheme == "sqlite":
    from piccolo.engine.sqlite import SQLiteEngine

    DB = SQLiteEngine(path=unquote(url.path[1:]))
else:
    from piccolo.engine.postgres import PostgresEngine

    DB = PostgresEngine(config={"dsn": url.geturl()})
APP_REGISTRY = AppRegistry(apps=["bench.piccolo_app"])
"""
APP = """from pathlib import Path

from piccolo.conf.apps import AppConfig

APP_CONFIG = AppConfig(
    app_name="bench",
    migrations_folder_path=str(Path(__file__).parent / "piccolo_migrations"),
)
"""
COLUMN = """\
    manager.add_column(
        table_class_name="Bench{number:05}",
        tablename="{table}",
        column_name="{name}",
        db_column_name="{name}",
        column_class_name="{kind}",
        column_class={kind},
        params={{
            {own},
            "null": False,
            "primary_key": {primary_key},
            "unique": False,
            "index": False,
            "index_method": IndexMethod.btree,
            "choices": None,
            "db_column_name": None,
            "secret": False,
        }},
        schema=None,
    )
"""
COLUMNS = (
    {"name": "id", "kind": "Integer", "own": '"default": None', "primary_key": True},
    {
        "name": "name",
        "kind": "Varchar",
        "own": f'"length": {schema.WIDTH},\n            "default": ""',
        "primary_key": False,
    },
)
FILE = """from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import Integer
from piccolo.columns.column_types import Varchar
from piccolo.columns.indexes import IndexMethod

ID = "{revision}"
VERSION = "1.38.0"
DESCRIPTION = "{title}"


async def forwards():
    manager = MigrationManager(migration_id=ID, app_name="bench", description=DESCRIPTION)

    manager.add_table(class_name="Bench{number:05}", tablename="{table}", schema=None, columns=None)

{columns}
    return manager
"""


class Piccolo(PythonPeer):
    """Its own operations, as `migrations new --auto` writes them; its tables are not looked at to apply them."""

    name, package = "piccolo", "piccolo[postgres,sqlite]"

    def prepare(self, folder: Path, count: int) -> None:
        """Write `piccolo_conf.py`, the app and `bench/piccolo_migrations/bench_….py`."""
        write(folder, "piccolo_conf.py", CONF)
        write(folder, "bench/__init__.py", "")
        write(folder, "bench/piccolo_app.py", APP)
        write(folder, "bench/piccolo_migrations/__init__.py", "")
        for number in range(1, count + 1):
            text = FILE.format(
                revision=f"2026-01-01T00:00:00:{number:06}",  # they run in this order
                title=schema.stem(number),
                number=number,
                table=schema.table(number),
                columns="\n".join(
                    COLUMN.format(number=number, table=schema.table(number), **column) for column in COLUMNS
                ),
            )
            write(folder, f"bench/piccolo_migrations/bench_2026_01_01t00_00_00_{number:06}.py", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `piccolo migrations forwards bench`. Raises LeftOutError where Piccolo has no such engine."""
        if database.family == "mysql":
            raise LeftOutError("it has no MySQL or MariaDB")
        words = (self.programs / "piccolo", "migrations", "forwards", "bench")
        return Command(words, folder, {"DATABASE_URL": database.url})

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table that are the app's."""
        return "SELECT count(*) FROM migration WHERE app_name = 'bench'"
