"""Settings, configuration files and migration files that nobody meant, or somebody meant badly."""

import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bad_input.conftest import EMPTY, spoilt
from tests.running import SMALLS, Result, clean_environment

ANYTHING = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def failed(result):
    return result.named("run.failed")[0]["error"]


# ---- settings


@pytest.mark.parametrize(
    "key", ["run_timeout", "statement_timeout", "ddl_lock_timeout", "lock_timeout", "wait_timeout"]
)
@pytest.mark.parametrize("text", ["1e300", "2000001", "inf", "nan", "-1", "1s", "٣x"])
def test_seconds_that_nobody_can_count(fresh, key, text):
    """A bound that a server or a clock would cut off without a word is refused."""
    assert fresh.smalls("migrate", **{f"SMALLS_{key.upper()}": text}).code == 3
    assert not fresh.database.exists()


@pytest.mark.parametrize("variable", ["SMALLS_CONFIG", "SMALLS_DATABASE_URL_FILE"])
def test_a_pipe_that_nobody_writes_to(fresh, variable):
    """A named pipe in the place of a file is refused, not waited for."""
    os.mkfifo(fresh.path / "pipe")
    result = fresh.smalls("status", **{variable: "pipe"})
    assert (result.code, failed(result)["code"]) == (3, "SML-CONFIG")


def test_a_shells_pipe(fresh):
    """What a shell makes of `<(command)` is read."""
    reader, writer = os.pipe()
    os.write(writer, b"[smalls]\nmigrations = elsewhere\n")
    os.close(writer)
    try:
        result = fresh.smalls("status", SMALLS_DATABASE_URL_FILE=f"/proc/self/fd/{reader}")
    finally:
        os.close(reader)
    assert "has no '://'" in failed(result)["message"] or "scheme" in failed(result)["message"]


@pytest.mark.parametrize(
    "options", ["isolation_level=x", "timeout=abc", "detect_types=zz", "factory=5", "nonsense=1"]
)
def test_options_that_the_driver_refuses(fresh, options):
    """An option of the URL that means nothing is a matter of configuration."""
    assert fresh.smalls("migrate", SMALLS_DATABASE_URL=f"sqlite:///x.db?{options}").code == 3


@ANYTHING
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"[smalls]\n{text}".encode()))
def test_any_config_file(tmp_path_factory, data):
    """Whatever the config file holds, it is read, or refused as configuration."""
    project = spoilt(tmp_path_factory.mktemp("config") / "project")
    (project.path / "config.ini").write_bytes(data)
    assert project.smalls("status").code in {0, 3}
    project.smalls("config")


KEYS = [
    "env",
    "database_url",
    "db_schema",
    "model",
    "object",
    "migrations",
    "apps",
    "lock",
    "session_sql",
    "out_of_order",
]
KEYS += ["edited", "on_newer", "smalls_version", "log_format", "log_level", "yes", "run_timeout"]
WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)


@ANYTHING
@given(st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=4), WORDS)
def test_any_setting(tmp_path_factory, chosen, url):
    """Whatever stands in the environment, every command ends with a code that is no defect's."""
    project = spoilt(tmp_path_factory.mktemp("settings") / "project")
    env = {f"SMALLS_{key.removeprefix('smalls_').upper()}": text for key, text in chosen.items()}
    env = {"SMALLS_LOG_FORMAT": "json", "SMALLS_DATABASE_URL": f"sqlite:///{url}", **env}
    env.pop("SMALLS_LOG_FORMAT") if env["SMALLS_LOG_FORMAT"] in {"console", "github"} else None
    for words in ("status", "migrate", "config"):
        project.smalls(words, **env)


# ---- migration files

REFUSED = {
    "nothing": b"",
    "a NUL": b"x = 1\0\n",
    "UTF-16": EMPTY.encode("utf-16"),
    "an unknown encoding": b"# coding: klingon\n" + EMPTY.encode(),
    "too deep": b"x = " + b"(" * 1000 + b")" * 1000 + b"\n" + EMPTY.encode(),
    "deeper": b"x = " + b"-" * 100_000 + b"1\n" + EMPTY.encode(),
    "an exit behind our back": b"import os\nos._exit(0)\n" + EMPTY.encode(),
    "an exit": b"import sys\nsys.exit(0)\n" + EMPTY.encode(),
    "an interrupt": b"raise KeyboardInterrupt\n" + EMPTY.encode(),
    "an error without words": b"class E(Exception):\n    def __str__(self): raise E\nraise E\n" + EMPTY.encode(),
    "async": b"async def migrate(): pass\n",
    "a version that is none": b'min_version = "zz"\n' + EMPTY.encode(),
    "a version that is a list": b"min_version = []\n" + EMPTY.encode(),
}


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED)
def test_files_that_cannot_be_loaded(fresh, source):
    """Nothing at all is run where one file cannot be loaded."""
    (fresh.migrations / "0002_b.py").write_bytes(source)
    for words in ("migrate", "check"):
        result = fresh.smalls(words)
        assert result.code == 3, words
        assert "0002_b" in failed(result)["message"]
    assert not result.named("migration.started")


@pytest.mark.parametrize(
    "body",
    [
        "import sys; sys.exit(0)",
        "import os; os._exit(0)",
        "class E(BaseException): pass\n    raise E",
        "class E(Exception):\n        def __str__(self): raise self\n    raise E",
        "migrate()",
        "yield",
        r"raise ValueError('\udcff')",
        "from smalls import db; db.execute_sql(None)",
        r"from smalls import db; db.execute_sql('SELECT \'\udcff\'')",
        r"from smalls import db; db.execute_sql('SELECT 1\0')",
        "import sys; sys.modules.clear(); raise ValueError",
    ],
)
def test_ways_to_fail(fresh, body):
    """However a migration fails, it failed, and is not recorded."""
    (fresh.migrations / "0002_b.py").write_text(f"def migrate():\n    {body}\n")
    assert fresh.smalls("migrate").code == 6
    assert fresh.smalls("status", "--exit-code").code == 10


def test_a_name_that_is_not_utf_8(fresh):
    """A file whose name no history can hold is refused before anything runs."""
    with open(os.fsencode(fresh.migrations) + b"/0002_\xe9.py", "w") as file:  # noqa: PTH123 -- pathlib takes no bytes
        file.write(EMPTY)
    for words in ("status", "migrate", "check"):
        result = fresh.smalls(words)
        assert (result.code, failed(result)["code"]) == (3, "SML-MIGRATION-LOAD")


@pytest.mark.parametrize("make", ["folder", "pipe", "device", "loop", "dangling"])
def test_what_is_no_file(fresh, make):
    """A folder, a pipe, a device, a link in a ring or into nowhere, named as a migration, is refused at once."""
    path = fresh.migrations / "0002_b.py"
    if make == "folder":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path.name, "dangling": "nowhere"}[make])
    for words in ("status", "migrate", "check"):
        result = fresh.smalls(words)
        assert (result.code, failed(result)["code"]) == (3, "SML-MIGRATION-LOAD")


@pytest.mark.parametrize(
    "stem",
    ["0002", "0002_\n", "0002_'; DROP TABLE x", "0002_%s%d", "0002_b.c", "9" * 23 + "_b", "0002_" + "x" * 245],
)
def test_names(fresh, stem):
    """A name that begins with four digits is a migration's, whatever follows, forward and back."""
    fresh.write(f"migrations/{stem}.py", EMPTY)
    assert fresh.smalls("migrate").code == 0
    assert fresh.smalls("status", "--exit-code").code == 0
    assert fresh.smalls("rollback", "1", "--yes").code == 0
    assert fresh.smalls("status", "--exit-code").code == 10


@ANYTHING
@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_source(tmp_path_factory, data):
    """Whatever a migration file holds, it is loaded whole or refused."""
    project = spoilt(tmp_path_factory.mktemp("source") / "project")
    (project.migrations / "0002_b.py").write_bytes(data)
    assert project.smalls("migrate").code == 3


# ---- no room


def test_a_disk_that_is_full(applied):
    """A database that cannot grow fails the migration, leaves what was there, and goes on when there is room."""
    applied.migration("0002_b", "db.execute_sql('CREATE TABLE t AS SELECT zeroblob(9000000) AS n')")
    applied.write(
        "full.py", "from peewee import *\ndb = SqliteDatabase('smalls.db', pragmas={'max_page_count': 100})\n"
    )
    result = applied.smalls("migrate", SMALLS_MODEL="full")
    assert result.code == 6, result.stderr
    assert "full" in failed(result)["message"]
    assert "Make room" in failed(result)["hint"]
    assert applied.smalls("status", "--exit-code").code == 10
    assert applied.smalls("migrate").code == 0


def test_no_room_for_our_own_tables(fresh):
    """Where not even the history has room, nothing was run."""
    fresh.write(
        "full.py", "from peewee import *\ndb = SqliteDatabase('smalls.db', pragmas={'max_page_count': 1})\n"
    )
    result = fresh.smalls("migrate", SMALLS_MODEL="full")
    assert (result.code, failed(result)["code"]) == (3, "SML-DATABASE-FULL")
    assert not result.named("migration.started")


@pytest.mark.parametrize("words", ["status", "status --json", "migrate --plan", "config", "repair", "--help"])
def test_a_result_that_cannot_be_written(applied, words):
    """Somebody waits for it, so it is no success (3); on a full disk nobody gets a traceback either."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- a device
        done = subprocess.run(
            [*SMALLS, *words.split()],
            cwd=applied.path,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    result = Result(done.returncode, "", done.stderr)
    assert result.code == 3, result.stderr
    assert failed(result)["message"] == "The result could not be written to stdout: No space left on device."
    assert "Traceback" not in result.stderr
    assert result.events[-1]["exit_code"] == 3
