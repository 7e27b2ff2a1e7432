"""All settings: flag, then environment, then config file, then default, into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smalls.errors import ConfigError
from smalls.model import Environment, Policies
from smalls.urls import Location, secrets_in
from smalls.variables import (
    Doubt,
    Value,
    environment_doubts,
    read_config_file,
    read_variable,
    unknown_names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


from smalls.locating import Named, locate
from smalls.specs import SPECS, LockKind, LogFormat, Spec, Transaction


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
    create_database: bool
    lock_timeout: float
    lock: LockKind
    lease_timeout: float
    ddl_lock_timeout: float
    ddl_retries: int
    transaction: Transaction
    statement_timeout: float | None
    run_timeout: float | None
    shutdown_grace: float
    policies: Policies
    log_format: LogFormat
    log_level: str
    track_images: bool
    contract_after: float
    yes: bool
    verify: bool
    lock_token: str | None = field(repr=False)
    values: Mapping[str, Value]
    doubts: tuple[Doubt, ...]
    secrets: frozenset[str] = field(repr=False)
    apps: tuple[str, ...] = ()
    history_keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def image_version(self) -> str | None:
        """The version of the running image, as SMALLS_VERSION has it."""
        return self.policies.image_version


_POLICIES = ("out_of_order", "edited", "on_newer", "smalls_version")
_INTERNAL = {"SMALLS_CONFIG", "SMALLS_LOCK_TOKEN"}
# A migration's own imports may read these; they are no settings and no mistake.
_KNOWN = (
    {spec.variable for spec in SPECS.values()}
    | {f"{spec.variable}_FILE" for spec in SPECS.values() if spec.secret}
    | _INTERNAL
)


def load(flags: Flags, environ: Mapping[str, str]) -> Settings:
    """Return the effective settings.

    Raises ConfigError (3) for a value that cannot be meant, naming its source, and UsageError (2) for a
    password on the command line. Opens no connection; reads only the config file and `_FILE` files.
    """
    values, doubts = _collect(flags, environ)
    read = {key: _parse(SPECS[key], value) for key, value in values.items() if key in SPECS}
    prod = read["env"] is Environment.PROD
    location, named, more = locate(flags.database_url, values, environ, prod=prod)
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
        create_database=read["create_database"],
        lock_timeout=read["lock_timeout"],
        lease_timeout=read["lease_timeout"],
        lock=read["lock"],
        ddl_lock_timeout=read["ddl_lock_timeout"],
        ddl_retries=read["ddl_retries"],
        transaction=read["transaction"],
        statement_timeout=read.get("statement_timeout") or None,
        run_timeout=read.get("run_timeout") or None,
        shutdown_grace=read["shutdown_grace"],
        log_format=read["log_format"],
        log_level=read["log_level"],
        track_images=read["track_images"],
        contract_after=read["contract_after"],
        yes=read["yes"],
        verify=read["verify"],
        policies=_policies(read),
        lock_token=environ.get("SMALLS_LOCK_TOKEN") or None,
        values=values,
        doubts=(*doubts, *more),
        secrets=_secrets(values, location, environ),
        apps=read.get("apps", ()),
        history_keys=tuple(key.encode() for key in read.get("history_key", ())),
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


def _secrets(values: Mapping[str, Value], location: Location | None, environ: Mapping[str, str]) -> frozenset[str]:
    """Return every password that the settings hold, in use or not: all of them stand in the environment."""
    found = {values["db_password"].text} if "db_password" in values else set()
    if "history_key" in values:
        found |= set(values["history_key"].text.replace(",", "\n").split())
    configured = values["database_url"].text if "database_url" in values else ""
    for url in (configured, environ.get("DATABASE_URL", ""), location.url if location else ""):
        found |= secrets_in(url)
    return frozenset(found)
