"""Killed in the middle of each leg: the same command goes on, and needs no new consent."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database
from tests.running import wait_until
from tests.undo.images import FIRST, SECOND, digest_of, env, fill, forget_what_is_lost, image, look

SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
    "UPDATE author SET name = name WHERE (SELECT MAX(i) FROM n) > 0",
    "postgres": "SELECT pg_sleep({seconds})",
    "mysql": "DO SLEEP({seconds})",
}


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10", "mysql9"], indirect=True)
def test_kill_in_each_leg(tmp_path: Path, database: Database, start: Any) -> None:
    """Forward, back, and forward again; each goes on to the end, and the catalogue is the same at each."""
    slow = SLOW[database.family].format(seconds=2, rows=10_000_000)
    second = SECOND | {
        "0014_shout": f'manager.run_sql(["UPDATE author SET name = UPPER(name)", "{slow}"], '
        f'["UPDATE author SET name = LOWER(name)", "{slow}"])'
    }
    v1, v2 = image(tmp_path / "v1", FIRST), image(tmp_path / "v2", FIRST | second)
    assert v1.run("migrate", env=env(database, "1.0")).code == 0
    fill(database)
    first = look(database)

    def rows() -> int:
        return len(database.query("SELECT 1 FROM migration_history"))

    def killed(project: Any, version: str, until: int, *arguments: str) -> None:
        victim = start(*arguments, cwd=project.path, env=env(database, version))
        wait_until(lambda: rows() == until)
        victim.kill()
        victim.wait()
        done = project.run(*arguments, env=env(database, version))
        assert done.code == 0, done.stderr

    killed(v2, "2.0", 13, "migrate")
    assert rows() == 15
    newer = look(database)
    digest = digest_of(v1.run("undo", "--to-image", env=env(database, "1.0")).stdout)
    killed(v1, "1.0", 14, "undo", "--to-image", "--plan-digest", digest)
    assert rows() == 10
    forget_what_is_lost(database)
    assert look(database) == first
    killed(v2, "2.0", 13, "migrate")
    assert look(database) == newer


def began(victim: Any, migration: str) -> bool:
    """Read the log of a run until a migration begins; False if the run ends before."""
    return any('"migration.started"' in line and f'"{migration}"' in line for line in victim.stderr)


def placeless(text: str) -> str:
    """Leave out the place of a column that is dropped and made again."""
    return re.sub(r"\d+, 'n10'", "'n10'", text)


WAYS = {
    "to a name": (("--to", "9"), {}, 14, 9),
    "in one transaction": (("--to-image",), {"SMALLS_TRANSACTION": "run"}, 15, 10),
}


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_kill_on_other_ways_back(way: str, tmp_path: Path, database: Database, start: Any) -> None:
    """Where one transaction holds all, all is there again; else what was undone. The same command goes on."""
    aim, settings, left, end = WAYS[way]
    if settings and database.family == "mysql":
        pytest.skip("no transaction holds schema changes there")
    slow = SLOW[database.family].format(seconds=2, rows=10_000_000)
    v1 = image(tmp_path / "v1", FIRST)
    v2 = image(tmp_path / "v2", FIRST | SECOND | {"0014_shout": f'manager.run_sql("SELECT 1", "{slow}")'})
    one = env(database, "1.0", **settings)
    assert v1.run("migrate", env=one).code == 0
    fill(database)
    first = placeless(look(database))
    assert v2.run("migrate", env=env(database, "2.0")).code == 0
    asked = v1.run("undo", *aim, env=one)
    arguments = ("undo", *aim, "--plan-digest", digest_of(asked.stdout))
    victim = start(*arguments, cwd=v1.path, env=one)
    assert began(victim, "0014_shout")
    victim.kill()
    victim.wait()
    assert len(database.query("SELECT 1 FROM migration_history")) == left
    done = v1.run(*arguments, env=one)
    assert done.code == 0, done.stderr
    assert len(database.query("SELECT 1 FROM migration_history")) == end
    assert v1.run("migrate", env=one).code == 0
    forget_what_is_lost(database)
    assert placeless(look(database)) == first
