"""Every way in: URLs and the project's own objects, roles, schemas, sockets, TLS, awkward names."""

import json
import os
import secrets
from urllib.parse import quote, urlsplit

import pytest

from tests.databases import AWKWARD_PASSWORD
from tests.servers import MYSQL, POSTGRES

SOME = ("sqlite", "postgres15", "mariadb10")
TABLES = {"migration_history", "smalls_journal"}
some_engines = pytest.mark.parametrize("database", SOME, indirect=True)
postgres = pytest.mark.parametrize("database", ["postgres15"], indirect=True)


@pytest.fixture
def one(project):
    """Give a project of one migration."""
    project.migration(
        "0001_a", "db.execute_sql('CREATE TABLE t_a (n INTEGER)')", "db.execute_sql('DROP TABLE t_a')"
    )
    return project


def error(result):
    return result.named("run.failed")[0]["error"]


def database_event(result):
    return {event["database"] for event in result.events if "database" in event}


# ── the project's own object ────────────────────────────────────────────────────────────────────────────

CLASSES = {"sqlite": "SqliteDatabase", "postgres": "PostgresqlDatabase", "mysql": "MySQLDatabase"}


def concrete(database):
    """Write the project's own object for a database, as its code would."""
    kind = CLASSES[database.family]
    if database.family == "sqlite":
        return f"db = {kind}({database.name!r})\n"
    url = urlsplit(database.url)
    password = database.server.password
    place = f"host={url.hostname!r}, port={url.port}, user={url.username!r}, password={password!r}"
    return f"db = {kind}({database.name!r}, {place})\n"


def model(project, text, **env):
    project.write("shop/__init__.py", "")
    project.write(
        "shop/model.py",
        f"from peewee import *\n\n{text}\n\nclass Thing(Model):\n    class Meta:\n        database = db\n",
    )
    project.migration(
        "0001_a",
        "from shop.model import Thing, db as own\nassert own is db or own.obj is db\ndb.create_tables([Thing])",
    )
    return {"SMALLS_MODEL": "shop.model", **env}


@pytest.mark.parametrize("form", ["url", "concrete", "proxy", "deferred", "pool"])
def test_each_way_to_name_a_database(project, database, form):
    """By URL, and through a concrete, proxied, deferred or pooled object, on every engine."""
    kind = CLASSES[database.family]
    if form == "url":
        env = database.env
        project.migration("0001_a", "db.execute_sql('CREATE TABLE thing (n INTEGER)')")
    elif form == "concrete":
        env = model(project, concrete(database))
    elif form == "pool":
        pooled = "PooledPostgresqlDatabase" if database.family == "postgres" else f"Pooled{kind}"
        env = model(project, f"from playhouse.pool import {pooled}\n{concrete(database).replace(kind, pooled)}")
    else:
        env = model(project, "db = DatabaseProxy()" if form == "proxy" else f"db = {kind}(None)", **database.env)
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    assert set(database.tables()) == {"thing", *TABLES}
    assert project.run("status", "--exit-code", env=env).code == 0
    if form == "concrete" and database.family != "sqlite":
        assert database.server.password not in done.stderr


@some_engines
def test_an_explicit_setting_repoints_the_projects_object(project, database, make_database):
    """A URL for smalls of the same engine is where the project's object points then, and the log says so."""
    other = make_database(database.engine)
    env = model(project, concrete(database), **other.env)
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    assert other.name.rpartition("/")[2] in done.named("database.repointed")[0]["message"]
    assert ("thing" in other.tables(), "thing" in database.tables()) == (True, False)


@postgres
def test_repointing_keeps_the_rest_of_the_objects_settings(project, database, make_database):
    """What the project set besides the place (here its isolation level and an option) is kept."""
    own = concrete(database).rstrip(")\n") + ", isolation_level=3, options='-c statement_timeout=4321')\n"
    other = make_database(database.engine)
    env = model(project, own, **other.env)
    project.migration(
        "0002_b",
        "assert db.execute_sql('SHOW statement_timeout').fetchone() == ('4321ms',)\n"
        "assert db._isolation_level == 3",
    )
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr


@some_engines
def test_another_engine_is_a_contradiction(project, database):
    """A URL of another engine than the object's is 3, and both are named."""
    other = "mysql://u:hunter2@h/n" if database.family != "mysql" else "postgresql://u:hunter2@h/n"
    for text in (concrete(database), f"db = {CLASSES[database.family]}(None)"):
        done = project.run("migrate", env=model(project, text, SMALLS_DATABASE_URL=other))
        assert done.code == 3
        assert "u@h/n" in error(done)["message"]
        assert "shop.model.db" in error(done)["message"]
        assert "hunter2" not in done.stderr


@some_engines
def test_an_ambient_url_never_overrides_the_object(project, database):
    """DATABASE_URL beside a concrete object is a warning; the object is used."""
    env = model(project, concrete(database), DATABASE_URL="sqlite:////tmp/not-this-one.db")
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    assert "DATABASE_URL" in done.named("config.warned")[0]["message"]
    assert "thing" in database.tables()


def test_an_ambient_url_initialises_a_proxy(project):
    """DATABASE_URL is where a proxy goes when nothing else says."""
    env = model(project, "db = DatabaseProxy()", DATABASE_URL="sqlite:///ambient.db")
    assert project.run("migrate", env=env).code == 0
    assert (project.path / "ambient.db").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("db = None", "not a Peewee database"),
        ("import nowhere\ndb = None", "nowhere"),
        ("raise RuntimeError('no luck')\ndb = None", "no luck"),
        ("raise SystemExit(0)\ndb = None", "SystemExit"),
        ("raise KeyboardInterrupt\ndb = None", "KeyboardInterrupt"),
        ("database = SqliteDatabase('x.db')\ndb = 1", "not a Peewee database"),
    ],
)
def test_a_model_that_cannot_be_used(project, text, words):
    """A model module that fails, or holds no database, is 3 with the project's own file and line."""
    done = project.run("migrate", env=model(project, text))
    assert done.code == 3, done.stderr
    assert words in error(done)["message"]
    if words in {"nowhere", "no luck"}:
        assert error(done)["file"].endswith("shop/model.py")
        assert error(done)["line"] == 3


@pytest.mark.parametrize("name", ["nope", "shop.nope", "shop.model.nope.deeper"])
def test_a_model_that_is_not_there(project, name):
    """A model module that does not exist is 3, in DEV too, and makes no database."""
    env = model(project, "db = SqliteDatabase('x.db')")
    done = project.run("migrate", env={**env, "SMALLS_MODEL": name})
    assert (done.code, error(done)["code"]) == (3, "SML-CONFIG-MODEL")


# ── names, passwords, sockets, TLS ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_an_awkward_name_and_password(one, make_database, database):
    """A database name with a dash and a password of @:/%# work, in a URL and in parts."""
    dashed = make_database(database.engine, stem="with-dash")
    url = dashed.user_url(password=AWKWARD_PASSWORD)
    done = one.run("migrate", env={"SMALLS_DATABASE_URL": url})
    assert done.code == 0, done.stderr
    found = urlsplit(url)
    parts = {
        "ENGINE": found.scheme,
        "HOST": found.hostname,
        "PORT": str(found.port),
        "USER": found.username,
        "PASSWORD": AWKWARD_PASSWORD,
        "NAME": dashed.name,
    }
    env = {f"SMALLS_DB_{name}": text for name, text in parts.items()}
    assert one.run("status", "--exit-code", env=env).code == 0
    assert one.run("status", env={**env, "SMALLS_DB_PASSWORD": "wrong"}).code == 3
    assert one.run("status", env={**env, "SMALLS_DB_NAME": "nope"}).code == 3


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_unix_socket(one, database):
    """A server is reached through its socket, by URL and by the project's own object; children reach it too."""
    done = one.run("migrate", env={"SMALLS_DATABASE_URL": database.socket_url})
    assert done.code == 0, done.stderr
    key = "host" if database.family == "postgres" else "unix_socket"
    port = f", port={database.server.port}" if database.family == "postgres" else ""
    who = f"user={database.server.user!r}, password={database.server.password!r}"
    place = f"{key}={database.server.socket!r}, {who}{port}"
    env = model(one, f"db = {CLASSES[database.family]}({database.name!r}, {place})")
    one.write(
        "seed.py",
        """\
        import os, subprocess, sys
        env = {k: v for k, v in os.environ.items() if k != "SMALLS_MODEL"}
        sys.exit(subprocess.run([sys.executable, "-m", "smalls", "status"], env=env).returncode)
        """,
    )
    seeded = one.run("seed", env=env)
    assert seeded.code == 0, seeded.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"ca": "other"}, "certificate verify failed"),
        ({"host": "wrong.example"}, "does not match host name"),
        ({"sslmode": "disable"}, "refused"),
    ],
)
def test_tls(one, tls_postgres, changes, words):
    """verify-full accepts the right certificate only; a wrong name or authority is 3, at once."""
    changes = {**changes, **({"ca": tls_postgres.other_ca} if "ca" in changes else {})}
    url = tls_postgres.url(**changes) + ("&hostaddr=127.0.0.1" if "host" in changes else "")
    done = one.run("status", env={"SMALLS_DATABASE_URL": url, "SMALLS_WAIT_TIMEOUT": "30"}, timeout=10)
    assert done.code == (3 if words else 0), done.stderr
    if words:
        assert words in error(done)["message"]


@pytest.mark.parametrize(
    ("database", "options"),
    [
        ("postgres15", "nonsense=1"),
        ("postgres15", "sslmode=nonsense"),
        ("postgres15", "sslmode=verify-full&sslrootcert=/no/such/file"),
        ("postgres15", "connect_timeout=soon"),
        ("mariadb10", "nonsense=1"),
        ("mariadb10", "ssl_ca=/no/such/file"),
        ("mariadb10", "charset=nonsense"),
        ("sqlite", "nonsense=1"),
    ],
    indirect=["database"],
)
def test_options_that_the_driver_does_not_take(one, database, options):
    """An option that can never work is 3 at once; waiting would not mend it."""
    env = {"SMALLS_DATABASE_URL": f"{database.url}?{options}", "SMALLS_WAIT_TIMEOUT": "30"}
    done = one.run("migrate", env=env, timeout=10)
    assert done.code == 3, done.stderr


@some_engines
def test_options_that_the_driver_takes(one, database):
    """Query parameters reach the driver."""
    options = {
        "sqlite": "timeout=7",
        "postgres": "application_name=x&connect_timeout=7",
        "mysql": "connect_timeout=7",
    }
    done = one.run("migrate", env={"SMALLS_DATABASE_URL": f"{database.url}?{options[database.family]}"})
    assert done.code == 0, done.stderr


# ── roles, schemas, session SQL ─────────────────────────────────────────────────────────────────────────


@postgres
def test_two_schemas_side_by_side(one, database):
    """Each schema has its own history; a migration's tables go into its schema."""
    for schema in ("north", 'so"uth'):
        quoted = '"' + schema.replace('"', '""') + '"'
        database.execute(f"CREATE SCHEMA {quoted}")
        env = {**database.env, "SMALLS_DB_SCHEMA": schema}
        assert json.loads(one.run("status", "--json", env=env).stdout)["pending"] == 1
        done = one.run("migrate", env=env)
        assert done.code == 0, done.stderr
        assert database.query(f"SELECT name FROM {quoted}.migration_history") == [("0001_a",)]
        assert database.query(f"SELECT count(*) FROM {quoted}.t_a") == [(0,)]
    assert one.run("rollback", "0", "--yes", env={**database.env, "SMALLS_DB_SCHEMA": "north"}).code == 0
    rows = database.query("SELECT table_schema FROM information_schema.tables WHERE table_name = 't_a'")
    assert rows == [('so"uth',)]


@postgres
def test_a_schema_that_is_not_there(one, database):
    """A schema that does not exist is 3, for status and for migrate, and says how to make it."""
    env = {**database.env, "SMALLS_DB_SCHEMA": "nowhere", "SMALLS_WAIT_TIMEOUT": "30"}
    for command in ("status", "migrate", "wait"):
        done = one.run(command, env=env, timeout=10)
        assert done.code == 3, done.stderr
        assert "nowhere" in error(done)["message"]


@pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)
def test_a_role(one, database):
    """SMALLS_DB_ROLE is what migrations run as; one that does not exist is 3 at once."""
    role = f"r_{secrets.token_hex(6)}"
    database.execute(f"CREATE ROLE {role}")
    try:
        if database.family == "postgres":
            database.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {role}")
            asked = "SELECT current_user"
        else:
            database.execute(f"GRANT ALL ON `{database.name}`.* TO {role}")
            database.execute(f"GRANT {role} TO {database.server.user}@'{_account(database)}'")
            asked = "SELECT CURRENT_ROLE()"
        one.migration("0002_b", f"found = db.execute_sql({asked!r}).fetchone()[0]\nassert {role!r} in found, found")
        done = one.run("migrate", env={**database.env, "SMALLS_DB_ROLE": role})
        assert done.code == 0, done.stderr
        env = {**database.env, "SMALLS_DB_ROLE": "nobody_at_all", "SMALLS_WAIT_TIMEOUT": "30"}
        refused = one.run("migrate", env=env, timeout=10)
        assert refused.code == 3, refused.stderr
        assert "SMALLS_DB_ROLE" in str(error(refused))
    finally:
        if database.family == "postgres":
            database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


def _account(database):
    return database.query("SELECT CURRENT_USER()")[0][0].partition("@")[2]


SESSION_SQL = {
    "sqlite": ("PRAGMA cache_size = 1234; PRAGMA temp_store = 2", "PRAGMA cache_size", 1234),
    "postgres": ("SET work_mem = '7MB'; SET statement_timeout = '9s'", "SHOW work_mem", "7MB"),
    "mysql": ("SET SESSION sort_buffer_size = 777216; SET @x = ';'", "SELECT @@sort_buffer_size", 777216),
}


@some_engines
def test_session_sql(one, database):
    """SMALLS_SESSION_SQL is run in the session, and again where a migration reconnects."""
    text, asked, answer = SESSION_SQL[database.family]
    one.migration(
        "0002_b",
        f"assert db.execute_sql({asked!r}).fetchone()[0] == {answer!r}\ndb.close()\ndb.connect()\n"
        f"assert db.execute_sql({asked!r}).fetchone()[0] == {answer!r}",
        header="transaction = False",
    )
    done = one.run("migrate", env={**database.env, "SMALLS_SESSION_SQL": text})
    assert done.code == 0, done.stderr


@some_engines
def test_session_sql_that_fails(one, database):
    """Session SQL that the database refuses is 3 at once, and nothing runs without it."""
    env = {**database.env, "SMALLS_SESSION_SQL": "SELECT * FROM nowhere_at_all", "SMALLS_WAIT_TIMEOUT": "30"}
    done = one.run("migrate", env=env, timeout=10)
    assert done.code == 3, done.stderr
    assert "SMALLS_SESSION_SQL" in str(error(done))
    assert "t_a" not in database.tables()


@pytest.mark.parametrize(
    ("database", "name"),
    [("sqlite", "SMALLS_DB_ROLE"), ("sqlite", "SMALLS_DB_SCHEMA"), ("mariadb10", "SMALLS_DB_SCHEMA")],
    indirect=["database"],
)
def test_what_an_engine_has_not(one, database, name):
    """A role or schema where the engine has none is 3, not ignored."""
    done = one.run("migrate", env={**database.env, name: "x"})
    assert done.code == 3
    assert name in error(done)["message"]
    assert database.tables() == []


# ── what goes wrong while connecting ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "code", "kind"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/n", 4, "SML-DATABASE-UNREACHABLE"),
        ("mysql://u:hunter2@127.0.0.1:1/n", 4, "SML-DATABASE-UNREACHABLE"),
        ("postgresql://u:hunter2@no-such-host.invalid/n", 4, "SML-DATABASE-UNREACHABLE"),
        ("mysql://u:hunter2@no-such-host.invalid/n", 4, "SML-DATABASE-UNREACHABLE"),
        ("sqlite:////no/such/folder/x.db", 3, "SML-DATABASE-UNKNOWN"),
    ],
)
def test_databases_that_do_not_answer(one, url, code, kind):
    """What waiting might mend is 4; what it cannot is 3."""
    done = one.run("migrate", env={"SMALLS_DATABASE_URL": url, "SMALLS_DB_PASSWORD": quote("x")})
    assert (done.code, error(done)["code"]) == (code, kind)
    assert "hunter2" not in done.stderr


# ── files of SQLite ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_the_umask_says_who_may_write_a_sqlite_file(one, tmp_path, umask, mode):
    """The database, and the lock file beside it, are made as every other file is."""
    before = os.umask(umask)
    try:
        done = one.run("migrate", env={"SMALLS_DATABASE_URL": f"sqlite:///{tmp_path}/shared.db"})
    finally:
        os.umask(before)
    assert done.code == 0, done.stderr
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("shared.db*")} == {
        "shared.db": mode,
        "shared.db.smalls-lock": mode,
    }
