"""Database URLs: read, written back, shown without their secret, and refused without telling it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.errors import ConfigError
from smalls.urls import MEMORY, Engine, Location, parse_url

AWKWARD = "p@:/%#?&=+ü🎉 '\"\\[]"


def parse(text):
    return parse_url(text, where="SMALLS_DATABASE_URL")


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgresql://h/n", Location(Engine.POSTGRES, "postgresql", "n", host="h")),
        ("postgres://u:p@h:5433/n", Location(Engine.POSTGRES, "postgres", "n", "h", 5433, "u", "p")),
        ("mysql://u@h/n", Location(Engine.MYSQL, "mysql", "n", "h", None, "u")),
        ("MariaDB+pymysql://h/n", Location(Engine.MYSQL, "mariadb", "n", "h")),
        ("postgresql+psycopg2://h/n", Location(Engine.POSTGRES, "postgresql", "n", "h")),
        ("mysql://u:p%40%3A%2F%25%23@h/n", Location(Engine.MYSQL, "mysql", "n", "h", None, "u", "p@:/%#")),
        ("mysql://u:p@ss@h/n", Location(Engine.MYSQL, "mysql", "n", "h", None, "u", "p@ss")),
        ("mysql://u:@h/n", Location(Engine.MYSQL, "mysql", "n", "h", None, "u", "")),
        ("postgresql://[::1]:5432/n", Location(Engine.POSTGRES, "postgresql", "n", "::1", 5432)),
        (
            "postgresql://u@[fe80::1%25eth0]/n",
            Location(Engine.POSTGRES, "postgresql", "n", "fe80::1%eth0", None, "u"),
        ),
        ("postgresql://%2Frun%2Fpg/n", Location(Engine.POSTGRES, "postgresql", "n", "/run/pg")),
        (
            "postgresql:///n?host=/run/pg",
            Location(Engine.POSTGRES, "postgresql", "n", options=(("host", "/run/pg"),)),
        ),
        ("postgresql://h/my-db%2Fx", Location(Engine.POSTGRES, "postgresql", "my-db/x", "h")),
        ("postgresql://h/?dbname=n", Location(Engine.POSTGRES, "postgresql", "n", "h")),
        ("mysql://h/n?user=u&password=12345", Location(Engine.MYSQL, "mysql", "n", "h", None, "u", "12345")),
        ("  mysql://h/n\n", Location(Engine.MYSQL, "mysql", "n", "h")),
        ("sqlite:///a.db", Location(Engine.SQLITE, "sqlite", "a.db")),
        ("sqlite:////var/a%20b.db", Location(Engine.SQLITE, "sqlite", "/var/a b.db")),
        ("sqlite://", Location(Engine.SQLITE, "sqlite", MEMORY)),
        ("sqlite:///:memory:", Location(Engine.SQLITE, "sqlite", MEMORY)),
    ],
)
def test_what_a_url_names(url, location):
    """Each form of URL names its place; credentials are percent-decoded."""
    found = parse(url)
    assert found == location
    assert found.password == location.password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:5432/n?sslmode=require&password=x", "u@h:5432/n"),
        ("mysql://root:secret@/n?unix_socket=/run/my.sock", "root@/run/my.sock/n"),
        ("postgresql:///n", "localhost/n"),
        ("sqlite:///a.db?timeout=1", "a.db"),
    ],
)
def test_what_is_shown(url, shown):
    """Only user, host, port and name are shown; never a password or an option."""
    assert parse(url).shown == shown
    assert "secret" not in repr(parse(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "oracle://u:secret@h/n",
        "u:secret@h/n?next=http://x",
        "postgresql://u:secret@h",
        "postgresql://u:secret@h/",
        "postgresql://u:secret#1@h/n",
        "postgresql://u:secret/1@h/n",
        "postgresql://u:sec:secret:x",
        "postgresql://u@h:secret/n",
        "postgresql://u:secret@h:0/n",
        "postgresql://u:secret@h:65536/n",
        "postgresql://u:secret@[::1/n?x",
        "mysql+pool+u:secret://h/n",
        "sqlite://secret.db",
        "postgresql:/u:secret@h/n",
    ],
)
def test_a_url_that_cannot_be_used(url):
    """It is refused as configuration, by the place where it stands, with not a character of it shown."""
    with pytest.raises(ConfigError, match="SMALLS_DATABASE_URL") as raised:
        parse(url)
    assert "secret" not in str(raised.value.as_dict())
    assert "percent-encoded" in raised.value.hint


def test_an_unknown_scheme_is_named():
    """A scheme that is merely unknown is told, since it is the mistake."""
    with pytest.raises(ConfigError, match="'oracle'"):
        parse("oracle://h/n")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
HOSTS = st.sampled_from(["h", "db.example.com", "::1", "fe80::1%eth0", "/run/postgresql", "10.0.0.1", "ü.example"])
KEYS = st.sampled_from(["sslmode", "sslrootcert", "unix_socket", "application_name", "charset"])


LOCATIONS = st.builds(
    Location,
    st.just(Engine.POSTGRES),
    st.sampled_from(["postgresql", "postgres", "cockroachdb", "psycopg3"]),
    TEXT,
    st.none() | HOSTS,
    st.none() | st.integers(1, 65535),
    st.none() | TEXT,
    st.none() | st.just("") | st.just(AWKWARD) | TEXT,
    st.dictionaries(KEYS, TEXT, max_size=3).map(lambda found: tuple(found.items())),
)


@given(LOCATIONS)
def test_round_trip(location):
    """For any location, the URL that is written for children reads back as the same location."""
    found = parse(location.url)
    assert found == location
    assert (found.password, found.options) == (location.password, location.options)


@given(name=TEXT.filter(lambda name: name.strip() == name), options=st.dictionaries(KEYS, TEXT, max_size=2))
def test_round_trip_of_a_file(name, options):
    """A SQLite file's name and options survive being written as a URL."""
    location = Location(Engine.SQLITE, "sqlite", name, options=tuple(options.items()))
    found = parse(location.url)
    assert (found, found.options) == (location, location.options)


@given(st.text(max_size=60), st.sampled_from(["postgresql", "mysql", "x", "", "sqlite"]), st.text(max_size=10))
def test_no_url_breaks_the_reading_or_is_told(rest, scheme, middle):
    """Any text is a location or a ConfigError that holds nothing of what stands after the scheme."""
    secret = "S3cr3t-XYZ"
    urls = [f"{scheme}{middle}u:{secret}{rest}", f"{scheme}://u:{secret}{rest}@h/n", f"{scheme}://u@h{rest}/n"]
    assert not any(secret in _refusal(url) for url in urls)


def _refusal(url):
    try:
        parse(url)
    except ConfigError as error:
        return str(error.as_dict())
    return ""
