"""`migrate` with nothing to do, as a process: what it imports and sends, and that it sees all there is to see."""

import socket
import subprocess
import sys
import time

import pytest

from tests.cli.test_log import VALIDATOR
from tests.running import Result, clean_environment, finish

PROD = {"SMALLS_ENV": "PROD", "SMALLS_WAIT_TIMEOUT": "0"}
VARYING = ("timestamp", "run_id", "waited_ms", "database_wait_ms", "duration_ms")
# What the full way is made of.
HEAVY = {"click", "structlog", "peewee", "typing", "dataclasses", "pathlib", "logging", "smalls.settings"}


def migrate(project, env):
    """Run `migrate` in PROD; give the result, and the modules that were imported."""
    words = [sys.executable, "-X", "importtime", "-m", "smalls", "migrate"]
    done = subprocess.run(
        words,
        cwd=project.path,
        env=clean_environment({**PROD, **env}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    modules = {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")
    }
    return Result(done.returncode, done.stdout, done.stderr), modules


def is_quick(modules):
    assert "smalls.quick" in modules
    return "smalls.cli.main" not in modules


def told(events):
    return [[(name, value) for name, value in event.items() if name not in VARYING] for event in events]


@pytest.fixture
def migrated(project, database):
    """Give a project with three applied migrations."""
    for name in ("0001_a", "0002_b", "0003_c"):
        project.migration(name)
    done = project.run("migrate", env={**database.env, **PROD})
    assert done.code == 0, done.stderr
    return project


def test_nothing_to_do_is_quick_and_says_the_same(migrated, database):
    """The lines are those of the full way, and as their schema has them; nothing heavy is imported."""
    done, modules = migrate(migrated, database.env)
    assert done.code == 0, done.stderr
    assert is_quick(modules)
    assert modules & HEAVY == set()
    full = migrated.run("--log-level", "info", "migrate", env={**database.env, **PROD})
    assert full.code == 0
    assert told(done.events) == told(full.events)
    for event in done.events:
        assert [*VALIDATOR.iter_errors(event)] == []


def edit(project, _database):
    project.migration("0002_b", "print('changed')")


def comment(project, _database):
    path = project.migrations / "0002_b.py"
    path.write_text(path.read_text() + "# changed\n")


def lose(project, _database):
    (project.migrations / "0003_c.py").unlink()


def lose_all(project, database):
    for name in ("0001_a", "0002_b"):
        (project.migrations / f"{name}.py").unlink()
    lose(project, database)


def add(project, _database):
    project.migration("0004_d")


def add_late(project, _database):
    project.migration("0002_a")


def journal(event):
    def mutate(_project, database):
        clock = "CURRENT_TIMESTAMP"
        database.execute(
            "INSERT INTO smalls_journal (at, run_id, migration, event, detail) "
            f"VALUES ({clock}, 'x', '0002_b', '{event}', '{{}}')"
        )

    return mutate


def unknown(_project, database):
    database.execute("INSERT INTO migration_history (name, migrated_at) VALUES ('0002_z', '2026-01-02 03:04:05')")


def newer(_project, database):
    database.execute(
        "INSERT INTO migration_history (name, migrated_at, version) VALUES ('0009_z', '2026-01-02 03:04:05', 9)"
    )


def odd_kind(_project, database):
    database.execute("UPDATE migration_history SET kind = 'odd' WHERE name = '0002_b'")


def no_journal(_project, database):
    database.execute("DROP TABLE smalls_journal")


def no_history(_project, database):
    database.execute("DROP TABLE migration_history")


@pytest.mark.parametrize(
    ("change", "code", "applied"),
    [
        (edit, 8, 0),
        (comment, 0, 0),
        (lose, 8, 0),
        (lose_all, 8, 0),
        (add, 0, 1),
        (add_late, 8, 0),
        (unknown, 8, 0),
        (newer, 9, 0),
        (odd_kind, 8, 0),
        (no_journal, 0, 0),
        (no_history, 0, 3),
        (journal("failed"), 7, 0),
        (journal("started"), 7, 0),
        (journal("statement"), 8, 0),
        (journal("step"), 7, 0),
        (journal("undo_failed"), 7, 0),
        (journal("undo_started"), 7, 0),
        (journal("withdrawn"), 0, 0),
    ],
)
def test_everything_else_is_seen(migrated, database, change, code, applied):
    """Edited, lost, pending, late, unknown, newer, failed, running: the full way says what."""
    change(migrated, database)
    done, modules = migrate(migrated, database.env)
    assert done.code == code, done.stderr
    assert done.events[-1]["applied"] == applied
    quick = change.__qualname__.startswith("journal") and code == 0
    assert is_quick(modules) is quick


@pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)
def test_credentials_in_every_plain_form(project, database, tmp_path):
    """Percent-encoded in the URL, in a file, in a variable or file of their own, in parts."""
    password = "p@ss:/%41#word?&"
    url = database.user_url(password=password)
    project.migration("0001_a")
    assert project.run("migrate", env={**PROD, "SMALLS_DATABASE_URL": url}).code == 0
    user = url.partition("://")[2].partition(":")[0]
    address = url.rpartition("@")[2].partition("/")[0]
    host, _, port = address.partition(":")
    secret = tmp_path / "password"
    secret.write_text(f"{password}\n")
    whole = tmp_path / "url"
    whole.write_text(f"{url}\n")
    bare = f"{url.partition('://')[0]}://{user}@{address}/{database.name}"
    parts = {"ENGINE": url.partition("://")[0], "HOST": host, "PORT": port, "USER": user, "NAME": database.name}
    parts = {f"SMALLS_DB_{name}": text for name, text in parts.items()}
    for env in (
        {"SMALLS_DATABASE_URL": url},
        {"DATABASE_URL": url},
        {"SMALLS_DATABASE_URL_FILE": str(whole)},
        {"SMALLS_DATABASE_URL": bare, "SMALLS_DB_PASSWORD": password},
        {"SMALLS_DATABASE_URL": bare, "SMALLS_DB_PASSWORD_FILE": str(secret)},
        {**parts, "SMALLS_DB_PASSWORD": password},
    ):
        done, modules = migrate(project, env)
        assert done.code == 0, done.stderr
        assert is_quick(modules), env
        assert password not in done.stderr
        full = project.run("--log-level", "info", "migrate", env={**PROD, **env})
        assert told(done.events) == told(full.events)


@pytest.mark.parametrize("database", ["mysql9", "mariadb11"], indirect=True)
def test_mysql_is_asked_with_tls_where_the_server_has_it(migrated, database):
    """A user who may not come in without TLS is let in, the quick way and, where a file is new, the full way."""
    url = database.user_url(password="secret-word")
    database.execute(f"ALTER USER {database.users[-1]} REQUIRE SSL")
    env = {"SMALLS_DATABASE_URL": url}
    done, modules = migrate(migrated, env)
    assert done.code == 0, done.stderr
    assert is_quick(modules)
    assert "_ssl" in modules
    migrated.migration("0004_d")
    done, modules = migrate(migrated, env)
    assert (done.code, done.events[-1]["applied"], is_quick(modules)) == (0, 1, False)


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_the_full_way_has_a_whole_driver_after_a_quick_look(migrated, database):
    """A server without TLS is asked without importing it; PyMySQL, imported again, has it, and all the rest."""
    _, modules = migrate(migrated, database.env)
    assert is_quick(modules)
    assert "_ssl" not in modules
    assert modules & {"traceback", "configparser", "cryptography"} == set()
    migrated.migration(
        "0004_d",
        "import hashlib, pymysql, configparser, traceback\n"
        "assert pymysql.connections.SSL_ENABLED\n"
        "assert pymysql.connections.traceback is traceback\n"
        "assert issubclass(pymysql.optionfile.Parser, configparser.RawConfigParser)\n"
        "assert hashlib.scrypt",
    )
    done, modules = migrate(migrated, database.env)
    assert (done.code, is_quick(modules)) == (0, False), done.stderr


def test_postgres_with_verified_tls(project, tls_postgres):
    """The driver verifies as the URL says, and a certificate of somebody else's is refused by the full way."""
    project.migration("0001_a")
    env = {"SMALLS_DATABASE_URL": tls_postgres.url()}
    try:
        assert project.run("migrate", env={**PROD, **env}).code == 0
        done, modules = migrate(project, env)
        assert (done.code, is_quick(modules)) == (0, True), done.stderr
        done, modules = migrate(project, {"SMALLS_DATABASE_URL": tls_postgres.url(ca=tls_postgres.other_ca)})
        assert (done.code, is_quick(modules)) == (3, False), done.stderr
    finally:
        connection = tls_postgres.server.connect()
        connection.cursor().execute("DROP TABLE IF EXISTS migration_history, smalls_journal")
        connection.close()


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_pooler_gets_its_session_back_as_it_was(migrated, database, pgbouncer):
    """The bounds of the one question are not left to whoever gets the server's session next."""
    done, modules = migrate(migrated, {"SMALLS_DATABASE_URL": pgbouncer.url(database.name)})
    assert (done.code, is_quick(modules)) == (0, True), done.stderr
    connection = pgbouncer.connect(database.name)
    cursor = connection.cursor()
    cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    assert cursor.fetchone() == ("0", "0")
    connection.close()


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_locked_history_is_waited_for_by_the_full_way_only(migrated, database):
    """The quick look gives up by itself, and the bound of the settings decides."""
    connection = database.connect()
    cursor = connection.cursor()
    cursor.execute("BEGIN" if database.family == "postgres" else "LOCK TABLES migration_history WRITE")
    if database.family == "postgres":
        cursor.execute("LOCK TABLE migration_history IN ACCESS EXCLUSIVE MODE")
    began = time.monotonic()
    done, modules = migrate(migrated, {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "1"})
    connection.close()
    assert (done.code, is_quick(modules)) == (14, False), done.stderr
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_signal_is_heard_while_a_server_says_nothing(project, start, scheme):
    """The stop that is asked for in the middle of the quick look ends the process, as at any other time."""
    project.migration("0001_a")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://u@127.0.0.1:{silent.getsockname()[1]}/app"
        process = start("migrate", cwd=project.path, env={**PROD, "SMALLS_DATABASE_URL": url})
        client, _ = silent.accept()
        process.terminate()
        began = time.monotonic()
        assert finish(process).code == 143
        assert time.monotonic() - began < 5
        client.close()
