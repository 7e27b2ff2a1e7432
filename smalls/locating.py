"""Which database the settings name: the flag, a URL, the parts, the ambient URL, the config file, the default."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from smalls.errors import ConfigError, UsageError
from smalls.urls import Engine, Location, parse_url
from smalls.variables import (
    Doubt,
    Value,
    read_variable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


from smalls.specs import PARTS


class Named(Enum):
    """What named the database; only an explicit smalls setting may re-point a project's own object."""

    FLAG = "--database-url"
    URL = "SMALLS_DATABASE_URL"
    PARTS = "SMALLS_DB_*"
    AMBIENT = "DATABASE_URL"
    CONFIG = "database_url in the config file"
    DEFAULT = "default"

    @property
    def explicit(self) -> bool:
        """Whether it was said to smalls itself, for this run."""
        return self in {Named.FLAG, Named.URL, Named.PARTS}


def locate(
    flag: str | None, values: Mapping[str, Value], environ: Mapping[str, str], *, prod: bool
) -> tuple[Location | None, Named | None, list[Doubt]]:
    """Return where the database is, what named it, and what is doubtful about that.

    None where nothing names one: in PROD, or where the ambient URL is not one of ours and the project has an
    object. Raises ConfigError for a URL or parts that cannot be used, UsageError for a password in `flag`.
    """
    from_variable = read_variable(environ, "SMALLS_DATABASE_URL", may_be_file=True)
    from_config = values.get("database_url")
    parts = {part: values[f"db_{part}"].text for part in PARTS if f"db_{part}" in values}
    ambient = read_variable(environ, "DATABASE_URL", may_be_file=True)
    if flag:
        return _with_parts(_flag_location(flag), parts, Named.FLAG)
    if from_variable:
        return _with_parts(parse_url(from_variable.text, where=from_variable.source), parts, Named.URL)
    if parts.keys() - {"user", "password"}:
        return _from_parts(parts), Named.PARTS, []
    if ambient:
        return _ambient(ambient, parts, has_object="model" in values)
    if from_config:
        return _with_parts(parse_url(from_config.text, where=from_config.source), parts, Named.CONFIG)
    return (None, None, []) if prod else (_default_location(), Named.DEFAULT, [])


def _ambient(
    value: Value, parts: Mapping[str, str], *, has_object: bool
) -> tuple[Location | None, Named | None, list[Doubt]]:
    """Read DATABASE_URL; where the project has an object of its own, one that we can't read is no error."""
    try:
        return _with_parts(parse_url(value.text, where=value.source), parts, Named.AMBIENT)
    except ConfigError as error:
        if not has_object:
            raise
        return None, None, [Doubt("DATABASE_URL", f"{error.message} It is ignored.")]


def _default_location() -> Location:
    return Location(Engine.SQLITE, "sqlite", "smalls.db")


def _flag_location(url: str) -> Location:
    location = parse_url(url, where="--database-url")
    if location.password is not None:
        raise UsageError(
            "--database-url has a password, and every process list would show it.",
            hint="Leave it out and set SMALLS_DB_PASSWORD or SMALLS_DB_PASSWORD_FILE, or set SMALLS_DATABASE_URL.",
        )
    return location


def _with_parts(location: Location, parts: Mapping[str, str], named: Named) -> tuple[Location, Named, list[Doubt]]:
    """Fill user and password from their own variables where the URL has none."""
    location = replace(
        location,
        user=location.user or parts.get("user"),
        password=location.password if location.password is not None else parts.get("password"),
    )
    unused = sorted(parts.keys() - {"user", "password"})
    if not unused:
        return location, named, []
    names = ", ".join(f"SMALLS_DB_{part.upper()}" for part in unused)
    return location, named, [Doubt(names, f"Ignored {names}: {named.value} names the database.")]


def _from_parts(parts: Mapping[str, str]) -> Location:
    for part in ("engine", "name"):
        if part not in parts:
            raise ConfigError(
                f"SMALLS_DB_{part.upper()} is not set, and the other SMALLS_DB_* variables are.",
                hint="Set SMALLS_DB_ENGINE (postgresql, mysql, mariadb, sqlite) and SMALLS_DB_NAME, or one URL.",
                setting=f"SMALLS_DB_{part.upper()}",
            )
    engine = parts["engine"].lower()
    if not engine.replace("+", "").isalnum():
        raise ConfigError(
            "SMALLS_DB_ENGINE is not the name of an engine.",
            hint="It is one of postgresql, mysql, mariadb, sqlite; a whole URL goes into SMALLS_DATABASE_URL.",
            setting="SMALLS_DB_ENGINE",
        )
    placeholder = "sqlite:///x" if engine.startswith("sqlite") else f"{engine}://h/x"
    location = parse_url(placeholder, where="SMALLS_DB_ENGINE")
    return replace(
        location,
        name=parts["name"],
        host=parts.get("host"),
        port=_port(parts.get("port")),
        user=parts.get("user"),
        password=parts.get("password"),
    )


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isdecimal() and 0 < int(text) < 1 << 16):
        raise ConfigError(
            "SMALLS_DB_PORT must be a number between 1 and 65535.",
            hint="For example 5432.",
            setting="SMALLS_DB_PORT",
        )
    return int(text)
