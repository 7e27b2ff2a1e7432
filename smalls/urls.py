"""Database URLs: text to a location and back to what may be shown. No secret in any error or repr.

Credentials are percent-decoded; query parameters are for the driver (`sslmode`, `ssl_ca`, `unix_socket`,
`host=/run/postgresql`). The forms are those of https://www.postgresql.org/docs/current/libpq-connect.html
and of https://docs.peewee-orm.com (`db_url`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import parse_qsl, quote, unquote, urlencode

from smalls.errors import ConfigError


def is_unicode(text: str) -> bool:
    """Tell whether a text from outside was UTF-8: what was not Python keeps in lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Engine(Enum):
    """The families of databases that smalls speaks to."""

    SQLITE = "sqlite"
    POSTGRES = "postgresql"
    MYSQL = "mysql"


_SCHEMES = {
    "sqlite": Engine.SQLITE,
    "sqlite3": Engine.SQLITE,
    "postgres": Engine.POSTGRES,
    "postgresql": Engine.POSTGRES,
    "postgresext": Engine.POSTGRES,
    "psycopg3": Engine.POSTGRES,
    "cockroachdb": Engine.POSTGRES,
    "mysql": Engine.MYSQL,
    "mariadb": Engine.MYSQL,
}
_DRIVERS = {"psycopg2", "pymysql", "pool", "pysqlite"}
MEMORY = ":memory:"
_PLAIN_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*(?:\+[A-Za-z0-9]+)?\Z")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a database is and how to get in. `options` go to the driver as they are."""

    engine: Engine
    scheme: str
    name: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """`user@host:port/name`, or the SQLite file: all that may appear in a log."""
        if self.engine is Engine.SQLITE:
            return self.name
        host = self.host or dict(self.options).get("unix_socket") or dict(self.options).get("host") or "localhost"
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{host}{port}/{self.name}"

    @property
    def url(self) -> str:
        """The whole URL, secret included, for the environment of children only; Peewee's `db_url` can read it."""
        if self.engine is Engine.SQLITE:
            path = self.name if self.name == MEMORY else quote(self.name)
            return _with_query(f"sqlite:///{path}", self.options)
        user = quote(self.user, safe="") if self.user else ""
        password = f":{quote(self.password, safe='')}" if self.password is not None else ""
        at = "@" if user or password else ""
        host = quote(self.host, safe="[]:") if self.host else ""
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        port = f":{self.port}" if self.port else ""
        scheme = "mysql" if self.scheme == "mariadb" else self.scheme  # which Peewee has no word for
        whole = f"{scheme}://{user}{password}{at}{host}{port}/{quote(self.name, safe='')}"
        return _with_query(whole, self.options)


def _with_query(url: str, options: tuple[tuple[str, str], ...]) -> str:
    return f"{url}?{urlencode(options)}" if options else url


def parse_url(text: str, *, where: str) -> Location:
    """Return the location that a URL names.

    Raises ConfigError, naming `where` the URL stands and never the URL itself, for an unknown scheme, a
    port that is no number, or a missing database name.
    """
    if not is_unicode(text):
        raise _bad(where, "it is not UTF-8 text")
    scheme, separator, rest = text.strip().partition("://")
    base, _, driver = scheme.lower().partition("+")
    if not separator or base not in _SCHEMES or (driver and driver not in _DRIVERS):
        raise _bad(where, _scheme_problem(scheme, separator))
    rest, _, query = rest.partition("?")
    options = tuple(parse_qsl(query, keep_blank_values=True))
    if _SCHEMES[base] is Engine.SQLITE:
        return _sqlite(rest, options, where)
    return _server(base, rest, options, where)


def secrets_in(text: str) -> set[str]:
    """Return the passwords in a URL's text, as written and decoded; for URLs of any kind, usable or not."""
    rest, _, query = text.partition("://")[2].partition("?")
    credentials = rest.partition("/")[0].rpartition("@")[0] or text.partition("://")[2].rpartition("@")[0]
    written = credentials.partition(":")[2]
    options = {value for key, value in parse_qsl(query) if "pass" in key.lower()}
    return {secret for secret in (written, unquote(written), *options) if secret}


def _scheme_problem(scheme: str, separator: str) -> str:
    if not separator:
        return "it has no '://'"
    # Only what is surely a scheme is shown: with a mistyped URL anything can stand before a "://".
    return f"its scheme {scheme!r} is not known" if _PLAIN_SCHEME.match(scheme) else "it has no scheme"


def _bad(where: str, problem: str) -> ConfigError:
    return ConfigError(
        f"The database URL in {where} cannot be used: {problem}.",
        hint=(
            "Write postgresql://user:password@host:5432/name, mysql://user:password@host:3306/name or "
            "sqlite:///file.db, with @ : / ? % # in the user or password percent-encoded; "
            "or set SMALLS_DB_HOST, SMALLS_DB_USER, SMALLS_DB_PASSWORD, SMALLS_DB_NAME instead."
        ),
    )


def _sqlite(rest: str, options: tuple[tuple[str, str], ...], where: str) -> Location:
    host, slash, path = rest.partition("/")
    if host:
        raise _bad(where, "a SQLite URL takes three slashes for a relative path and four for an absolute one")
    name = unquote(path) if slash and path else MEMORY
    return Location(Engine.SQLITE, "sqlite", name, options=options)


def _server(base: str, rest: str, options: tuple[tuple[str, str], ...], where: str) -> Location:
    authority, _, path = rest.partition("/")
    credentials, _, address = authority.rpartition("@")
    user, colon, password = credentials.partition(":")
    host, port = _address(address, where)
    settings = dict(options)
    name = unquote(path) or settings.pop("dbname", "") or settings.pop("database", "")
    if not name:
        raise _bad(where, "it names no database after the host")
    if "#" in rest:
        raise _bad(where, "it has a '#', which must be written %23")
    location = Location(
        _SCHEMES[base],
        base,
        name,
        host=host,
        port=port,
        user=unquote(user) or None,
        password=unquote(password) if colon else None,
        options=tuple(settings.items()),
    )
    return _credentials_from_query(location)


def _credentials_from_query(location: Location) -> Location:
    """Move `user` and `password` out of the query, so that every later place finds them in one."""
    settings = dict(location.options)
    user = settings.pop("user", None)
    password = settings.pop("password", None) or settings.pop("passwd", None)
    return replace(
        location,
        user=location.user or user,
        password=location.password if location.password is not None else password,
        options=tuple(settings.items()),
    )


def _address(address: str, where: str) -> tuple[str | None, int | None]:
    if address.startswith("["):
        host, bracket, tail = address[1:].partition("]")
        if not bracket:
            raise _bad(where, "its host has a '[' and no ']'")
        port = tail.removeprefix(":")
    else:
        host, _, port = address.partition(":")
    if port and not (port.isdecimal() and 0 < int(port) < 1 << 16):
        raise _bad(
            where, "its port is not a number between 1 and 65535 (is there an unencoded : / or @ before it?)"
        )
    return unquote(host) or None, int(port) if port else None
