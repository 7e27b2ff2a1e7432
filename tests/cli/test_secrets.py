"""No secret anywhere: a run with an unusual password, of success and of every failure, searched whole."""

import json
import os
import secrets
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

import pytest

from tests.running import wait_until

PASSWORD = "p@ss:/%#'w\"o\\rd?&=é"
FAMILIES = pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)


def spellings(password):
    encoded = {quote(password), quote(password, safe=""), quote_plus(password)}
    written = {repr(password)[1:-1], json.dumps(password)[1:-1], json.dumps(password, ensure_ascii=False)[1:-1]}
    return {password, *encoded, *(text.lower() for text in encoded), *written}


def assert_clean(*texts, password=PASSWORD):
    for text in texts:
        for spelling in spellings(password):
            assert spelling not in text
            assert spelling not in text.replace("\\\\", "\\")


@pytest.fixture
def secret_url(database):
    """Give the URL of a user whose password is as awkward as can be."""
    escaped = PASSWORD.replace("\\", "\\\\") if database.family == "mysql" else PASSWORD
    url = database.user_url(password=escaped)
    return url.replace(quote(escaped, safe=""), quote(PASSWORD, safe=""))


def everything(run, *words, env, **options):
    done = run(*words, env={"SMALLS_LOG_LEVEL": "debug", **env}, **options)
    assert_clean(done.stdout, done.stderr)
    return done


LEAKY = """\
import os
url = os.environ["SMALLS_DATABASE_URL"]
print("print", url, db.connect_params["password"])
"""


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_every_command(project, database, secret_url):
    """Success in every command, on both streams, at debug level; URL, parts and files alike."""
    env = {"SMALLS_DATABASE_URL": secret_url}
    project.migration("0001_a", LEAKY, LEAKY)
    for words in (
        ("check",),
        ("config",),
        ("config", "--json"),
        ("status",),
        ("migrate", "--plan"),
        ("migrate",),
        ("status", "--json"),
        ("rollback", "0", "--yes"),
        ("baseline", "1"),
        ("repair",),
        ("wait", "--migrated"),
    ):
        done = everything(project.run, *words, env=env)
        assert done.code == 0, done.stderr
    found = urlsplit(secret_url)
    secret = project.write("secret", "")
    secret.write_text(PASSWORD + "\n")
    parts = {"ENGINE": found.scheme, "HOST": found.hostname, "PORT": str(found.port), "USER": found.username}
    env = {f"SMALLS_DB_{name}": text for name, text in parts.items()} | {"SMALLS_DB_NAME": database.name}
    assert everything(project.run, "config", env={**env, "SMALLS_DB_PASSWORD_FILE": str(secret)}).code == 0
    assert everything(project.run, "status", env={**env, "SMALLS_DB_PASSWORD": PASSWORD}).code == 0


FAILURES = {
    "url": "raise ValueError('cannot reach ' + os.environ['SMALLS_DATABASE_URL'])",
    "repr": "raise KeyError(word)",
    "statement": "db.execute_sql('SELECT nothing /* %s */' % word.replace('%', '%%'))",
    "literal": "db.execute_sql('ALTER USER x \\'%s\\'' % word.replace(chr(39), chr(39) * 2).replace('%', '%%'))",
    "stderr": "import sys; sys.stderr.write(repr(os.environ)); 1/0",
    "logging": "import logging; logging.error('%s', word); 1/0",
    "environment": "raise RuntimeError(dict(os.environ))",
    "exit": "raise SystemExit(os.environ['SMALLS_DATABASE_URL'])",
}


def _fails(project, body):
    project.migration("0001_a", f"word = os.environ['SMALLS_DB_PASSWORD']\n{body}", header="import os")


@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_failing_migrations(project, database, secret_url, body):
    """A migration whose error, statement or output holds the password or the URL tells neither."""
    _fails(project, body)
    env = {"SMALLS_DATABASE_URL": secret_url, "SMALLS_DB_PASSWORD": PASSWORD}
    failed = everything(project.run, "migrate", env=env)
    assert failed.code == 6, failed.stderr


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_half_done_migration(project, database, secret_url):
    """Journal, repair and status tell what is known of it, without the password."""
    _fails(project, f"db.execute_sql('CREATE TABLE t (n INT)')\n{FAILURES['url']}")
    env = {"SMALLS_DATABASE_URL": secret_url, "SMALLS_DB_PASSWORD": PASSWORD}
    assert everything(project.run, "migrate", env=env).code == 7
    assert json.loads(everything(project.run, "repair", env=env).stdout)["problems"]
    everything(project.run, "status", "--json", env=env)
    details = [row[0] for row in database.query("SELECT detail FROM smalls_journal")]
    assert any("***" in detail for detail in details), details
    assert_clean(*details)


@FAMILIES
def test_what_fails_to_connect(project, database, secret_url):
    """Wrong password, unknown host, unknown database, bad options, a closed port: none tells the secret."""
    project.migration("0001_a")
    found = urlsplit(secret_url)
    place = f"{found.hostname}:{found.port}/"
    other = quote("n0t-" + PASSWORD, safe="")
    urls = {
        secret_url.replace(quote(PASSWORD, safe=""), other): 3,
        secret_url.replace(place, f"no-such-host.invalid:{found.port}/"): 4,
        secret_url.replace(place, "127.0.0.1:1/"): 4,
        secret_url.replace(f"/{database.name}", "/nope"): 3,
        f"{secret_url}?nonsense={quote(PASSWORD, safe='')}": 3,
        secret_url.replace(quote(PASSWORD, safe=""), PASSWORD): 3,
        secret_url.replace("://", "x://"): 3,
    }
    for url, code in urls.items():
        done = everything(project.run, "migrate", env={"SMALLS_DATABASE_URL": url})
        assert done.code == code, done.stderr
    name = secret_url.rpartition("/")[2]
    assert everything(project.run, "migrate", name, "--nope", env={"SMALLS_DATABASE_URL": secret_url}).code == 2


@FAMILIES
def test_the_projects_own_object(project, database, secret_url):
    """A password that only the project's own code knows is masked from then on."""
    kind = "PostgresqlDatabase" if database.family == "postgres" else "MySQLDatabase"
    found = urlsplit(secret_url)
    own = PASSWORD if database.family == "postgres" else PASSWORD.encode()  # PyMySQL takes text for Latin-1
    place = f"host={found.hostname!r}, port={found.port}, user={found.username!r}, password={own!r}"
    project.write("model.py", f"from peewee import *\ndb = {kind}({database.name!r}, {place})\n")
    project.migration("0001_a", "raise ValueError(db.connect_params['password'])")
    assert everything(project.run, "migrate", env={"SMALLS_MODEL": "model"}).code == 6


@FAMILIES
def test_children(project, database, secret_url, start):
    """A script that prints its whole environment is masked, and no process list shows the secret."""
    project.write(
        "seed.py",
        """\
        import os, sys, time, pathlib
        print(dict(os.environ))
        print(os.environ["DATABASE_URL"], file=sys.stderr)
        pathlib.Path("begun").write_text(str(os.getpid()))
        while not os.path.exists("go"):
            time.sleep(0.02)
        sys.exit(os.environ["SMALLS_DATABASE_URL"])
        """,
    )
    running = start("seed", cwd=project.path, env={"SMALLS_DATABASE_URL": secret_url, "SMALLS_LOG_LEVEL": "debug"})
    begun = project.path / "begun"
    wait_until(lambda: begun.exists() and begun.read_text() != "")
    for pid in (begun.read_text(), str(running.pid)):
        assert_clean(Path(f"/proc/{pid}/cmdline").read_text())
    (project.path / "go").touch()
    stdout, stderr = running.communicate(timeout=20)
    assert running.returncode == 12
    assert_clean(stdout, stderr)
    assert stderr.count("***") >= 4


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_while_the_model_is_imported(project, form):
    """A model module that fails with the URL in its error, before anything is known of it, tells no password."""
    word = secrets.token_hex(8)
    project.write("model.py", f"raise RuntimeError('no route to postgresql://u:{word}@h/n')\n")
    done = project.run("status", env={"SMALLS_MODEL": "model", "SMALLS_LOG_FORMAT": form})
    assert done.code == 3
    assert word not in done.stdout + done.stderr


def test_a_defect_shows_no_secret(project):
    """The report of a defect is masked like everything else."""
    project.write(
        "sitecustomize.py",
        """\
        import os, smalls.history
        def broken(self):
            raise ZeroDivisionError(os.environ["SMALLS_DB_PASSWORD"])
        smalls.history.History.read = broken
        """,
    )
    env = {"PYTHONPATH": str(project.path), "SMALLS_DB_PASSWORD": PASSWORD}
    assert everything(project.run, "migrate", env=env).code == 1


def test_session_sql_is_not_shown(project):
    """SMALLS_SESSION_SQL may hold a secret: `config` masks it."""
    done = project.run("config", env={"SMALLS_SESSION_SQL": f"SET app.key = '{os.getpid()}-hush'"})
    assert "hush" not in done.stdout + done.stderr
