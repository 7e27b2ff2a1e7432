"""Which apps the project has: found and imported."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from smalls.apps import NO_APPS, AppConfig, AppRegistry, Apps
from smalls.autoerrors import AppError
from smalls.project import CONF, conf, import_module, put_project_on_path

if TYPE_CHECKING:
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
