"""Settings: where each comes from, which wins, and what is refused or doubted."""

import pytest

from smalls.errors import ConfigError, UsageError
from smalls.locating import Named
from smalls.model import Edited, Environment, OnNewer, OutOfOrder
from smalls.settings import _KNOWN, Flags, load, policies_of
from smalls.specs import SPECS, LockKind, LogFormat
from smalls.urls import Engine
from smalls.variables import environment_doubts, is_service_link

URL = "SMALLS_DATABASE_URL"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def settings(flags=None, /, **environ):
    return load(Flags(**(flags or {})), environ)


def config(tmp_path, text, name="config.ini"):
    (tmp_path / name).write_text(text)


# ── defaults and precedence ─────────────────────────────────────────────────────────────────────────────


def test_defaults_of_dev():
    """With nothing set: DEV, an embedded database, and policies that help a developer on."""
    found = settings()
    assert found.environment is Environment.DEV
    assert (found.location.engine, found.location.name, found.named) == (Engine.SQLITE, "smalls.db", Named.DEFAULT)
    assert (found.policies.out_of_order, found.policies.edited) == (OutOfOrder.APPLY, Edited.WARN)
    assert (found.wait_timeout, found.lock_timeout, found.ddl_lock_timeout) == (0, 300, 5)
    assert (found.object, found.migrations, found.lock, found.log_level) == (
        "db",
        "migrations",
        LockKind.AUTO,
        "info",
    )
    assert (found.yes, found.statement_timeout, found.run_timeout, found.doubts) == (False, None, None, ())


def test_defaults_of_prod():
    """PROD waits for its database, refuses what DEV lets pass, and knows no database unless told."""
    found = settings(SMALLS_ENV="PROD")
    assert found.environment is Environment.PROD
    assert (found.location, found.named) == (None, None)
    assert (found.policies.out_of_order, found.policies.edited) == (OutOfOrder.REFUSE, Edited.REFUSE)
    assert found.wait_timeout == 60


def test_the_policy_of_another_environment():
    """`status --policy PROD` judges by PROD's defaults and keeps the rest."""
    found = policies_of(Environment.PROD, Flags(), {"SMALLS_VERSION": "7"})
    assert (found.out_of_order, found.edited) == (OutOfOrder.REFUSE, Edited.REFUSE)
    assert found.image_version == "7"


def test_the_policy_of_another_environment_as_the_config_file_has_it(tmp_path):
    """What [smalls.PROD] says is what PROD would do; [smalls.DEV] says nothing about it."""
    config(
        tmp_path,
        "[smalls]\nsmalls_version = 7\n[smalls.DEV]\nedited = warn\n"
        "[smalls.PROD]\nout_of_order = apply\non_newer = refuse\n",
    )
    found = policies_of(Environment.PROD, Flags(), {"SMALLS_ENV": "DEV"})
    assert (found.out_of_order, found.edited) == (OutOfOrder.APPLY, Edited.REFUSE)
    assert (found.on_newer, found.image_version) == (OnNewer.REFUSE, "7")


def test_environment_over_section_over_file_over_default(tmp_path):
    """Environment, then [smalls.ENV], then [smalls], then the default: the first that says something."""
    config(
        tmp_path,
        "[smalls]\nlock_timeout = 1\nwait_timeout = 1\nddl_lock_timeout = 1\n"
        "[smalls.DEV]\nlock_timeout = 2\nwait_timeout = 2\n[smalls.PROD]\nlock_timeout = 9\n",
    )
    found = settings(SMALLS_LOCK_TIMEOUT="3")
    assert (found.lock_timeout, found.wait_timeout, found.ddl_lock_timeout) == (3, 2, 1)
    assert found.values["lock_timeout"].source == "SMALLS_LOCK_TIMEOUT"
    assert found.values["wait_timeout"].source == "config.ini [smalls.DEV]"
    assert found.values["ddl_lock_timeout"].source == "config.ini [smalls]"
    assert found.values["migrations"].source == "default"
    assert settings(SMALLS_ENV="PROD").lock_timeout == 9


def test_flags_over_environment():
    """A flag wins over everything."""
    flags = {"log_format": "json", "log_level": "debug", "database_url": "sqlite:///flag.db"}
    found = settings(
        flags, SMALLS_LOG_FORMAT="console", SMALLS_LOG_LEVEL="error", SMALLS_DATABASE_URL="sqlite:///x"
    )
    assert (found.log_format, found.log_level) == (LogFormat.JSON, "debug")
    assert (found.location.name, found.named) == ("flag.db", Named.FLAG)


def test_the_environment_named_in_the_file(tmp_path):
    """The config file may name the environment, and its section and defaults follow."""
    config(tmp_path, "[smalls]\nenv = PROD\n[smalls.PROD]\nlock_timeout = 7\n")
    found = settings()
    assert (found.environment, found.lock_timeout, found.wait_timeout) == (Environment.PROD, 7, 60)
    assert settings(SMALLS_ENV="DEV").environment is Environment.DEV


def test_no_seconds_are_no_limit():
    """A deadline of 0 is none, as the servers themselves have it; on SQLite it ended the first query."""
    read = settings(SMALLS_STATEMENT_TIMEOUT="0", SMALLS_RUN_TIMEOUT="0")
    assert read.statement_timeout is None
    assert read.run_timeout is None


def test_empty_is_not_set():
    """An empty variable, as Compose passes it, says nothing."""
    found = settings(SMALLS_DATABASE_URL="", SMALLS_LOCK_TIMEOUT="", SMALLS_DB_PASSWORD="", SMALLS_VERSION="")
    assert (found.named, found.lock_timeout, found.image_version) == (Named.DEFAULT, 300, None)


def test_upstreams_config_file(tmp_path):
    """The first smalls' file reads as it is: model, object and smalls_version."""
    config(tmp_path, "[smalls]\nmodel=module.model\nobject=database\nsmalls_version = 3\n")
    found = settings()
    assert (found.model, found.object, found.image_version, found.doubts) == ("module.model", "database", "3", ())


# ── the config file ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model = x\n", "before any"),
        ("[smalls]\nmodel = a\nmodel = b\n", "twice"),
        ("[smalls]\n[smalls]\n", "twice"),
        ("[smalls]\nwhat\n", "line 2"),
        ("\xff\xfe", "UTF-8"),
    ],
)
def test_a_config_file_that_cannot_be_read(tmp_path, text, problem):
    """Each mistake in the file is told in words, with the file."""
    (tmp_path / "config.ini").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=problem):
        settings()


def test_a_config_file_that_was_asked_for():
    """A file that was named must be there; the default one need not."""
    for flags, environ in (({"config": "no.ini"}, {}), ({}, {"SMALLS_CONFIG": "no.ini"})):
        with pytest.raises(ConfigError, match=r"no\.ini does not exist"):
            settings(flags, **environ)


def test_percent_signs_and_byte_order_marks(tmp_path):
    """Values are taken as they stand; an editor's byte order mark does not matter."""
    (tmp_path / "config.ini").write_bytes(b"\xef\xbb\xbf[smalls]\ndatabase_url = mysql://u:a%40b@h/n\n")
    assert settings().location.password == "a@b"


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SMALLS_ENV", "prod"),
        ("SMALLS_ENV", "STAGING"),
        ("SMALLS_ENV", ""),
        ("SMALLS_LOCK_TIMEOUT", "-1"),
        ("SMALLS_LOCK_TIMEOUT", "5m"),
        ("SMALLS_WAIT_TIMEOUT", "nan"),
        ("SMALLS_WAIT_TIMEOUT", "inf"),
        ("SMALLS_LOCK", "maybe"),
        ("SMALLS_OUT_OF_ORDER", "sometimes"),
        ("SMALLS_EDITED", "ignore"),
        ("SMALLS_ON_NEWER", "x"),
        ("SMALLS_LOG_FORMAT", "xml"),
        ("SMALLS_LOG_LEVEL", "loud"),
        ("SMALLS_YES", "perhaps"),
        ("SMALLS_VERSION", "latest"),
        ("SMALLS_MIGRATIONS", "a\x00b"),
    ],
)
def test_a_bad_value(name, text):
    """A value that cannot be meant is a configuration error that names the variable."""
    with pytest.raises(ConfigError, match=name) as raised:
        settings(**{name: text})
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("text", ["1", "true", "YES"])
def test_yes(text):
    """Consent has a few spellings."""
    assert settings(SMALLS_YES=text).yes


@pytest.mark.parametrize("engine", ["oracle", "secret word", "postgresql://u:secret@h/n", "secret\x00"])
def test_a_bad_engine_is_refused_without_being_told(engine):
    """The parts can hold a secret by mistake, so none of their values is shown."""
    with pytest.raises(ConfigError) as raised:
        settings(SMALLS_DB_ENGINE=engine, SMALLS_DB_NAME="n")
    assert "secret" not in str(raised.value.as_dict())


# ── unknown names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SMALLS_END", "SMALLS_ENV"),
        ("SMALLS_DATABASE", "SMALLS_DATABASE_URL"),
        ("SMALLS_LOCKTIMEOUT", "SMALLS_LOCK_TIMEOUT"),
        ("SMALLS_DB_PASSWROD", "SMALLS_DB_PASSWORD"),
    ],
)
def test_an_unknown_variable(name, near):
    """An unknown variable is a warning with the nearest known name, and is not honoured."""
    found = settings(**{name: "PROD"})
    (doubt,) = found.doubts
    assert name in doubt.message
    assert f"did you mean {near}?" in doubt.message
    assert found.environment is Environment.DEV


def test_an_unknown_variable_without_a_neighbour():
    """Where no name is near, none is suggested."""
    (doubt,) = settings(SMALLS_QQQQQQQQ="1").doubts
    assert "did you mean" not in doubt.message


def test_an_unknown_key(tmp_path):
    """An unknown key in the file is a warning with the nearest, and the file."""
    config(tmp_path, "[smalls]\nmodle = x\n")
    (doubt,) = settings().doubts
    assert "config.ini" in doubt.message
    assert "did you mean model?" in doubt.message


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.variable)
def test_every_known_name_is_known(spec):
    """No setting's own variable is taken for a mistake, nor its _FILE form where it can hold a secret."""
    doubted = [
        doubt.setting for doubt in environment_doubts({spec.variable: "", f"{spec.variable}_FILE": ""}, _KNOWN)
    ]
    assert doubted == ([] if spec.secret else [f"{spec.variable}_FILE"])


# ── Kubernetes ──────────────────────────────────────────────────────────────────────────────────────────

INJECTED = {
    "SMALLS_SERVICE_HOST": "10.0.0.1",
    "SMALLS_SERVICE_PORT": "80",
    "SMALLS_SERVICE_PORT_HTTP": "80",
    "SMALLS_PORT": "tcp://10.0.0.1:80",
    "SMALLS_PORT_80_TCP": "tcp://10.0.0.1:80",
    "SMALLS_PORT_80_TCP_PROTO": "tcp",
    "SMALLS_PORT_80_TCP_PORT": "80",
    "SMALLS_PORT_80_TCP_ADDR": "10.0.0.1",
    "SMALLS_DB_PORT": "tcp://10.0.0.2:5432",
    "SMALLS_DB_SERVICE_HOST": "10.0.0.2",
    "SMALLS_DB_SERVICE_PORT": "5432",
    "SMALLS_DB_PORT_5432_TCP": "tcp://10.0.0.2:5432",
    "SMALLS_DB_PORT_5432_TCP_ADDR": "10.0.0.2",
    "SMALLS_LOCK": "tcp://10.0.0.3:1",
}


def test_what_kubernetes_injects_is_ignored_with_one_warning():
    """A Service named smalls or smalls-db sets variables like ours: ignored, and told once."""
    found = settings(**INJECTED)
    (doubt,) = found.doubts
    assert "enableServiceLinks" in doubt.message
    assert all(name in doubt.message for name in INJECTED)
    assert (found.lock, found.named) == (LockKind.AUTO, Named.DEFAULT)


def test_a_port_that_a_person_set():
    """Our own SMALLS_DB_PORT is taken when it is a port."""
    assert not is_service_link("SMALLS_DB_PORT", "5432")
    parts = {"SMALLS_DB_ENGINE": "postgresql", "SMALLS_DB_NAME": "n", "SMALLS_DB_PORT": "6543"}
    assert settings(**parts).location.port == 6543


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "1.5"])
def test_a_port_that_is_none(port):
    """A port out of range is refused."""
    with pytest.raises(ConfigError, match="SMALLS_DB_PORT"):
        settings(SMALLS_DB_ENGINE="postgresql", SMALLS_DB_NAME="n", SMALLS_DB_PORT=port)


# ── _FILE ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_from_a_file(tmp_path, end):
    """A file's content is the value; one line end after it is not part of it."""
    (tmp_path / "secret").write_bytes(b" p@ss \\n" + end.encode())
    found = settings(SMALLS_DB_PASSWORD_FILE=str(tmp_path / "secret"), SMALLS_DB_ENGINE="mysql", SMALLS_DB_NAME="n")
    assert found.location.password == " p@ss \\n"
    assert " p@ss \\n" in found.secrets
    assert "SMALLS_DB_PASSWORD_FILE" in found.values["db_password"].source


@pytest.mark.parametrize("name", [URL, "DATABASE_URL"])
def test_a_url_from_a_file(tmp_path, name):
    """URLs too, smalls' own and the ambient one."""
    (tmp_path / "url").write_text("mysql://u:p@h/n\n")
    assert settings(**{f"{name}_FILE": str(tmp_path / "url")}).location.shown == "u@h/n"


@pytest.mark.parametrize(
    "name", [URL, "DATABASE_URL", "SMALLS_SESSION_SQL", *(f"SMALLS_DB_{p}" for p in ("USER", "PASSWORD", "NAME"))]
)
def test_both_forms(name):
    """A variable and its _FILE form together are an error, whatever they say."""
    with pytest.raises(ConfigError, match=f"{name} and {name}_FILE"):
        settings(**{name: "mysql://h/n", f"{name}_FILE": "/dev/null"})


@pytest.mark.parametrize("path", ["/no/such", "/", "a\x00b"])
def test_a_file_that_cannot_be_read(path):
    """A secret's file that is not there, or is no file, is named with its variable."""
    with pytest.raises(ConfigError, match="SMALLS_DB_PASSWORD_FILE"):
        settings(SMALLS_DB_PASSWORD_FILE=path)


# ── which database ──────────────────────────────────────────────────────────────────────────────────────

PARTS = {"SMALLS_DB_ENGINE": "mysql", "SMALLS_DB_NAME": "parts", "SMALLS_DB_HOST": "h"}


def test_the_first_that_names_a_database(tmp_path):
    """Flag, SMALLS_DATABASE_URL, parts, DATABASE_URL, config file, default: in this order."""
    environ = {URL: "sqlite:///url", **PARTS, "DATABASE_URL": "sqlite:///ambient"}
    config(tmp_path, "[smalls]\ndatabase_url = sqlite:///config\n")
    order = [
        (({"database_url": "sqlite:///flag"}), None, "flag", Named.FLAG),
        ({}, URL, "url", Named.URL),
        ({}, tuple(PARTS), "parts", Named.PARTS),
        ({}, "DATABASE_URL", "ambient", Named.AMBIENT),
        ({}, None, "config", Named.CONFIG),
    ]
    for flags, taken, name, named in order:
        found = settings(flags, **environ)
        assert (found.location.name, found.named) == (name, named)
        for key in (taken,) if isinstance(taken, str) else taken or ():
            environ.pop(key)


def test_parts_beside_a_url():
    """Parts that a URL makes useless are told; user and password fill what the URL leaves out."""
    found = settings(**{URL: "mysql://h/n", **PARTS, "SMALLS_DB_USER": "u", "SMALLS_DB_PASSWORD": "p"})
    assert (found.location.name, found.location.user, found.location.password) == ("n", "u", "p")
    (doubt,) = found.doubts
    assert "SMALLS_DB_HOST" in doubt.message
    assert "SMALLS_DB_USER" not in doubt.message


@pytest.mark.parametrize("where", ["DATABASE_URL", "config", "flag"])
def test_a_password_of_its_own_for_any_url(tmp_path, where):
    """A URL without a password, wherever it stands, takes the one of SMALLS_DB_PASSWORD."""
    url = "postgresql://u@h/n"
    if where == "config":
        config(tmp_path, f"[smalls]\ndatabase_url = {url}\n")
    environ = {"DATABASE_URL": url} if where == "DATABASE_URL" else {}
    found = settings({"database_url": url} if where == "flag" else {}, **environ, SMALLS_DB_PASSWORD="p")
    assert (found.location.user, found.location.password) == ("u", "p")


@pytest.mark.parametrize("missing", ["SMALLS_DB_ENGINE", "SMALLS_DB_NAME"])
def test_parts_that_are_not_enough(missing):
    """An engine and a name are needed; the one that is not there is named."""
    with pytest.raises(ConfigError, match=f"{missing} is not set"):
        settings(**{name: text for name, text in PARTS.items() if name != missing})


def test_parts_of_sqlite():
    """SQLite's name is its file."""
    found = settings(SMALLS_DB_ENGINE="sqlite", SMALLS_DB_NAME="/var/a b.db")
    assert (found.location.engine, found.location.name) == (Engine.SQLITE, "/var/a b.db")


@pytest.mark.parametrize("url", ["mysql://u:secret@h/n", "mysql://h/n?password=secret"])
def test_a_password_on_the_command_line(url):
    """A password in --database-url is refused as usage, and not repeated."""
    with pytest.raises(UsageError, match="process list") as raised:
        settings({"database_url": url})
    assert raised.value.exit_code == 2
    assert "secret" not in str(raised.value.as_dict())


def test_an_ambient_url_of_something_else():
    """DATABASE_URL that names an engine we do not speak is an error only where nothing else names one."""
    ambient = "mongodb://u:secret@h/n"
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        settings(DATABASE_URL=ambient)
    found = settings(DATABASE_URL=ambient, SMALLS_MODEL="model")
    assert found.location is None
    assert "ignored" in found.doubts[0].message
    assert settings(**{URL: "sqlite:///x", "DATABASE_URL": ambient}).location.name == "x"


@pytest.mark.parametrize(
    "environ",
    [
        {URL: "mysql://u:S3cret@h/n"},
        {URL: "mysql://h/n?password=S3cret"},
        {"DATABASE_URL": "mysql://u:S3cret@h/n", URL: "sqlite:///x"},
        {"DATABASE_URL": "mongodb://u:S3cret@h/n", URL: "sqlite:///x"},
        {**PARTS, "SMALLS_DB_PASSWORD": "S3cret"},
        {URL: "postgresql://h/n?sslpassword=S3cret"},
        {URL: "mysql://u:%533cret@h/n"},
    ],
)
def test_secrets_are_known(environ):
    """Every password in the environment is known to be one, so that it can be masked; no repr shows it."""
    found = settings(**environ)
    assert "S3cret" in found.secrets
    assert "S3cret" not in repr(found)


def test_a_password_as_the_url_spells_it():
    """An unusual percent-encoding is masked too, since the URL's own text can appear in an error."""
    assert "%533cret" in settings(**{URL: "mysql://u:%533cret@h/n"}).secrets
