"""Before anything is undone, the tables that this changes are held against what the migrations promise of them."""

import json
from pathlib import Path

import pytest

from tests.databases import Database
from tests.running import Project, Result
from tests.undo.images import FILE, digest_of, env, fill, forget_what_is_lost, images, look

# by hand, and back again; what is said to mend it
RENAMED = "ALTER TABLE post RENAME COLUMN score TO points", "ALTER TABLE post RENAME COLUMN points TO score"
INDEXED = "CREATE INDEX post_heading ON post (heading)"
CHANGES = {
    "*": [
        (*RENAMED, "add column post.score"),
        ("ALTER TABLE tag RENAME TO labels", "ALTER TABLE labels RENAME TO tag", "add table tag"),
    ],
    "sqlite": [
        (
            "DROP INDEX post_heading",
            "CREATE INDEX post_heading ON post (heading)",
            "add index post_heading on post",
        ),
        ("ALTER TABLE post ADD mine TEXT", "ALTER TABLE post DROP COLUMN mine", "drop column post.mine"),
    ],
    "postgres": [
        (
            "DROP INDEX post_heading",
            "CREATE INDEX post_heading ON post (heading)",
            "add index post_heading on post",
        ),
        (
            "ALTER TABLE post ALTER score TYPE BIGINT",
            "ALTER TABLE post ALTER score TYPE INTEGER",
            "alter column post.score",
        ),
    ],
    "mysql": [
        ("DROP INDEX post_heading ON post", INDEXED, "add index post_heading on post"),
        (
            "ALTER TABLE post MODIFY score BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE post MODIFY score INTEGER NOT NULL DEFAULT 0",
            "alter column post.score",
        ),
    ],
}


def expect_drift(refused: Result, words: str) -> None:
    """Expect a refusal in words that say what would mend it."""
    assert (refused.code, refused.named("run.failed")[0]["error"]["code"]) == (11, "SML-UNDO-DRIFT"), refused.stderr
    assert words in refused.named("run.failed")[0]["error"]["operations"]
    assert words in refused.stdout
    assert "Digest: " not in refused.stdout
    assert refused.named("migration.started") == []


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10", "mysql9"], indirect=True)
def test_a_table_changed_by_hand_is_refused(tmp_path: Path, database: Database) -> None:
    """In words, with the digest that was approved before; other tables and what was only added stand in no way."""
    v1, v2 = images(tmp_path)
    one = env(database, "1.0")
    assert v1.run("migrate", env=one).code == 0
    fill(database)
    first = look(database)
    assert v2.run("migrate", env=env(database, "2.0")).code == 0
    digest = digest_of(v1.run("undo", "--to-image", env=one).stdout)
    for there, back, words in (*CHANGES["*"], *CHANGES[database.family]):
        database.execute(there)
        before = database.dump()
        expect_drift(v1.run("undo", "--to-image", "--plan-digest", digest, env=one), words)
        assert database.dump() == before
        database.execute(back)
    database.execute("CREATE TABLE aside (n INTEGER)")
    database.execute("ALTER TABLE author ADD COLUMN age INTEGER")
    done = v1.run("undo", "--to-image", "--plan-digest", digest, env=one)
    assert done.code == 0, done.stderr
    database.execute("ALTER TABLE author DROP COLUMN age")
    database.execute("DROP TABLE aside")
    forget_what_is_lost(database)
    assert look(database) == first


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_drift_is_told_to_whoever_only_looks(tmp_path: Path, database: Database) -> None:
    """Also as JSON, with both sides, and to `magic`."""
    v1, v2 = images(tmp_path)
    assert v1.run("migrate", env=env(database, "1.0")).code == 0
    assert v2.run("migrate", env=env(database, "2.0")).code == 0
    database.execute(RENAMED[0])
    looked = v1.run("undo", "--to-image", "--plan", "--json", env=env(database, "1.0"))
    told = json.loads(looked.stdout)
    assert (looked.code, told["digest"], told["impossible"]) == (11, None, [])
    assert told["drift"][0] == {"kind": "missing", "operation": "add column post.score", "expected": "integer"}
    expect_drift(v1.run("magic", env=env(database, "1.0")), "add column post.score")
    expect_drift(v2.run("undo", "--to", "10", env=env(database, "2.0")), "add column post.score")


def undone(project: Project, settings: dict[str, str]) -> Result:
    """Undo what the plan shows."""
    asked = project.run("undo", "--to-image", env=settings)
    return project.run("undo", "--to-image", "--plan-digest", digest_of(asked.stdout), env=settings)


WIDER = "ALTER TABLE post ALTER COLUMN n4 TYPE BIGINT"
UNTOLD = {
    "direct": f"from smalls import db\n\n\ndef migrate():\n    db.execute_sql('{WIDER}')\n",
    "sql": FILE.format(body=f'manager.run_sql("{WIDER}")'),
}


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
@pytest.mark.parametrize("how", UNTOLD)
def test_what_migrations_do_not_tell_is_no_drift(how: str, tmp_path: Path, database: Database) -> None:
    """Of what direct code and SQL without a state did to a table nothing is known."""
    v1, v2 = images(tmp_path)
    for project in (v1, v2):
        project.write("migrations/0005_a_wider_one.py", UNTOLD[how])
    one = env(database, "1.0")
    assert v1.run("migrate", env=one).code == 0
    assert v2.run("migrate", env=env(database, "2.0")).code == 0
    done = undone(v1, one)
    assert (done.code, len(done.named("migration.undone"))) == (0, 5), done.stderr


LIMITED = (
    "CREATE ROLE {user} LOGIN PASSWORD '{password}'",
    "GRANT USAGE, CREATE ON SCHEMA public TO {user}",
)


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_names_are_compared_where_the_user_may_not_build(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without CREATE on the database can go back all the same, and a column that is not there stops it."""
    monkeypatch.setattr("tests.databases.POSTGRES_GRANTS", {False: LIMITED})
    url = database.user_url()
    v1, v2 = images(tmp_path)
    one = env(database, "1.0", SMALLS_DATABASE_URL=url)
    assert v1.run("migrate", env=one).code == 0
    assert v2.run("migrate", env=one | {"SMALLS_VERSION": "2.0"}).code == 0
    database.execute(RENAMED[0])
    refused = v1.run("undo", "--to-image", env=one)
    expect_drift(refused, "add column post.score")
    assert "permission denied" in refused.named("schema.warned")[0]["reason"]
    database.execute(RENAMED[1])
    done = undone(v1, one)
    assert (done.code, len(done.named("migration.undone"))) == (0, 5), done.stderr
