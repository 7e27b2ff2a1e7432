"""The settings of a quick look: those in the plainest forms, each read as `smalls.settings` would read it.

Everything else raises: what this page does not know is for the full way.
"""

from __future__ import annotations

import os

from smalls.quick.files import contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Settings that decide nothing where nothing is to do, and what each is surely right with; "" is not set.
NUMBERS = ("WAIT_TIMEOUT", "LOCK_TIMEOUT", "DDL_LOCK_TIMEOUT", "DDL_RETRIES", "STATEMENT_TIMEOUT", "SHUTDOWN_GRACE")
WORDS = {
    "CREATE_DATABASE": ("0", "1"),
    "EDITED": ("refuse", "warn"),
    "LOCK": ("auto", "advisory", "lease", "none"),
    "LOG_LEVEL": ("info",),
    "ON_NEWER": ("accept", "refuse"),
    "OUT_OF_ORDER": ("apply", "refuse", "ignore"),
    "TRANSACTION": ("migration",),
    "VERIFY": ("0",),
    "YES": ("0", "1"),
}
_PARTS = ("DB_ENGINE", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_PASSWORD_FILE", "DB_NAME")
_SECRETS = ("DATABASE_URL", "DATABASE_URL_FILE", "HISTORY_KEY", "HISTORY_KEY_FILE")
_READ = frozenset(("ENV", "LOG_FORMAT", "VERSION", "MIGRATIONS", "TERMINATION_LOG", *_SECRETS, *_PARTS))
_PREFIX = "SMALLS_"
_FILES = ("config.ini", "smalls_conf.py")
_LONGEST = 6  # of digits; no number of theirs is out of bounds
_SHORTEST_KEY = 16
_ENGINES = {
    "sqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
# What is shown as it is, in JSON as well. Of a URL's options those that name the place, or hold a secret, are left.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@")
_PLACING = ("host", "port", "user", "db", "database", "unix")


class Settings:
    """What a quick look goes by."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environment = environ.get("SMALLS_ENV", "DEV")
        self.migrations = environ.get("SMALLS_MIGRATIONS") or "migrations"
        self.termination_log = environ.get("SMALLS_TERMINATION_LOG") or None
        self.place = _place(environ)
        self.secrets = (self.place.password, *_keys(environ))


class Place:
    """Where the database is and how to get in, as `smalls.urls.Location` has it."""

    def __init__(self, engine: str, name: str, **found: str) -> None:
        self.engine = _ENGINES[engine]
        self.name = name
        self.host, self.port = found.get("host", ""), found.get("port", "")
        self.user, self.password = found.get("user", ""), found.get("password", "")
        self.options: dict[str, str] = {}

    @property
    def shown(self) -> str:
        """What the log has of it."""
        if self.engine == "sqlite":
            return self.name
        user, port = f"{self.user}@" if self.user else "", f":{self.port}" if self.port else ""
        return f"{user}{self.host}{port}/{self.name}"


def settings(environ: Mapping[str, str], *, terminal: bool) -> Settings:
    """Return the settings; `terminal` is whether a person reads the log.

    Raises ValueError, KeyError or OSError for settings that are not plain.
    """
    for name, value in environ.items():
        if name.startswith(("OTEL_", f"_{_PREFIX}")) or (name.startswith(_PREFIX) and not _understood(name, value)):
            raise ValueError(name)
    if (terminal and environ.get("SMALLS_LOG_FORMAT") != "json") or not all(map(_absent, _FILES)):
        raise ValueError
    return Settings(environ)


def _understood(name: str, value: str) -> bool:
    key = name.removeprefix(_PREFIX)
    if key == "ENV":
        return value in {"DEV", "PROD"}
    if key in NUMBERS:
        return len(value) <= _LONGEST and (not value or (value.isascii() and value.isdecimal()))
    if key == "VERSION":
        return value.isascii() and all(part.isdecimal() and len(part) <= _LONGEST for part in value.split("."))
    if key == "LOG_FORMAT":
        return value in {"", "auto", "json"}
    if key in WORDS:
        return value in WORDS[key] or not value
    # Kubernetes sets variables with "://" in them for a Service named smalls.
    return key in _READ and value.isascii() and ("://" not in value or key == "DATABASE_URL")


def _keys(environ: Mapping[str, str]) -> list[str]:
    """Return the keys that sign the history, which must not be in the log either."""
    text = _value(environ, "SMALLS_HISTORY_KEY")
    keys = text.replace(",", "\n").split()
    if text and (not keys or min(map(len, keys)) < _SHORTEST_KEY):
        raise ValueError
    return keys


def _absent(file: str) -> bool:
    try:
        os.lstat(file)
    except FileNotFoundError:
        return True
    return False


# ── the database ────────────────────────────────────────────────────────────────────────────────────────


def _place(environ: Mapping[str, str]) -> Place:
    """Return where the database is: by the URL, else by the parts, else by the ambient URL."""
    ambient, url = _value(environ, "DATABASE_URL"), _value(environ, "SMALLS_DATABASE_URL")
    names = ("engine", "host", "port", "user", "name")
    parts = {part: text for part in names if (text := environ.get(f"SMALLS_DB_{part.upper()}"))}
    if password := _value(environ, "SMALLS_DB_PASSWORD"):
        parts["password"] = password
    if parts.keys() - {"user", "password"}:
        if url or ambient:
            raise ValueError
        return _checked(Place(parts.pop("engine"), parts.pop("name"), **parts))
    if bool(url) == bool(ambient):
        raise ValueError
    place = parse(url or ambient)
    for part, text in parts.items():
        if getattr(place, part):
            raise ValueError(part)
        setattr(place, part, text)
    return _checked(place)


def _value(environ: Mapping[str, str], name: str) -> str:
    """Return a variable's value or that of the file which `NAME_FILE` names, without its last line end."""
    text, file = environ.get(name, ""), environ.get(f"{name}_FILE", "")
    if not file:
        return text
    read = contents(file).decode("ascii").removesuffix("\n").removesuffix("\r")
    if text or not read:
        raise ValueError(name)
    return read


def parse(url: str) -> Place:
    """Return the place that a URL names. Raises ValueError or KeyError for one that is not plain."""
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    if not url.isascii() or url.split() != [url] or "#" in url:
        raise ValueError
    address, _, path = rest.partition("/")
    if scheme == "sqlite":
        if address or query:
            raise ValueError
        return Place(scheme, _decoded(path))
    credentials, _, address = address.rpartition("@")
    user, colon, password = credentials.partition(":")
    host, _, port = address.partition(":")
    if colon and not password:
        raise ValueError
    place = Place(scheme, _decoded(path), host=_decoded(host), port=port)
    place.user, place.password = _decoded(user), _decoded(password)
    place.options = _options(query) if query else {}
    return place


def _checked(place: Place) -> Place:
    """Return the place; raises ValueError where it, or what the log shows of it, is not plain."""
    server = place.engine != "sqlite"
    texts = (place.name, place.host, place.port, place.user, place.password)
    if not all(text.isascii() and text.isprintable() for text in texts):
        raise ValueError
    if not _PLAIN.issuperset(place.shown) or "://" in place.shown or bool(place.host) != server or not place.name:
        raise ValueError
    if server and (
        ":" in place.host or "/" in place.host + place.name or (place.port and not _is_port(place.port))
    ):
        raise ValueError
    if place.options and place.engine != "postgresql":
        raise ValueError
    return place


def _is_port(text: str) -> bool:
    return text.isdecimal() and len(text) <= _LONGEST and 0 < int(text) < 1 << 16


def _options(query: str) -> dict[str, str]:
    """Return a URL's options, for the driver as they are."""
    from urllib.parse import parse_qsl

    found = dict(parse_qsl(query, keep_blank_values=True))
    if any("pass" in key or key.startswith(_PLACING) for key in found):
        raise ValueError
    return found


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)
