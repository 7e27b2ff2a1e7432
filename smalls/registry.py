"""What the project has: its apps, found and imported, and the migration files of all of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.apps import NO_APPS, AppConfig, AppRegistry, Apps
from smalls.autoerrors import AppError
from smalls.errors import MigrationsFolderError
from smalls.model import Environment
from smalls.project import CONF, conf, import_module, put_project_on_path
from smalls.source import find_migrations

if TYPE_CHECKING:
    from smalls.events import Emit
    from smalls.migration import Migration
    from smalls.settings import Settings

MODULE = "smalls_app"


def find_apps(settings: Settings) -> Apps:
    """Return the apps that SMALLS_APPS names, else those of the registry in `smalls_conf.py`; none by default.

    Imports the apps' config modules, and so their models. Raises AppError and ModelImportError.
    """
    paths = settings.apps or _registered()
    if not paths:
        return NO_APPS
    put_project_on_path()
    return Apps({path: _config(path) for path in map(_full, paths)})


def _registered() -> tuple[str, ...]:
    module = conf()
    registry = getattr(module, "APP_REGISTRY", None)
    if registry is None:
        return ()
    if not isinstance(registry, AppRegistry):
        raise AppError(f"APP_REGISTRY in {CONF}.py is not an AppRegistry but a {type(registry).__name__}.")
    return registry.apps


def _full(path: str) -> str:
    """Return the path of the config module; `blog` may stand for `blog.smalls_app`."""
    if path.rpartition(".")[2] == MODULE:
        return path
    try:
        found = importlib.util.find_spec(f"{path}.{MODULE}")
    except (ImportError, AttributeError, ValueError):
        return path
    return f"{path}.{MODULE}" if found else path


def _config(path: str) -> AppConfig:
    module = import_module(path)
    if module is None:
        raise AppError(f"There is no app {path!r} to import.", hint="Give the path of its smalls_app module.")
    config = getattr(module, "APP_CONFIG", None)
    if not isinstance(config, AppConfig):
        raise AppError(f"{path} has no APP_CONFIG = AppConfig(...).")
    return config


def find_files(settings: Settings, apps: Apps, emit: Emit) -> list[Migration]:
    """Return the migration files, in order: those of no app, then app by app, each after those it depends on.

    Tells of files that are nearly named as migrations. Raises MigrationsFolderError where a folder is not there
    in PROD; in DEV it is a folder without files.
    """
    own = Path(settings.migrations)
    found = _files_in(str(own), "", settings, emit) if not apps or own.is_dir() else []
    for name in apps.names:
        found += _files_in(apps.get(name).folder, name, settings, emit)
    return found


def _files_in(folder: str, app: str, settings: Settings, emit: Emit) -> list[Migration]:
    try:
        found, doubtful = find_migrations(folder, app)
    except FileNotFoundError:
        if settings.environment is Environment.PROD:
            raise MigrationsFolderError(f"There is no migrations folder {Path(folder).absolute()}.") from None
        return []
    for path in doubtful:
        emit("migration.warned", f"{path} is not a migration: its name does not begin with four digits.", path=path)
    return found
