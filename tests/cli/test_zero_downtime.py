"""The guide to zero downtime, as it stands: two versions of an app write one database while a column is renamed."""

import queue
import re
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import peewee
import pytest
from playhouse.db_url import connect

from tests.databases import Database
from tests.running import Project
from tests.servers import MYSQL, POSTGRES
from tests.test_docs import ROOT

GUIDE = ROOT / "docs" / "guides" / "zero-downtime.md"
ENOUGH = 50  # rows that wait for the other version; further ones are nobody else's
FILES = re.findall(r"```python\n# (migrations/\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
FIRST = dict(FILES)["migrations/0001_accounts.py"]


def write_guide(project: Project, family: str) -> None:
    """Write the guide's migrations, in the form for that family."""
    for name, body in FILES:
        if family == "mysql" or not (project.path / name).exists():  # theirs comes second
            theirs = re.sub(r"\[.*# on PostgreSQL\n *# (\[.*?\],)", r"\1", body) if family == "mysql" else body
            (project.path / name).write_text(theirs)


class Version(threading.Thread):
    """One version of the app: writes rows under its own name of the column, and reads those of the other."""

    def __init__(self, database: Database, column: str, given: queue.Queue, taken: queue.Queue) -> None:
        super().__init__(daemon=True)
        self.db = connect(database.url)
        self.model = type("Account", (peewee.Model,), {column: peewee.CharField(max_length=100)})
        self.model._meta.table_name = "account"
        self.model.bind(self.db)
        self.column, self.given, self.taken = column, given, taken
        self.over = threading.Event()
        self.rows: dict[int, str] = {}
        self.checked = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        """Go on until told to end, or until something is wrong."""
        try:
            with self.db.connection_context():
                number = 0
                while not self.over.is_set():
                    number += 1
                    self.turn(f"{self.column}{number}")
        except BaseException as error:
            self.error = error

    def turn(self, text: str) -> None:
        """Make a row, change it, give it to the other version; and take one of the other's over."""
        row = self.model.create(**{self.column: text})
        self.change(row.id, f"{text}@b")
        if self.given.qsize() < ENOUGH:
            self.given.put((row.id, f"{text}@b"))
        else:
            self.rows[row.id] = f"{text}@b"
        if not self.taken.empty():
            number, wanted = self.taken.get()
            assert self.read(number) == wanted
            self.change(number, f"{wanted}@c")
            assert self.read(number) == f"{wanted}@c"
            self.rows[number] = f"{wanted}@c"
            self.checked += 1

    def read(self, number: int) -> str:
        """Read a row."""
        return getattr(self.model.get_by_id(number), self.column)

    def change(self, number: int, text: str) -> None:
        """Change a row."""
        assert self.model.update(**{self.column: text}).where(self.model.id == number).execute() == 1

    def end(self) -> None:
        """End it, and say what went wrong."""
        self.over.set()
        self.join(30)
        if self.error:
            raise self.error


@contextmanager
def running(*versions: Version):
    """Let versions run within the block."""
    for version in versions:
        version.start()
    try:
        yield
    finally:
        for version in versions:
            version.over.set()


def wait_for(holds: Callable[[], bool], *versions: Version) -> None:
    """Wait until that is so, or a version has failed."""
    deadline = time.monotonic() + 60
    while not holds():
        for version in versions:
            assert version.error is None, version.error
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_two_versions_while_a_column_is_renamed(database: Database, project: Project):
    """No error and no lost write, before, between and after each step; the contract step comes when v1 is gone."""
    env = {**database.env, "SMALLS_ENV": "PROD", "SMALLS_VERSION": "1.0.0"}
    project.write("migrations/0001_accounts.py", FIRST)
    assert project.run("migrate", env=env).code == 0
    env["SMALLS_VERSION"] = "2.0.0"
    one, two = queue.Queue(), queue.Queue()
    old, new = Version(database, "mail", one, two), Version(database, "email", two, one)
    with running(old):
        wait_for(lambda: one.qsize() > 20, old)
        write_guide(project, database.family)
        done = project.run("migrate", env=env)
        assert done.code == 0, done.stderr
        assert done.named("migration.held")[0]["migrations"] == ["0005_no_mail"]
        with running(new):
            wait_for(lambda: min(old.checked, new.checked) > 30, old, new)
            old.end()
            wait_for(one.empty, new)
            done = project.run("migrate", "--phase", "contract", env=env)
            assert done.code == 0, done.stderr
            more = len(new.rows)
            wait_for(lambda: len(new.rows) > more + 20, new)
            new.end()
    found = dict(database.query("SELECT id, email FROM account"))
    last = dict(two.queue) | old.rows | new.rows
    assert {number: found[number] for number in last} == last
    assert len(found) == len(last)
    assert project.run("verify", env=env).code == 0
    project.write("old/0001_accounts.py", FIRST)
    late = project.run("migrate", env=env | {"SMALLS_VERSION": "1.0.0", "SMALLS_MIGRATIONS": "old"})
    assert late.code == 9, late.stderr
