"""All settings: flag, then environment, then config file, then default, into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from smalls.errors import ConfigError, UsageError
from smalls.model import Edited, Environment, OnNewer, OutOfOrder, Policies
from smalls.urls import Engine, Location, parse_url, secrets_in
from smalls.variables import (
    PREFIX,
    Doubt,
    Value,
    environment_doubts,
    read_config_file,
    read_variable,
    unknown_names,
)
from smalls.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class LockKind(Enum):
    """Which lock keeps two runs apart."""

    AUTO = "auto"
    ADVISORY = "advisory"
    LEASE = "lease"
    NONE = "none"


class LogFormat(Enum):
    """How log events are written."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


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


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says before the command."""

    config: str | None = None
    database_url: str | None = None
    log_format: str | None = None
    log_level: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings of a run. Times are in seconds; None means without a limit.

    `config` is the config file that was named, None where it is the default one.
    """

    environment: Environment
    config: str | None
    location: Location | None
    named: Named | None
    db_role: str | None
    db_schema: str | None
    session_sql: str | None
    model: str | None
    object: str
    migrations: str
    wait_timeout: float
    lock_timeout: float
    lock: LockKind
    ddl_lock_timeout: float
    statement_timeout: float | None
    run_timeout: float | None
    policies: Policies
    log_format: LogFormat
    log_level: str
    yes: bool
    lock_token: str | None = field(repr=False)
    values: Mapping[str, Value]
    doubts: tuple[Doubt, ...]
    secrets: frozenset[str] = field(repr=False)
    apps: tuple[str, ...] = ()

    @property
    def image_version(self) -> str | None:
        """The version of the running image, as SMALLS_VERSION has it."""
        return self.policies.image_version


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────


def _text(text: str) -> str:
    return text


def _one_of(kind: type[Enum]) -> Callable[[str], Enum]:
    def parse(text: str) -> Enum:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"one of {', '.join(str(member.value) for member in kind)}") from None

    return parse


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("a number of seconds, 0 or more")
    return number


def _yes(text: str) -> bool:
    answers = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in answers:
        raise ValueError("1 or 0")
    return answers[text.lower()]


def _level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("one of debug, info, warning, error")
    return text.lower()


def _paths(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _name(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a name without NUL characters")
    return text


def _version(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        version_key(text, where="")
    except ConfigError:
        raise ValueError("an integer or a version such as 1.4.0") from None
    return text.strip()


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: its config key, how its text is read, its defaults, and whether it can hold a secret."""

    key: str
    parse: Callable[[str], Any]
    default: str | None = None
    prod_default: str | None = None
    secret: bool = False
    in_config_file: bool = True

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return PREFIX + self.key.removeprefix("smalls_").upper()


_PARTS = ("engine", "host", "port", "user", "password", "name")

SPECS: dict[str, Spec] = {
    spec.key: spec
    for spec in (
        Spec("env", _one_of(Environment), "DEV"),
        Spec("database_url", _text, secret=True),
        *(Spec(f"db_{part}", _name, secret=True, in_config_file=False) for part in _PARTS),
        Spec("db_role", _name),
        Spec("db_schema", _name),
        Spec("session_sql", _text, secret=True),
        Spec("model", _text),
        Spec("object", _text, "db"),
        Spec("migrations", _name, "migrations"),
        Spec("apps", _paths),
        Spec("wait_timeout", _seconds, "0", "60"),
        Spec("lock_timeout", _seconds, "300"),
        Spec("lock", _one_of(LockKind), "auto"),
        Spec("ddl_lock_timeout", _seconds, "5"),
        Spec("statement_timeout", _seconds),
        Spec("run_timeout", _seconds),
        Spec("out_of_order", _one_of(OutOfOrder), "apply", "refuse"),
        Spec("edited", _one_of(Edited), "warn", "refuse"),
        Spec("on_newer", _one_of(OnNewer), "accept"),
        Spec("smalls_version", _version),
        Spec("log_format", _one_of(LogFormat), "auto"),
        Spec("log_level", _level, "info"),
        Spec("yes", _yes, "0"),
    )
}
_POLICIES = ("out_of_order", "edited", "on_newer", "smalls_version")
_INTERNAL = {"SMALLS_CONFIG", "SMALLS_LOCK_TOKEN"}
# A migration's own imports may read these; they are no settings and no mistake.
_KNOWN = (
    {spec.variable for spec in SPECS.values()}
    | {f"{spec.variable}_FILE" for spec in SPECS.values() if spec.secret}
    | _INTERNAL
)


# ── loading ─────────────────────────────────────────────────────────────────────────────────────────────


def load(flags: Flags, environ: Mapping[str, str]) -> Settings:
    """Return the effective settings.

    Raises ConfigError (3) for a value that cannot be meant, naming its source, and UsageError (2) for a
    password on the command line. Opens no connection; reads only the config file and `_FILE` files.
    """
    values, doubts = _collect(flags, environ)
    read = {key: _parse(SPECS[key], value) for key, value in values.items() if key in SPECS}
    prod = read["env"] is Environment.PROD
    location, named, more = _database(flags, values, environ, prod=prod)
    return Settings(
        environment=read["env"],
        config=flags.config or environ.get("SMALLS_CONFIG") or None,
        location=location,
        named=named,
        db_role=read.get("db_role"),
        db_schema=read.get("db_schema"),
        session_sql=read.get("session_sql"),
        model=read.get("model"),
        object=read["object"],
        migrations=read["migrations"],
        wait_timeout=read["wait_timeout"],
        lock_timeout=read["lock_timeout"],
        lock=read["lock"],
        ddl_lock_timeout=read["ddl_lock_timeout"],
        statement_timeout=read.get("statement_timeout"),
        run_timeout=read.get("run_timeout"),
        log_format=read["log_format"],
        log_level=read["log_level"],
        yes=read["yes"],
        policies=_policies(read),
        lock_token=environ.get("SMALLS_LOCK_TOKEN") or None,
        values=values,
        doubts=(*doubts, *more),
        secrets=_secrets(values, location, environ),
        apps=read.get("apps", ()),
    )


def policies_of(environment: Environment, flags: Flags, environ: Mapping[str, str]) -> Policies:
    """Return the policies that a run in `environment` would have, its section of the config file included."""
    values, _ = _collect(flags, {**environ, "SMALLS_ENV": environment.value})
    return _policies({key: _parse(SPECS[key], values[key]) for key in _POLICIES if key in values})


def _policies(read: Mapping[str, Any]) -> Policies:
    return Policies(read["out_of_order"], read["edited"], read["on_newer"], read.get("smalls_version"))


def _collect(flags: Flags, environ: Mapping[str, str]) -> tuple[dict[str, Value], list[Doubt]]:
    values: dict[str, Value] = {}
    if "SMALLS_ENV" in environ:
        values["env"] = Value(environ["SMALLS_ENV"], "SMALLS_ENV")
    path, required = _config_path(flags, environ)
    base = read_config_file(path, None, required=required)
    environment = values.get("env") or base.get("env") or Value("DEV", "default")
    from_file = read_config_file(path, environment.text, required=required)
    doubts = environment_doubts(environ, _KNOWN)
    keys = {spec.key for spec in SPECS.values() if spec.in_config_file}
    doubts += unknown_names(from_file, keys, f"key in {path}:")
    for key, spec in SPECS.items():
        variable = read_variable(environ, spec.variable, may_be_file=spec.secret) if key != "env" else None
        found = _flag(flags, key) or variable or values.get(key) or (from_file.get(key) if key in keys else None)
        default = _default(spec, prod=environment.text == "PROD")
        if found or default is not None:
            values[key] = found or Value(default or "", "default")
    return values, doubts


def _config_path(flags: Flags, environ: Mapping[str, str]) -> tuple[str, bool]:
    named = flags.config or environ.get("SMALLS_CONFIG")
    return (named, True) if named else ("config.ini", False)


def _flag(flags: Flags, key: str) -> Value | None:
    text = {"log_format": flags.log_format, "log_level": flags.log_level}.get(key)
    return Value(text, f"--{key.replace('_', '-')}") if text else None


def _default(spec: Spec, *, prod: bool) -> str | None:
    return spec.prod_default if prod and spec.prod_default is not None else spec.default


def _parse(spec: Spec, value: Value) -> Any:
    try:
        return spec.parse(value.text)
    except ValueError as error:
        shown = "it" if spec.secret else repr(value.text)
        raise ConfigError(
            f"{value.source}: {spec.key} is {shown}; it must be {error}.",
            hint="Correct it there, or leave it out: every setting but the database has a default.",
            setting=spec.key,
        ) from None


# ── which database ──────────────────────────────────────────────────────────────────────────────────────


def _database(
    flags: Flags, values: Mapping[str, Value], environ: Mapping[str, str], *, prod: bool
) -> tuple[Location | None, Named | None, list[Doubt]]:
    from_variable = read_variable(environ, "SMALLS_DATABASE_URL", may_be_file=True)
    from_config = values.get("database_url")
    parts = {part: values[f"db_{part}"].text for part in _PARTS if f"db_{part}" in values}
    ambient = read_variable(environ, "DATABASE_URL", may_be_file=True)
    if flags.database_url:
        return _with_parts(_flag_location(flags.database_url), parts, Named.FLAG)
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


def _secrets(values: Mapping[str, Value], location: Location | None, environ: Mapping[str, str]) -> frozenset[str]:
    """Return every password that the settings hold, in use or not: all of them stand in the environment."""
    found = {values["db_password"].text} if "db_password" in values else set()
    configured = values["database_url"].text if "database_url" in values else ""
    for url in (configured, environ.get("DATABASE_URL", ""), location.url if location else ""):
        found |= secrets_in(url)
    return frozenset(found)
