"""Which database: the settings and the project's own object brought together, before anything connects."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls import current
from smalls.database import bound_connect_time, engine_of, location_of, make_database, parameters
from smalls.dialects import dialect_for
from smalls.errors import ConfigError, DatabaseNotNamedError, ModelImportError
from smalls.frames import user_place
from smalls.locating import Named
from smalls.variables import Doubt

if TYPE_CHECKING:
    from smalls.dialects.base import Dialect
    from smalls.settings import Settings
    from smalls.urls import Location

# What says where a database is; everything else in a project's own parameters is kept when it is re-pointed.
_PLACE = ("host", "port", "user", "password", "passwd", "unix_socket", "db", "dbname")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The run's database: the Peewee object, its dialect, where it is, and what named it."""

    database: Any
    dialect: Dialect
    location: Location
    source: str
    repointed: bool
    doubts: tuple[Doubt, ...]


def choose_database(settings: Settings, *, fallback: Location | None = None) -> Chosen:
    """Return the run's database, unconnected, and make it `smalls.db`.

    `fallback` is used where nothing names one (for commands that never connect). Raises
    DatabaseNotNamedError, ModelImportError, or ConfigError for two settings that contradict one another.
    """
    put_project_on_path()
    found, where = _own_object(settings)
    chosen = _from_object(found, where, settings, fallback) if where else _from_settings(settings, fallback)
    bound_connect_time(chosen.database, chosen.location.engine)
    current.set_database(chosen.database)
    return chosen


def put_project_on_path() -> None:
    """Let the project's root, where smalls is run, be imported from, as if it were run by path."""
    root = os.getcwd()  # noqa: PTH109 -- sys.path holds text
    if root not in sys.path:
        sys.path.insert(0, root)


def _from_settings(settings: Settings, fallback: Location | None) -> Chosen:
    location = settings.location or fallback
    if location is None:
        raise DatabaseNotNamedError("Nothing says which database to use, and SMALLS_ENV is PROD.")
    source = settings.named.value if settings.named else Named.DEFAULT.value
    return Chosen(
        make_database(location), dialect_for(location.engine), location, source, repointed=False, doubts=()
    )


# ── the project's own object ────────────────────────────────────────────────────────────────────────────


CONF = "smalls_conf"


def conf() -> Any:
    """Return the project's `smalls_conf` module, None where there is no such file at the project's root.

    Raises ModelImportError, with the project's own file and line, where it cannot be imported.
    """
    if not Path(f"{CONF}.py").is_file():
        return None
    put_project_on_path()
    return import_module(CONF)


def _own_object(settings: Settings) -> tuple[Any, str]:
    """Return the project's own object and its name: `DB` of smalls_conf.py, or the configured module's.

    The name is "" where the project has none.

    Raises ConfigError where both are named.
    """
    own = getattr(conf(), "DB", None)
    if own is None:
        where = f"{settings.model}.{settings.object}"
        return (import_object(settings.model, settings.object), where) if settings.model else (None, "")
    if settings.values["object"].source != "default":
        raise ConfigError(
            f"{CONF}.py has a DB, and {settings.values['object'].source} names an object: {settings.object}.",
            hint="Keep one of them.",
        )
    return own, f"{CONF}.DB"


def _from_object(found: Any, where: str, settings: Settings, fallback: Location | None) -> Chosen:
    from peewee import Database, Proxy

    wanted = settings.location or fallback
    if isinstance(found, Proxy):
        if found.obj is None:
            return _initialised(found, settings, wanted, where)
        found = found.obj
    if not isinstance(found, Database):
        raise ModelImportError(f"{where} is not a Peewee database but a {type(found).__name__}.")
    if found.deferred:
        return _initialised(found, settings, wanted, where)
    return _concrete(found, settings, where)


def import_object(model: str, name: str) -> Any:
    """Return the database object `name` of the module `model`; `model` may also name the object itself.

    Raises ModelImportError with the project's own file and line where importing fails.
    """
    module = import_module(model)
    if module is None and "." in model:
        parent, _, attribute = model.rpartition(".")
        module, name = import_module(parent), attribute
    if module is None:
        raise ModelImportError(f"There is no module {model!r} to import from {os.getcwd()}.")  # noqa: PTH109 -- shown
    try:
        return getattr(module, name)
    except AttributeError:
        raise ModelImportError(f"The module {module.__name__!r} has no object {name!r}.") from None


def import_module(name: str) -> Any:
    """Return the module, or None where it (and not something that it imports) does not exist."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        raise _import_failed(name, error) from None
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise _import_failed(name, error) from None


def _import_failed(name: str, error: BaseException) -> ModelImportError:
    file, line = user_place(error)
    return ModelImportError(
        f"Importing {name!r} failed: {type(error).__name__}: {error}.",
        hint="Run smalls from the project's root, with what the module needs installed and set.",
        file=file,
        line=line,
    )


def _initialised(found: Any, settings: Settings, wanted: Location | None, where: str) -> Chosen:
    from peewee import Proxy

    if wanted is None:
        raise DatabaseNotNamedError(f"{where} is not initialised, and nothing says which database to use.")
    source = settings.named.value if settings.named else Named.DEFAULT.value
    if isinstance(found, Proxy):
        database = make_database(wanted)
        found.initialize(database)
        return Chosen(database, dialect_for(wanted.engine), wanted, source, repointed=False, doubts=())
    engine = engine_of(found)
    if engine is not wanted.engine:
        raise _contradiction(where, engine, wanted, source)
    found.init(wanted.name, **parameters(wanted))
    return Chosen(found, dialect_for(wanted.engine), wanted, source, repointed=False, doubts=())


def _concrete(found: Any, settings: Settings, where: str) -> Chosen:
    engine = engine_of(found)
    if engine is None:
        raise ModelImportError(f"{where} is a {type(found).__name__}, an engine that smalls does not support.")
    own = location_of(found, engine)
    wanted, named = settings.location, settings.named
    if wanted is None or named is None or named is Named.DEFAULT:
        return Chosen(found, dialect_for(engine), own, where, repointed=False, doubts=())
    if not named.explicit:
        doubts = () if wanted.shown == own.shown else (_ignored(named, wanted, own, where),)
        return Chosen(found, dialect_for(engine), own, where, repointed=False, doubts=doubts)
    if engine is not wanted.engine:
        raise _contradiction(where, engine, wanted, named.value)
    _repoint(found, wanted)
    return Chosen(found, dialect_for(engine), wanted, named.value, repointed=wanted.shown != own.shown, doubts=())


def _repoint(found: Any, wanted: Location) -> None:
    from peewee import Database, SqliteDatabase

    for name in _PLACE:
        found.connect_params.pop(name, None)
    # The engines' own init() would put their defaults over what the project chose (isolation, character set).
    init = type(found).init if isinstance(found, SqliteDatabase) else Database.init
    init(found, wanted.name, **parameters(wanted))


def _ignored(named: Named, wanted: Location, own: Location, where: str) -> Doubt:
    return Doubt(
        named.value,
        f"{named.value} names {wanted.shown} and is ignored: the project's own {where} names {own.shown}. "
        "Set SMALLS_DATABASE_URL to have smalls use another.",
    )


def _contradiction(where: str, engine: Any, wanted: Location, source: str) -> ConfigError:
    return ConfigError(
        f"{source} names a {wanted.engine.value} database ({wanted.shown}), "
        f"and the project's own {where} is for {engine.value if engine else 'another engine'}.",
        hint="Name a database of the same engine, or make the object a peewee.DatabaseProxy.",
    )
