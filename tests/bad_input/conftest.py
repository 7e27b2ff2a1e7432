"""A project with one migration, applied on an embedded database, for every test to spoil."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bad_input.forked import smalls
from tests.running import Project

EMPTY = "def migrate():\n    pass\n\n\ndef rollback():\n    pass\n"


class Spoilt(Project):
    """A project whose database is smalls.db in its folder."""

    @property
    def database(self) -> Path:
        """Give the database file."""
        return self.path / "smalls.db"

    def sql(self, *statements: str | tuple) -> None:
        """Run statements in the database, each on its own, with its parameters."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))

    def smalls(self, *words: str, **env: str):
        """Run a command and hold what must be so of every run."""
        return smalls(*words, cwd=self.path, env=env)


def spoilt(path: Path) -> Spoilt:
    """Make such a project, nothing applied yet."""
    project = Spoilt(path)
    project.migrations.mkdir(parents=True)
    project.write("migrations/0001_a.py", EMPTY)
    return project


@pytest.fixture
def fresh(tmp_path):
    """Give a project with one migration that is pending."""
    return spoilt(tmp_path / "project")


@pytest.fixture
def applied(fresh):
    """Give a project with one migration that is applied."""
    assert fresh.smalls("migrate").code == 0
    return fresh
