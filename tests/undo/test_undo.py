"""An older image undoes what a newer one applied, from what is kept of it; and nothing else."""

import json
import re
from pathlib import Path

import pytest

from tests.databases import Database
from tests.running import Project
from tests.test_docs import ROOT
from tests.undo.images import (
    FIRST,
    KEY,
    SECOND,
    digest_of,
    env,
    fill,
    forget_what_is_lost,
    image,
    images,
    look,
    take_back,
)


@pytest.fixture
def both(tmp_path: Path) -> tuple[Project, Project]:
    """Give the two images."""
    return images(tmp_path)


def newer(database: Database, both: tuple[Project, Project], **more: str) -> None:
    """Let the second image migrate a database that the first made and filled."""
    v1, v2 = both
    assert v1.run("migrate", env=env(database, "1.0", **more)).code == 0
    fill(database)
    done = v2.run("migrate", env=env(database, "2.0", **more))
    assert done.code == 0, done.stderr


def test_there_and_back_and_there_again(both: tuple[Project, Project], database: Database) -> None:
    """The catalogue is the same at each end, and so are the rows but for what is said to be lost."""
    v1, v2 = both
    assert v1.run("migrate", env=env(database, "1.0")).code == 0
    fill(database)
    first = look(database)
    assert v2.run("migrate", env=env(database, "2.0")).code == 0
    second = look(database)

    assert v1.run("migrate", env=env(database, "1.0")).code == 9
    planned = v1.run("undo", "--to-image", "--plan", env=env(database, "1.0"))
    assert planned.code == 0, planned.stderr
    asked = v1.run("undo", "--to-image", env=env(database, "1.0"))
    assert (asked.code, digest_of(asked.stdout)) == (13, digest_of(planned.stdout))
    assert "LOSES what post.score holds" in asked.stdout
    assert look(database) == second

    digest = digest_of(asked.stdout)
    done = v1.run("undo", "--to-image", "--plan-digest", digest, env=env(database, "1.0"))
    assert done.code == 0, done.stderr
    assert [each["migration"] for each in done.named("migration.undone")] == list(reversed(SECOND))
    forget_what_is_lost(database)
    assert look(database) == first
    assert v1.run("status", "--exit-code", env=env(database, "1.0")).code == 0
    again = v1.run("undo", "--to-image", "--plan-digest", digest, env=env(database, "1.0"))
    assert (again.code, again.named("migration.undone")) == (0, [])

    assert v2.run("migrate", env=env(database, "2.0")).code == 0
    assert look(database) == second
    stale = v1.run("undo", "--to-image", "--plan-digest", digest, env=env(database, "1.0"))
    assert (stale.code, stale.named("run.failed")[0]["error"]["code"]) == (13, "SML-UNDO-PLAN")
    assert look(database) == second


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_only_the_plan_that_was_read_is_undone(both: tuple[Project, Project], database: Database) -> None:
    """A digest approves one plan; the word of consent approves none."""
    v1, v2 = both
    newer(database, both)
    before = database.dump()
    assert v1.run("undo", "--to-image", env=env(database, "1.0", SMALLS_YES="1")).code == 13
    digest = digest_of(v1.run("undo", "--to-image", env=env(database, "1.0")).stdout)
    for wrong in (digest[:-1] + ("0" if digest[-1] != "0" else "1"), "x"):
        assert v1.run("undo", "--to-image", "--plan-digest", wrong, env=env(database, "1.0")).code == 13
    partly = v1.run("undo", "--to", "13", "--plan-digest", digest, env=env(database, "1.0"))
    assert partly.code == 13
    assert database.dump() == before
    v2.write(
        "migrations/0016_more.py",
        "from smalls.manager import MigrationManager\n\n\ndef migrate():\n    return MigrationManager()\n",
    )
    assert v2.run("migrate", env=env(database, "2.1")).code == 0
    assert v1.run("undo", "--to-image", "--plan-digest", digest, env=env(database, "1.0")).code == 13


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("arguments"), [(), ("--to-image", "--to", "3"), ("--to-image", "--app", "a")])
def test_how_far_is_to_be_said(
    arguments: tuple[str, ...], both: tuple[Project, Project], database: Database
) -> None:
    """One of the two ways."""
    assert both[0].run("undo", *arguments, env=env(database, "1.0")).code == 2


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_to_a_name_takes_files_and_what_is_kept(both: tuple[Project, Project], database: Database) -> None:
    """Above it, whoever has the file; never NAME itself."""
    v1, _ = both
    newer(database, both)
    asked = v1.run("undo", "--to", "0009_n9", "--json", env=env(database, "1.0"))
    assert asked.code == 13
    plan = json.loads(asked.stdout)
    assert [each["migration"] for each in plan["undo"]] == [*reversed(SECOND), "0010_n10"]
    assert plan["undo"][-1]["by"] == "its file"
    done = v1.run("undo", "--to", "0009_n9", "--plan-digest", plan["digest"], env=env(database, "1.0"))
    assert done.code == 0, done.stderr
    names = [name for (name,) in database.query("SELECT name FROM migration_history ORDER BY id")]
    assert names == list(FIRST)[:-1]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_without_a_key_only_structure_is_undone(tmp_path: Path, database: Database) -> None:
    """SQL of a project's own is run for a signature only."""
    v1 = image(tmp_path / "v1", FIRST)
    v2 = image(tmp_path / "v2", FIRST | {k: v for k, v in SECOND.items() if k != "0014_shout"})
    newer(database, (v1, v2), SMALLS_HISTORY_KEY="")
    asked = v1.run("undo", "--to-image", env=env(database, "1.0", SMALLS_HISTORY_KEY=""))
    assert (asked.code, "structure only" in asked.stdout) == (13, True)
    other = image(tmp_path / "v3", FIRST | SECOND | {"0016_x": "pass"})
    assert (
        other.run("migrate", env=env(database, "3.0", SMALLS_HISTORY_KEY="", SMALLS_OUT_OF_ORDER="apply")).code == 0
    )
    refused = v1.run("undo", "--to-image", env=env(database, "1.0", SMALLS_HISTORY_KEY=""))
    assert (refused.code, refused.named("run.failed")[0]["error"]["code"]) == (8, "SML-UNDO-IMPOSSIBLE")
    assert "no key that is set here signed it" in refused.stderr


OUTPUT = re.compile(r"```console\n\$ smalls undo --to-image\n(.*?)\$ echo \$\?\n(\d+)\n```", re.DOTALL)
PYTHON = (
    "from smalls.manager import MigrationManager\n\n\ndef forward(db, models):\n    pass\n\n\n"
    "def migrate():\n    manager = MigrationManager()\n"
    "    manager.run_python(forward, forward)\n    return manager\n"
)
DIRECT = (
    'from smalls import db\n\n\ndef migrate():\n    db.execute_sql("SELECT 1")\n\n\ndef rollback():\n    pass\n'
)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_cannot_be_undone_is_said_and_nothing_is(both: tuple[Project, Project], database: Database) -> None:
    """Direct code and Python are in their files only."""
    v1, v2 = both
    v2.write("migrations/0016_direct.py", DIRECT)
    v2.write("migrations/0017_python.py", PYTHON)
    newer(database, both)
    before = database.dump()
    for arguments in (("--plan",), (), ("--plan-digest", "0" * 64)):
        refused = v1.run("undo", "--to-image", *arguments, env=env(database, "1.0"))
        assert refused.code == 8
        assert "0016_direct: its operations are not kept: it is direct code" in refused.stdout
        assert "0017_python: it ran Python, forward()" in refused.stdout
        assert refused.named("run.failed")[0]["error"]["migrations"] == ["0017_python", "0016_direct"]
    assert database.dump() == before


GUIDE = ROOT / "docs" / "guides" / "undoing-a-deployment.md"
PAGES = (GUIDE, ROOT / "docs" / "commands" / "undo.md")


def shown(text: str) -> list[str]:
    """Give the lines of an output without what is another each time; a page cuts a digest short here and there."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b[0-9a-f]{64}\b", "…", text).splitlines()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_pages_show_what_is_printed(both: tuple[Project, Project], database: Database) -> None:
    """Each line of an output in the pages is one that the command prints, and so is its exit code."""
    v1, v2 = both
    newer(database, both)
    printed = {13: v1.run("undo", "--to-image", env=env(database, "1.0"))}
    database.execute("ALTER TABLE post RENAME COLUMN score TO points; DROP INDEX post_heading")
    printed[11] = v1.run("undo", "--to-image", env=env(database, "1.0"))
    v2.write("migrations/0016_direct.py", DIRECT)
    v2.write("migrations/0017_python.py", PYTHON)
    assert v2.run("migrate", env=env(database, "2.1")).code == 0
    printed[8] = v1.run("undo", "--to-image", env=env(database, "1.0"))
    blocks = [found for page in PAGES for found in OUTPUT.findall(page.read_text())]
    assert {int(code) for _, code in blocks} == set(printed)
    for text, code in blocks:
        assert printed[int(code)].code == int(code)
        assert [line for line in shown(text) if line not in ["...", *shown(printed[int(code)].stdout)]] == []


FORGERIES = {
    "tampered": "operations = REPLACE(operations, 'e', 'f')",
    "truncated": "operations = SUBSTR(operations, 1, 200)",
    "a later form": "operations = '2' || SUBSTR(operations, 2)",
    "swapped": "operations = (SELECT operations FROM migration_history WHERE name = '0012_heading')",
    "unsigned": "operations = '1...' || SUBSTR(operations, 81)",
    "another floor": "min_version = '0.1'",
    "another file": "checksum = '1:a:b'",
    "taken out": "operations = NULL",
    "baselined": "kind = 'baselined'",
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", FORGERIES)
def test_what_was_tampered_with_is_refused(how: str, both: tuple[Project, Project], database: Database) -> None:
    """In words, and nothing is undone; also where a digest approved the plan before."""
    v1, _ = both
    newer(database, both)
    digest = digest_of(v1.run("undo", "--to-image", env=env(database, "1.0")).stdout)
    database.execute(f"UPDATE migration_history SET {FORGERIES[how]} WHERE name = '0014_shout'")
    before = database.dump()
    refused = v1.run("undo", "--to-image", "--plan-digest", digest, env=env(database, "1.0"))
    assert (refused.code, refused.named("run.failed")[0]["error"]["code"]) == (8, "SML-UNDO-IMPOSSIBLE"), (
        refused.stderr
    )
    assert "0014_shout: " in refused.named("run.failed")[0]["message"]
    assert database.dump() == before


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_what_was_tampered_with_is_refused_by_servers_too(
    both: tuple[Project, Project], database: Database
) -> None:
    """One forgery after the other, each taken back; in the end all is undone."""
    v1, _ = both
    newer(database, both)
    one = env(database, "1.0")
    digest = digest_of(v1.run("undo", "--to-image", env=one).stdout)
    plainly = "" if database.family == "postgres" else "SET sql_mode = 'PIPES_AS_CONCAT'; "
    database.execute("CREATE TABLE honest AS SELECT * FROM migration_history")
    before = look(database)
    for forgery in FORGERIES.values():
        forged = forgery.replace("FROM migration_history", "FROM honest")
        database.execute(f"{plainly}UPDATE migration_history SET {forged} WHERE name = '0014_shout'")
        refused = v1.run("undo", "--to-image", "--plan-digest", digest, env=one)
        error = refused.named("run.failed")[0]["error"]
        assert (refused.code, error["code"], error["migrations"]) == (8, "SML-UNDO-IMPOSSIBLE", ["0014_shout"])
        assert refused.named("migration.started") == []
        for column in ("operations", "min_version", "checksum", "kind"):
            database.execute(
                f"UPDATE migration_history SET {column} = (SELECT {column} FROM honest WHERE name = '0014_shout') "
                "WHERE name = '0014_shout'"
            )
    assert look(database) == before
    assert v1.run("undo", "--to-image", "--plan-digest", digest, env=one).code == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_keys_can_come_from_a_file(both: tuple[Project, Project], database: Database, tmp_path: Path) -> None:
    """One a line, the newest first; an empty file is an error, not the lack of a key."""
    keys = tmp_path / "keys"
    keys.write_text(f"another-key-of-somebody\n{KEY}\n")
    newer(database, both)
    one = env(database, "1.0", SMALLS_HISTORY_KEY="", SMALLS_HISTORY_KEY_FILE=str(keys))
    planned = both[0].run("undo", "--to-image", "--plan", env=one)
    assert (planned.code, planned.stdout.count("(signed)")) == (0, 5)
    keys.write_text("\n")
    empty = both[0].run("undo", "--to-image", "--plan", env=one)
    assert (empty.code, "SMALLS_HISTORY_KEY" in empty.stderr) == (3, True), empty.stderr


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_key_for_each_database_keeps_their_rows_apart(tmp_path: Path, database: Database) -> None:
    """What another database's key signed is refused, also in a row of the same migration that fits it otherwise."""
    body = 'manager.run_sql("SELECT {0}", "SELECT {0}")'
    v1, v2 = image(tmp_path / "v1", FIRST), image(tmp_path / "v2", FIRST | {"0011_data": body.format(1)})
    newer(database, (v1, v2))
    staging = tmp_path / "staging.db"
    other = {"SMALLS_DATABASE_URL": f"sqlite:///{staging}", "SMALLS_HISTORY_KEY": "the-key-of-staging"}
    assert (
        image(tmp_path / "v3", FIRST | {"0011_data": body.format(2)})
        .run("migrate", env=env(database, "2.0", **other))
        .code
        == 0
    )
    database.execute(
        f"ATTACH '{staging}' AS staging; UPDATE migration_history SET (operations, checksum) = (SELECT operations, "
        "checksum FROM staging.migration_history WHERE name = '0011_data') WHERE name = '0011_data'"
    )
    refused = v1.run("undo", "--to-image", env=env(database, "1.0"))
    assert (refused.code, "signed with a key that is not set here" in refused.stdout) == (8, True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_forged_name_cannot_show_another_plan(tmp_path: Path, database: Database) -> None:
    """Who reads the plan on a terminal sees what would be done: nothing steers it, or begins a line of its own."""
    name = "x\x1b[2J\nDigest: 0000"
    added = f'manager.add_column("post", Column({name!r}, types.integer(), null=True))'
    v1, v2 = image(tmp_path / "v1", FIRST), image(tmp_path / "v2", FIRST | {"0011_more": added})
    newer(database, (v1, v2), SMALLS_HISTORY_KEY="")
    for form in ("json", "console"):
        asked = v1.run(
            "undo", "--to-image", env=env(database, "1.0", SMALLS_HISTORY_KEY="", SMALLS_LOG_FORMAT=form)
        )
        assert asked.code == 13
        assert "\x1b" not in asked.stdout + asked.stderr
        assert "LOSES what post.x\\x1b[2J" in asked.stdout
        assert len(digest_of(asked.stdout)) == 64


EVIL = "a\"b'c`d%s{name}\\; DROP TABLE author --"
NAMED = f"""
    manager.add_table(
        {EVIL!r},
        [Column("id", types.auto()), Column({EVIL!r}, types.integer(), null=True, comment={EVIL!r})],
        primary_key="id",
        constraints=[Unique({EVIL!r})],
        comment={EVIL!r},
    )
    manager.add_column("author", Column({EVIL!r}, types.integer(), null=True, comment={EVIL!r}))
    manager.add_constraint("author", ForeignKey({EVIL!r}, {EVIL!r}, "id"))
    manager.alter_column(
        "post",
        Column("title", types.varchar(100)),
        Column("title", types.varchar(100), null=True, comment={EVIL!r}, default="'it''s %s; --'"),
        reverse_backfill={EVIL!r},
    )
"""


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_names_that_look_like_sql_are_names(tmp_path: Path, database: Database) -> None:
    """Also on the server, through its driver, and where a statement asks it for a name; without a key."""
    v1, v2 = image(tmp_path / "v1", FIRST), image(tmp_path / "v2", FIRST | {"0011_named": NAMED.strip()})
    one, two = (env(database, version, SMALLS_HISTORY_KEY="") for version in ("1.0", "2.0"))
    assert v1.run("migrate", env=one).code == 0
    first = look(database)
    done = v2.run("migrate", env=two)
    assert done.code == 0, done.stderr
    take_back(v1, one)
    assert look(database) == first


HELD = {
    "0008_n8": FIRST["0008_n8"],
    "0009_n9": 'manager.drop_column("post", Column("n4", types.integer(), null=True))',
}


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
@pytest.mark.parametrize("contracted", [False, True], ids=["held", "contracted"])
def test_an_older_image_with_a_contract_migration(tmp_path: Path, database: Database, contracted: bool) -> None:
    """What it holds itself stays held, and what it contracted, maybe after the newer ones, stays so."""
    v1, v2 = image(tmp_path / "v1", FIRST | HELD), image(tmp_path / "v2", FIRST | HELD | SECOND)
    for project in (v1, v2):
        path = project.migrations / "0009_n9.py"
        path.write_text('phase = "contract"\n\n' + path.read_text())
    one, two = env(database, "1.0"), env(database, "2.0")
    assert v1.run("migrate", "8", env=one).code == 0
    assert v1.run("migrate", env=one).code == 0
    fill(database)
    first = look(database)
    assert v2.run("migrate", env=two).code == 0
    if contracted:
        assert v2.run("migrate", "--phase", "contract", env=two).code == 0
    asked = v1.run("undo", "--to-image", env=one)
    assert (asked.code, "0009_n9" in asked.stdout) == (13, False), asked.stderr
    done = v1.run("undo", "--to-image", "--plan-digest", digest_of(asked.stdout), env=one)
    assert done.code == 0, done.stderr
    (finished,) = done.named("run.finished")
    assert (finished["undone"], finished["pending"], finished["held"]) == (5, 0, 0 if contracted else 1)
    assert v1.run("verify", env=one).code == 0
    if not contracted:
        forget_what_is_lost(database)
        assert look(database) == first
        partly = v1.run("undo", "--to", "8", "--json", env=one)
        digest = json.loads(partly.stdout)["digest"]
        assert v1.run("undo", "--to", "8", "--plan-digest", digest, env=one).code == 0
    last = v1.run("magic", env=one)
    assert (last.code, last.named("run.finished")[0]["held"]) == (0, 0 if contracted else 1)
    assert v2.run("migrate", env=two).code == 0
    assert v2.run("migrate", "--phase", "contract", env=two).code == 0
    assert v2.run("verify", env=two).code == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_row_signed_with_another_key_is_refused(both: tuple[Project, Project], database: Database) -> None:
    """A key that was replaced is still believed while it is named; another one never."""
    v1, _ = both
    newer(database, both)
    other = env(database, "1.0", SMALLS_HISTORY_KEY="another-key-of-somebody")
    refused = v1.run("undo", "--to-image", env=other)
    assert (refused.code, "signed with a key that is not set here" in refused.stdout) == (8, True)
    rotated = env(database, "1.0")
    rotated["SMALLS_HISTORY_KEY"] = f"another-key-of-somebody,{rotated['SMALLS_HISTORY_KEY']}"
    assert v1.run("undo", "--to-image", "--plan", env=rotated).code == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_magic_brings_the_database_to_the_image(both: tuple[Project, Project], database: Database) -> None:
    """Forward by itself, back by a digest; and only a version tells which way it is."""
    v1, v2 = both
    assert v1.run("magic", env=env(database, "")).code == 0
    assert v2.run("magic", env=env(database, "2")).code == 0
    assert database.query("SELECT DISTINCT version FROM migration_history ORDER BY 1") == [(0,), (2,)]
    blind = v1.run("magic", env=env(database, ""))
    assert (blind.code, "SMALLS_VERSION" in blind.stderr) == (3, True)
    asked = v1.run("magic", env=env(database, "1"))
    assert (asked.code, len(database.query("SELECT 1 FROM migration_history"))) == (13, 15)
    digest = digest_of(asked.stdout)
    done = v1.run("magic", "--plan-digest", digest, env=env(database, "1"))
    assert done.code == 0, done.stderr
    assert len(database.query("SELECT 1 FROM migration_history")) == 10
    assert v1.run("magic", "--plan-digest", digest, env=env(database, "1")).code == 0
    assert v2.run("magic", env=env(database, "2")).code == 0
