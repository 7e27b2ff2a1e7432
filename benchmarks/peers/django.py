"""Django's migrations, in a project with one app and no other."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.peers.base import PythonPeer, Scenario, write
from tests.databases import Database

MANAGE = """import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""
# Django asks for mysqlclient; PyMySQL, which every other peer here uses, has to say that it is one.
SETTINGS = """import os
from urllib.parse import unquote, urlsplit

url = urlsplit(os.environ["DATABASE_URL"])
engine = {"sqlite": "sqlite3", "postgresql": "postgresql", "mysql": "mysql"}[url.scheme]
if engine == "mysql":
    import pymysql

    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": unquote(url.path[1:]),
        "HOST": url.hostname or "",
        "PORT": url.port or "",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
    }
}
INSTALLED_APPS = ["bench"]
USE_TZ = True
"""
FILE = '''"""{title}"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = [
        migrations.CreateModel(
            name="Bench{number:05}",
            fields=[
                ("id", models.IntegerField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length={width})),
            ],
            options={{"db_table": "{table}"}},
        ),
    ]
'''
MODEL = """

class Bench{number:05}(models.Model):
    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length={width})

    class Meta:
        db_table = "{table}"
"""


class Django(PythonPeer):
    """Its own operations, as `makemigrations` writes them, and the models that they come from."""

    name, package = "django", "Django"

    def prepare(self, folder: Path, count: int) -> None:
        """Write `manage.py`, settings, models and `bench/migrations/NNNN_….py`."""
        write(folder, "manage.py", MANAGE)
        write(folder, "settings.py", SETTINGS)
        write(folder, "bench/__init__.py", "")
        write(folder, "bench/migrations/__init__.py", "")
        models = ["from django.db import models\n"]
        for number in range(1, count + 1):
            how = {"number": number, "width": schema.WIDTH, "table": schema.table(number)}
            before = [("bench", schema.stem(number - 1))] if number > 1 else []
            text = FILE.format(title=schema.stem(number), dependencies=before, **how)
            write(folder, f"bench/migrations/{schema.stem(number)}.py", text)
            models.append(MODEL.format(**how))
        write(folder, "bench/models.py", "".join(models))

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `python manage.py migrate`."""
        words = (self.programs / "python", "manage.py", "migrate", "--no-input")
        return Command(words, folder, {"DATABASE_URL": database.url})

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table that are the app's."""
        return "SELECT count(*) FROM django_migrations WHERE app = 'bench'"
