"""Migrations that set something for the session, as dumps do: smalls still finds its own tables."""

import pytest

from tests.databases import Database
from tests.faults.scenes import applied
from tests.running import Project

OUTSIDE = "transaction = False\n"


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
@pytest.mark.parametrize("header", ["", OUTSIDE], ids=["in a transaction", "outside"])
@pytest.mark.parametrize("lock", ["auto", "lease"])
@pytest.mark.parametrize(
    "setting", ["SELECT pg_catalog.set_config('search_path', '', false)", "SET search_path = other"]
)
def test_a_search_path_that_is_left_behind(
    database: Database, project: Project, header: str, lock: str, setting: str
) -> None:
    """The first line of a dump sets it to nothing; the history has its rows all the same, forward and back."""
    database.execute("CREATE SCHEMA other")
    there = f"db.execute_sql({setting!r})\ndb.execute_sql('CREATE TABLE public.a (n INTEGER)')"
    project.migration("0001_dump", there, "db.execute_sql('DROP TABLE public.a')", header)
    project.migration("0002_more", "db.execute_sql('CREATE TABLE public.b (n INTEGER)')", header=header)
    env = {**database.env, "SMALLS_LOCK": lock}
    result = project.run("migrate", env=env)
    assert result.code == 0, result.stderr
    assert applied(database) == ["0001_dump", "0002_more"]
    assert project.run("rollback", "0", "--yes", env=env).code == 0
    assert database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'other'") == []


@pytest.mark.parametrize("database", ["mariadb10", "mysql9"], indirect=True)
@pytest.mark.parametrize("lock", ["auto", "lease"])
def test_another_database_that_is_used(database: Database, project: Project, lock: str, make_database) -> None:
    """After USE, smalls' rows go where they belong, and nothing of it is left in the other database."""
    other = make_database(database.engine)
    use = f"db.execute_sql('USE `{other.name}`')\ndb.execute_sql('{{}}')"
    project.migration("0001_use", use.format("CREATE TABLE a (n INTEGER)"), use.format("DROP TABLE a"))
    env = {**database.env, "SMALLS_LOCK": lock}
    result = project.run("migrate", env=env)
    assert result.code == 0, result.stderr
    assert applied(database) == ["0001_use"]
    assert other.tables() == ["a"]
    assert project.run("rollback", "0", "--yes", env=env).code == 0
    assert other.tables() == []


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_failure_after_it_is_noted_where_it_belongs(database: Database, project: Project, make_database) -> None:
    """What was done before it failed is in the journal, in the run's own schema or database, and nowhere else."""
    other = make_database(database.engine)
    elsewhere = {"postgres": "SET search_path = pg_temp", "mysql": f"USE `{other.name}`"}[database.family]
    body = f"db.execute_sql('CREATE TABLE a (n INTEGER)')\ndb.execute_sql('{elsewhere}')\nraise ValueError"
    project.migration("0001_fails", body, header=OUTSIDE)
    assert project.run("migrate", env=database.env).code == 7
    assert database.query("SELECT event FROM smalls_journal ORDER BY id") == [("statement",), ("failed",)]
    assert other.tables() == []
    assert project.run("migrate", env=database.env).code == 7
