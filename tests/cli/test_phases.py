"""Expand and contract on the command line, on every engine."""

import json

import pytest

from tests.databases import Database
from tests.running import Project
from tests.servers import MYSQL

OURS = ("migration_history", "smalls_journal", "smalls_lease")
HEAD = """\
from smalls.manager import MigrationManager
from smalls.schema import Check, Column, Index, types

"""
TABLE = """\
manager.add_table(
    "note",
    [
        Column("id", types.auto()),
        Column("title", types.varchar(40)),
        Column("old", types.varchar(40), null=True),
    ],
    primary_key="id",
)
"""
DROP_OLD = 'manager.drop_column("note", Column("old", types.varchar(40), null=True))'
ADD_BODY = 'manager.add_column("note", Column("body", types.integer(), null=True))'
LONGER = 'manager.alter_column("note", Column("title", types.varchar(40)), Column("title", types.varchar(80)))'
ADD_OLD = 'manager.add_column("note", Column("old", types.integer(), null=True))'


def write(project: Project, name: str, *lines: str, contract: bool = False) -> None:
    """Write a declarative migration."""
    body = "".join(f"    {line}\n" for each in lines for line in each.splitlines())
    head = HEAD + ('phase = "contract"\n\n' if contract else "")
    path = project.write(f"migrations/{name}.py", "")
    path.write_text(f"{head}\ndef migrate():\n    manager = MigrationManager()\n{body}    return manager\n")


@pytest.fixture
def released(project: Project, database: Database) -> dict[str, str]:
    """Give the environment of a release that is migrated up to what it holds: 0002; 0003 is applied."""
    env = {**database.env, "SMALLS_ENV": "PROD"}
    write(project, "0001_first", TABLE)
    assert project.run("migrate", env=env).code == 0
    database.execute("INSERT INTO note (title, old) VALUES ('one', 'x')")
    write(project, "0002_no_old", DROP_OLD, contract=True)
    write(project, "0003_bodies", ADD_BODY, LONGER)
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    return env


def states(project: Project, env: dict[str, str]) -> dict[str, str]:
    """Give each migration's state."""
    told = json.loads(project.run("status", "--json", env=env).stdout)
    return {line["name"]: line["state"] for line in told["migrations"]}


def test_what_is_held_is_told_and_stands_in_nobodys_way(
    project: Project, database: Database, released: dict[str, str]
):
    """The column is still there, also where a table is made anew; nothing is pending or out of order."""
    assert database.query("SELECT title, old, body FROM note") == [("one", "x", None)]
    assert states(project, released) == {"0001_first": "applied", "0002_no_old": "held", "0003_bodies": "applied"}
    assert project.run("status", "--exit-code", env=released).code == 0
    assert project.run("wait", "--migrated", env=released).code == 0
    assert project.run("verify", env=released).code == 0
    again = project.run("migrate", env=released)
    (held,) = again.named("migration.held")
    (finished,) = again.named("run.finished")
    assert held["migrations"] == ["0002_no_old"]
    assert (finished["pending"], finished["held"], finished["applied"]) == (0, 1, 0)
    plan = json.loads(project.run("migrate", "--plan", env=released).stdout)
    assert plan == {"plan": [], "held": ["0002_no_old"]}


def test_a_rollback_counts_what_a_plain_run_is_to_apply(
    project: Project, database: Database, released: dict[str, str]
):
    """A contract migration that was undone is held again, unless nothing is left that code could use."""
    assert project.run("migrate", "--phase", "contract", env=released).code == 0
    for number, left in (("1", (1, 1)), ("zero", (3, 0))):
        done = project.run("rollback", number, "--yes", env=released)
        (finished,) = done.named("run.finished")
        assert (done.code, finished["pending"], finished["held"]) == (0, *left), done.stderr
        told = json.loads(project.run("status", "--json", env=released).stdout)
        assert (told["pending"], told["held"]) == left


def test_the_contract_runs_after_the_rollout(project: Project, database: Database, released: dict[str, str]):
    """Late by its number, and not out of order; then the schema is that of the files in order."""
    planned = json.loads(project.run("migrate", "--plan", "--phase", "contract", env=released).stdout)
    assert [step["migration"] for step in planned["plan"]] == ["0002_no_old"]
    done = project.run("migrate", "--phase", "contract", env=released)
    (finished,) = done.named("run.finished")
    assert (done.code, finished["applied"], finished["pending"], finished["held"]) == (0, 1, 0, 0)
    assert set(states(project, released).values()) == {"applied"}
    assert database.query("SELECT title, body FROM note") == [("one", None)]
    assert project.run("verify", env=released).code == 0
    assert project.run("migrate", env=released).code == 0


def test_a_rollback_over_a_hole_and_back(project: Project, database: Database, released: dict[str, str]):
    """From under the held one, from under the applied one, and all; each time as it was."""
    assert project.run("rollback", "2", "--yes", env=released).code == 0
    assert states(project, released) == {"0001_first": "applied", "0002_no_old": "held", "0003_bodies": "pending"}
    assert project.run("migrate", env=released).code == 0
    assert database.query("SELECT title, old, body FROM note") == [("one", "x", None)]
    assert project.run("migrate", "--phase", "contract", env=released).code == 0
    assert project.run("rollback", "2", "--yes", env=released).code == 0
    assert states(project, released)["0003_bodies"] == "pending"
    assert project.run("verify", env=released).code == 0
    assert project.run("migrate", env=released).code == 0
    assert project.run("verify", env=released).code == 0
    assert database.query("SELECT title, body FROM note") == [("one", None)]
    assert project.run("rollback", "1", "--yes", env=released).code == 0
    assert project.run("verify", env=released).code == 0
    assert database.query("SELECT title, old FROM note") == [("one", None)]


def test_a_migration_that_builds_on_a_held_one(project: Project, database: Database, released: dict[str, str]):
    """Is refused with both names, nothing having run; the contract goes first, by its number, and then it goes."""
    write(project, "0004_old_again", ADD_OLD)
    before = database.dump(without=OURS)
    for words in (["migrate"], ["migrate", "--plan"]):
        refused = project.run(*words, env=released)
        (error,) = [event["error"] for event in refused.named("run.failed")]
        assert (refused.code, error["code"]) == (8, "SML-PHASE-ORDER")
        assert error["migrations"] == ["0004_old_again", "0002_no_old"]
    assert database.dump(without=OURS) == before
    assert project.run("migrate", "--phase", "contract", "2", env=released).code == 0
    done = project.run("migrate", env=released)
    assert done.code == 0, done.stderr
    assert project.run("verify", env=released).code == 0


def test_the_contract_waits_for_what_is_to_be_run_before_it(project: Project, released: dict[str, str]):
    """A Job that comes too early ends with 10 and changes nothing."""
    write(project, "0004_more", 'manager.add_column("note", Column("more", types.integer(), null=True))')
    write(project, "0005_no_more", 'manager.run_sql("SELECT 1", reverse="")', contract=True)
    early = project.run("migrate", "--phase", "contract", env=released)
    (error,) = [event["error"] for event in early.named("run.failed")]
    assert (early.code, error["code"], error["migrations"]) == (10, "SML-PHASE-EXPAND-PENDING", ["0004_more"])
    assert states(project, released)["0002_no_old"] == "held"
    assert project.run("migrate", "--phase", "all", env=released | {"SMALLS_OUT_OF_ORDER": "apply"}).code == 0
    assert set(states(project, released).values()) == {"applied"}


def test_a_new_database_gets_everything(project: Project, database: Database):
    """No code runs on it yet, so there is nothing to wait for; the order is that of the numbers."""
    write(project, "0001_first", TABLE)
    write(project, "0002_no_old", DROP_OLD, contract=True)
    write(project, "0003_old_again", ADD_OLD)
    done = project.run("migrate", env=database.env)
    assert done.code == 0, done.stderr
    assert [event["migration"] for event in done.named("migration.applied")] == [
        "0001_first",
        "0002_no_old",
        "0003_old_again",
    ]


@pytest.mark.parametrize("database", MYSQL, indirect=True)
def test_a_contract_migration_that_was_begun_is_finished_by_any_run(
    project: Project, database: Database, released: dict[str, str]
):
    """Half of it is worse for old code than the whole."""
    write(
        project,
        "0004_swap",
        ADD_OLD.replace("old", "new"),
        'manager.run_sql("DROP TABLE wanted", reverse="")',
        contract=True,
    )
    failed = project.run("migrate", "--phase", "contract", env=released)
    assert failed.code == 7, failed.stderr
    assert states(project, released)["0004_swap"] == "failed"
    database.execute("CREATE TABLE wanted (id INTEGER)")
    done = project.run("migrate", env=released)
    assert (done.code, [event["migration"] for event in done.named("migration.applied")]) == (0, ["0004_swap"])
    assert states(project, released)["0002_no_old"] == "applied"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_direct_file_that_says_what_it_does_to_the_state(project: Project, released: dict[str, str]):
    """Is held to the same rule."""
    header = "from smalls.operations import AddColumn\nfrom smalls.schema import Column, TableKey, types\n"
    state = 'state = [AddColumn(TableKey("", "note"), Column("old", types.integer(), null=True))]\n'
    project.migration("0004_by_hand", header=header + state)
    refused = project.run("migrate", env=released)
    (error,) = [event["error"] for event in refused.named("run.failed")]
    assert (refused.code, error["code"]) == (8, "SML-PHASE-ORDER"), error


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_attribute_is_written(project: Project, database: Database):
    """With and without --auto, which else warns of a change that destroys data."""
    head = "from peewee import *\ndb = SqliteDatabase(None)\n"
    models = f"{head}class Note(Model):\n    class Meta:\n        database = db\n"
    project.write("shop.py", "").write_text(f"{models}    old = TextField(null=True)\n")
    env = {**database.env, "SMALLS_MODEL": "shop"}
    assert project.run("create", "first", "--auto", env=env).named("models.warned") == []
    project.path.joinpath("shop.py").write_text(models)
    (warned,) = project.run("create", "none", "--auto", env=env).named("models.warned")
    assert "--phase contract" in warned["message"]
    project.migrations.joinpath("0002_none_destructive.py").unlink()
    made = project.run("create", "no old", "--auto", "--phase", "contract", env=env)
    assert made.named("models.warned") == []
    project.run("create", "by hand", "--phase", "contract", env=env)
    for path in sorted(project.migrations.glob("000[23]*.py")):
        assert '\n\nphase = "contract"\n\n\ndef migrate()' in path.read_text()
    assert project.run("migrate", "1", env=env).code == 0
    assert list(states(project, env).values()) == ["applied", "held", "held"]


def test_old_images_are_waited_for(project: Project, database: Database, released: dict[str, str]):
    """An older version that was seen a moment ago is in the way, a newer one or one of long ago is not."""
    tracked = released | {"SMALLS_TRACK_IMAGES": "1"}
    new = tracked | {"SMALLS_VERSION": "2.0.0", "SMALLS_CONTRACT_AFTER": "600"}
    assert "smalls_images" not in database.tables()
    for version in ("1.9.0", "3.0.0"):
        seen = project.run("wait", "--migrated", env=tracked | {"SMALLS_VERSION": version})
        assert seen.code == 0, seen.stderr
    refused = project.run("migrate", "--phase", "contract", env=new)
    (error,) = [event["error"] for event in refused.named("run.failed")]
    assert (refused.code, error["code"]) == (5, "SML-PHASE-OLD-IMAGE")
    assert "1.9.0" in error["message"]
    assert "3.0.0" not in error["message"]
    assert project.run("migrate", env=new).code == 0
    assert len(database.query("SELECT * FROM smalls_images")) == 3
    database.execute("UPDATE smalls_images SET seen = seen - 601 WHERE version = '1.9.0'")
    assert project.run("migrate", "--phase", "contract", env=new).code == 0
    assert project.run("verify", env=released).code == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_waiting_for_images_that_nobody_tracks(project: Project, released: dict[str, str]):
    """Is a mistake in the settings, told before anything runs."""
    for more in ({}, {"SMALLS_TRACK_IMAGES": "1"}, {"SMALLS_VERSION": "2.0.0"}):
        env = released | {"SMALLS_CONTRACT_AFTER": "600"} | more
        assert project.run("migrate", env=env).code == 0
        assert project.run("migrate", "--phase", "contract", env=env).code == 3
