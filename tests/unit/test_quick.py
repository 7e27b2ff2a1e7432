"""The quick look says what the full way would say, or nothing: settings, URLs, files, history and journal."""

import contextlib
import hashlib
import io
import json
import os
import signal
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smalls import journal
from smalls.checksum import Checksum
from smalls.cli.main import main
from smalls.model import Kind
from smalls.quick import _KINDS, drivers, nothing_to_do, plain
from smalls.settings import Flags, load
from smalls.specs import SPECS

VARYING = ("timestamp", "run_id", "waited_ms", "database_wait_ms", "duration_ms")
SOURCE = b"def migrate():\n    pass\n"
NAMES = ("0001_a", "0002_b", "0003_c")


@contextlib.contextmanager
def caught(path):
    """Catch what is written to descriptor 2."""
    before = os.dup(2)
    with path.open("wb") as opened:
        os.dup2(opened.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)


def quick(environ):
    """Look quickly; give whether it knew, and the lines of its log."""
    path = Path("log")
    try:
        with caught(path):
            known = nothing_to_do(["migrate"], environ)
    finally:
        blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    assert (signal.SIGTERM in blocked) is known
    return known, path.read_text().splitlines()


def full(environ):
    """Run the whole command in this process; give its exit code and the lines of its log."""
    stream = io.StringIO()
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        with contextlib.redirect_stderr(stream):
            code = main(["migrate"])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return code, stream.getvalue().splitlines()


def told(lines):
    """Give the lines as lists of fields, in their order, without what differs from run to run."""
    return [[(name, value) for name, value in json.loads(line).items() if name not in VARYING] for line in lines]


def hold(environ):
    """Hold the two ways against each other; give whether the quick one knew."""
    message = Path("message")
    environ = {"SMALLS_TERMINATION_LOG": str(message), "SMALLS_LOG_FORMAT": "json", **environ}
    known, lines = quick(environ)
    if not known:
        assert lines == []
        assert not message.exists()
        return False
    left = message.read_text() if message.exists() else None
    message.unlink(missing_ok=True)
    code, expected = full(environ)
    assert code == 0, expected
    assert told(lines) == told(expected)
    assert [list(json.loads(line)) for line in lines] == [list(json.loads(line)) for line in expected]
    assert left == (message.read_text() if message.exists() else None)
    return True


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        Path("migrations").mkdir()
        yield


def write_files(files):
    for name, source in files.items():
        Path("migrations", name).write_bytes(source)


HISTORY = (
    "CREATE TABLE migration_history (id INTEGER PRIMARY KEY, name, migrated_at, version, "
    "applied_at, checksum, image_version, min_version, duration_ms, applied_by, kind)"
)
JOURNAL = "CREATE TABLE smalls_journal (id INTEGER PRIMARY KEY, at, run_id, migration, event, detail)"


def write_database(rows, entries, tables=(HISTORY, JOURNAL)):
    with contextlib.closing(sqlite3.connect("a.db", isolation_level=None)) as connection:
        for table in tables:
            connection.execute(table)
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" for _ in row)
            connection.execute(f"INSERT INTO migration_history ({names}) VALUES ({marks})", [*row.values()])
        for entry in entries:
            connection.execute(
                "INSERT INTO smalls_journal (at, run_id, migration, event) VALUES ('now', 'x', ?, ?)", entry
            )


def row(name, source=SOURCE, **changes):
    found = {
        "name": name,
        "migrated_at": "2026-01-02 03:04:05",
        "version": 0,
        "checksum": Checksum(source).recorded(),
        "kind": "applied",
    }
    return found | changes


PLAIN = {"SMALLS_DATABASE_URL": "sqlite:///a.db"}


# ── the plain case, on which it must know ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "environ",
    [
        PLAIN,
        {"DATABASE_URL": "sqlite:///a.db"},
        {"SMALLS_DATABASE_URL_FILE": "url"},
        {"DATABASE_URL_FILE": "url"},
        {"SMALLS_DB_ENGINE": "sqlite", "SMALLS_DB_NAME": "a.db"},
        {**PLAIN, "SMALLS_ENV": "PROD", "SMALLS_VERSION": "1.4.0", "SMALLS_LOCK": "lease", "SMALLS_SKIP_": ""},
        {
            **PLAIN,
            "SMALLS_WAIT_TIMEOUT": "3",
            "SMALLS_DDL_RETRIES": "0",
            "SMALLS_YES": "1",
            "SMALLS_EDITED": "warn",
        },
        {**PLAIN, "SMALLS_HISTORY_KEY": "a key of many characters".replace(" ", "-")},
        {**PLAIN, "SMALLS_HISTORY_KEY_FILE": "keys"},
        {**PLAIN, "SMALLS_MIGRATIONS": "./migrations", "SMALLS_LOG_LEVEL": "info", "SMALLS_LOCK_TIMEOUT": ""},
    ],
)
def test_it_knows_where_nothing_is_to_do(environ):
    """Whichever plain way names the database, and with all settings that decide nothing."""
    environ = {name: value for name, value in environ.items() if not name.endswith("_")}
    with folder():
        Path("url").write_text("sqlite:///a.db\n")
        Path("keys").write_text("0123456789abcdef\nfedcba9876543210, an-older-key-of-ours\r\n")
        write_files({f"{name}.py": SOURCE for name in NAMES} | {"notes.txt": b"", "helper.py": b""})
        write_database(map(row, NAMES), [("0001_a", "started"), ("0001_a", "applied")])
        assert hold(environ)


def test_one_migration_is_told_as_one():
    """And a row that another tool wrote, without a checksum, has any file."""
    with folder():
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a", checksum=None, kind=None)], [])
        assert hold(PLAIN)


# ── what it must leave to the full way ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SMALLS_ENV": "TEST"},
        {"SMALLS_ENV": ""},
        {"SMALLS_END": "PROD"},
        {"SMALLS_MODEL": "models"},
        {"SMALLS_APPS": "blog"},
        {"SMALLS_SKIP": "a reason"},
        {"SMALLS_REPORT": "report.json"},
        {"SMALLS_METRICS_FILE": "metrics"},
        {"SMALLS_VERIFY": "1"},
        {"SMALLS_TRANSACTION": "run"},
        {"SMALLS_SESSION_SQL": "SELECT 1"},
        {"SMALLS_DB_SCHEMA": "app"},
        {"SMALLS_DB_ROLE": "app"},
        {"SMALLS_HISTORY_KEY": "short"},
        {"SMALLS_HISTORY_KEY": ","},
        {"SMALLS_HISTORY_KEY_FILE": "short"},
        {"SMALLS_CONFIG": "config.ini"},
        {"SMALLS_LOG_FORMAT": "console"},
        {"SMALLS_LOG_LEVEL": "debug"},
        {"SMALLS_WAIT_TIMEOUT": "soon"},
        {"SMALLS_DB_HOST": "elsewhere"},
        {"SMALLS_DB_PORT": "tcp://10.0.0.1:5432"},
        {"SMALLS_DATABASE_URL_FILE": "url"},
        {"DATABASE_URL": "postgresql://elsewhere/app"},
        {"SMALLS_MIGRATIONS": "elsewhere"},
        {"SMALLS_TERMINATION_LOG": "no/such/folder"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"_SMALLS_COMPLETE": "bash_source"},
    ],
)
def test_settings_that_matter_are_not_its_own(environ):
    """Only the first, with nothing more, is known."""
    with folder():
        Path("url").write_text("sqlite:///a.db\n")
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a")], [])
        known, lines = quick({**PLAIN, "SMALLS_LOG_FORMAT": "json", **environ})
        assert known is (not environ)
        assert bool(lines) is known


@pytest.mark.parametrize("file", ["config.ini", "smalls_conf.py"])
def test_files_with_settings_are_not_its_own(file):
    """The project's registry and its config file are read by the full way only."""
    with folder():
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a")], [])
        Path(file).touch()
        assert not hold(PLAIN)


def test_text_that_is_none_is_left_to_the_full_way():
    """Bytes that a column of SQLite holds as text, and that are no UTF-8."""
    with folder():
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a")], [])
        with contextlib.closing(sqlite3.connect("a.db", isolation_level=None)) as connection:
            connection.execute("UPDATE migration_history SET applied_by = CAST(x'ff' AS TEXT)")
        assert not hold(PLAIN)


def test_a_pipe_is_left_to_the_full_way():
    """Of a shell's `<(command)` nothing has been read then; and nobody waits for a pipe among the migrations."""
    with folder():
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a")], [])
        reader, writer = os.pipe()
        os.write(writer, b"sqlite:///a.db\n")
        assert not hold({"SMALLS_DATABASE_URL_FILE": f"/dev/fd/{reader}"})
        assert os.read(reader, 100) == b"sqlite:///a.db\n"
        os.close(reader)
        os.close(writer)
        Path("migrations/0001_a.py").unlink()
        os.mkfifo("migrations/0001_a.py")
        assert not hold(PLAIN)


@pytest.mark.parametrize("words", [[], ["status"], ["migrate", "0001"], ["--log-level", "info", "migrate"], ["-h"]])
def test_other_commands_are_not_its_own(words):
    """`migrate` alone is."""
    with folder():
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a")], [])
        assert not nothing_to_do(words, PLAIN)


def test_a_password_in_its_own_words_is_for_the_full_way():
    """Which takes it out of the log: here it is a part of a sentence."""
    with folder():
        write_files({"0001_a.py": SOURCE})
        write_database([row("0001_a")], [])
        assert not hold({**PLAIN, "SMALLS_DB_PASSWORD": "nothing pending"})
        assert hold({**PLAIN, "SMALLS_DB_PASSWORD": "correct horse"})


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────────

SOURCES = st.sampled_from((SOURCE, SOURCE + b"# touched\n", b"migrate = print\n", b"not python", b""))
FILES = st.sampled_from(
    (
        "0001_a",
        "0002_b",
        "0002_x",
        "0003_c",
        "0004_d",
        "0004.d",
        "12_x",
        "3d",
        "_x",
        "x",
        "0005_é",
        "٠٠٠٦_x",
        "00007",
    )
)
CHECKSUMS = st.sampled_from(
    (
        None,
        "",
        "1:x:y",
        Checksum(SOURCE).recorded(),
        Checksum(SOURCE + b"\n# touched\n").recorded(),
        Checksum(b"migrate = print\n").recorded(Checksum(SOURCE).recorded()),
        hashlib.sha256(SOURCE).hexdigest(),
        b"1:x:y",
        7,
    )
)
ODD = st.sampled_from((None, 0, 3, "x", "7", 1.5, b"7"))
COLUMNS = {
    "name": st.one_of(FILES, st.sampled_from(("", None, 7, b"0001_a", "app.0001_a", "9999_z"))),
    "checksum": CHECKSUMS,
    "kind": st.sampled_from((None, "", "applied", "baselined", "faked", "odd", b"applied", 1)),
    "version": ODD,
    "duration_ms": ODD,
    "migrated_at": ODD,
    "image_version": ODD,
    "min_version": ODD,
    "applied_at": ODD,
}
EVENTS = st.sampled_from((*journal._UNFINISHED, "applied", "withdrawn", "undone", "repaired", "Started", "odd"))
WORDS = st.sampled_from(("", "0", "1", "9" * 400, "-1", "1e3", "x", "tcp://10.0.0.1:1", "run", "DEV", "PROD", "é"))


@st.composite
def scenes(draw):
    """Give files, history rows, journal entries and settings: the plain case, changed at random places."""
    files = {f"{name}.py": SOURCE for name in NAMES}
    rows = [row(name) for name in NAMES]
    entries, environ = [], dict(PLAIN)
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.sampled_from(("file", "touch", "gone", "row", "no row", "column", "entry", "setting"))):
            case "file":
                files[f"{draw(FILES)}{draw(st.sampled_from(('.py', '.pyc', '.txt')))}"] = draw(SOURCES)
            case "touch":
                files[f"{draw(st.sampled_from(NAMES))}.py"] = draw(SOURCES)
            case "gone":
                files.pop(f"{draw(st.sampled_from(NAMES))}.py", None)
            case "row":
                rows.append(row(draw(COLUMNS["name"])))
            case "no row" if rows:
                rows.pop(draw(st.integers(0, len(rows) - 1)))
            case "column" if rows:
                name = draw(st.sampled_from([*COLUMNS]))
                rows[draw(st.integers(0, len(rows) - 1))][name] = draw(COLUMNS[name])
            case "entry":
                entries.append((draw(st.one_of(st.sampled_from(NAMES), FILES)), draw(EVENTS)))
            case "setting":
                name = draw(st.sampled_from([spec.variable for spec in SPECS.values()]))
                environ[name] = draw(WORDS)
    return files, rows, entries, environ


@given(scenes())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_it_knows_the_full_way_says_as_well(scene):
    """Same code, same lines, same termination message; and it knows the plain case."""
    files, rows, entries, environ = scene
    with folder():
        write_files(files)
        write_database(rows, entries)
        known = hold(environ)
    is_plain = (files, rows, entries, environ) == (
        {f"{n}.py": SOURCE for n in NAMES},
        [*map(row, NAMES)],
        [],
        PLAIN,
    )
    assert known or not is_plain


HOSTS = st.sampled_from(("db", "127.0.0.1", "", "[::1]", "a.b-c", "%2Frun", "ü"))
USERS = st.sampled_from(("", "u", "u@", "u:pw@", "u:@", ":pw@", "u%40x:p%3Aw%25@", "u:p@w@", "u:p/w@", "ü:ö@"))
PORTS = st.sampled_from(("", ":", ":5432", ":0", ":99999", ":x", ":٣"))
PATHS = st.sampled_from(("", "/", "/app", "/a/b", "/a%20b", "/a%2Fb", "/a#b", "//tmp/a.db", "/:memory:"))
QUERIES = st.sampled_from(
    (
        "",
        "?",
        "?a",
        "?a=b=c",
        "?sslmode=require",
        "?sslmode=verify-full&sslrootcert=%2Fca.pem",
        "?connect_timeout=9&options=-c%20x",
        "?user=x",
        "?password=x",
        "?sslpassword=x",
        "?host=/run",
        "?dbname=x",
        "?ssl_ca=/ca.pem",
    )
)
SCHEMES = st.sampled_from(
    ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "sqlite3", "postgresql+psycopg2", "cockroachdb", "x")
)


@given(st.builds("{}://{}{}{}{}{}".format, SCHEMES, USERS, HOSTS, PORTS, PATHS, QUERIES))
@settings(max_examples=2000, deadline=None)
def test_urls_are_read_as_everywhere(url):
    """Whatever URL it takes names the same place, with the same credentials and options."""
    environ = {"SMALLS_DATABASE_URL": url}
    try:
        place = plain.settings(environ, terminal=False).place
    except (ValueError, KeyError, OSError):
        return
    location = load(Flags(), environ).location
    assert (place.engine, place.name, place.shown) == (location.engine.value, location.name, location.shown)
    assert (place.host or None, place.port or None) == (location.host, location.port and str(location.port))
    assert (place.user or None, place.password or None) == (location.user, location.password)
    assert tuple(place.options.items()) == location.options


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40w@db:5432/app",
        "postgres://u@db/app?sslmode=verify-full&sslrootcert=%2Fca.pem",
        "mysql://u:pw@db:3306/app",
        "mariadb://db/app",
        "sqlite:////var/lib/a.db",
    ],
)
def test_usual_urls_are_plain(url):
    """They are what the law before is about."""
    assert plain.settings({"SMALLS_DATABASE_URL": url}, terminal=False).place.shown


# ── in step with the full way ───────────────────────────────────────────────────────────────────────────


def test_it_knows_the_words_of_the_full_way():
    """Unfinished events, kinds, and settings with the values that are right for them."""
    assert set(drivers.UNFINISHED) == set(journal._UNFINISHED)
    assert set(_KINDS) == {None, *(kind.value for kind in Kind)}
    specs = {spec.variable.removeprefix("SMALLS_"): spec for spec in SPECS.values()}
    for name in plain.NUMBERS:
        assert specs[name].parse("0") == 0
        assert specs[name].parse("9" * plain._LONGEST)
    for name, words in plain.WORDS.items():
        for word in words:
            specs[name].parse(word)


@pytest.mark.parametrize(
    ("greeting", "offers"),
    [
        (b"J\0\0\0\x0a8.4.0\0" + bytes(12) + b"\0" + b"\xff\xff" + bytes(40), True),
        (b"J\0\0\0\x0a5.5.5-10.11\0" + bytes(12) + b"\0" + b"\xfe\xf7" + bytes(40), False),
    ],
)
def test_the_greeting_tells_of_tls(greeting, offers):
    """By one bit of its capabilities."""
    assert drivers._offers_tls(greeting) is offers


@pytest.mark.parametrize("greeting", [b"", b"J\0\0\0\x0a8.4", b"\x17\0\0\0\xff\x10\x04Too many connections"])
def test_what_is_no_greeting_is_for_the_full_way(greeting):
    """A refusal, or a part of one."""
    with pytest.raises((ValueError, IndexError)):
        drivers._offers_tls(greeting)
