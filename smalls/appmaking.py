"""`app new`: a package for an app, with its config, a module for its models and a migrations folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.apps import AppConfig
from smalls.autoerrors import AppError
from smalls.project import CONF

if TYPE_CHECKING:
    from smalls.settings import Settings

_APP = '''"""The app {name}: register its models here."""

from pathlib import Path

from smalls.apps import AppConfig

from .models import BaseModel  # noqa: F401  -- import your models from there

APP_CONFIG = AppConfig(
    app_name="{name}",
    migrations_folder_path=Path(__file__).parent / "migrations",
    table_classes=[],
    migration_dependencies=[],
    commands=[],
)
'''
_MODELS = '''"""The models of the app {name}."""

from peewee import Model

from {module} import {object}


class BaseModel(Model):
    class Meta:
        database = {object}
'''
_CONF = '''"""The project's database and its apps."""

from peewee import DatabaseProxy

from smalls.apps import AppRegistry

# smalls initialises it from its settings (SMALLS_DATABASE_URL, ...); so must your application.
DB = DatabaseProxy()

APP_REGISTRY = AppRegistry(apps=["{name}.smalls_app"])
'''


@dataclass(frozen=True, slots=True)
class Made:
    """The files that were written, and what is left to do."""

    paths: tuple[str, ...]
    advice: str


def make_app(settings: Settings, name: str) -> Made:
    """Write a new app into the project's root; no file that is there is changed.

    Raises AppError for a name that no package can have, and where something of that name is there.
    """
    if not name.isidentifier():
        raise AppError(f"{name!r} cannot be the name of an app.", hint="A package is made: use letters, digits, _.")
    AppConfig(name, "migrations")
    root = Path(name)
    files = {root / "__init__.py": "", root / "smalls_app.py": _APP.format(name=name)}
    files[root / "models.py"] = _models(settings, name)
    files[root / "migrations" / ".gitkeep"] = ""
    conf = Path(f"{CONF}.py")
    if not conf.exists() and not settings.apps and not settings.model:
        files[conf] = _CONF.format(name=name)
    _write(root, files)
    registered = conf in files
    advice = f"Write models into {root / 'models.py'} and register them in {root / 'smalls_app.py'}."
    if not registered:
        advice += f' Add "{name}.smalls_app" to APP_REGISTRY in {conf} (or to SMALLS_APPS).'
    return Made(tuple(str(path) for path in files), advice)


def _models(settings: Settings, name: str) -> str:
    module, found = (settings.model, settings.object) if settings.model else (CONF, "DB")
    return _MODELS.format(name=name, module=module, object=found)


def _write(root: Path, files: dict[Path, str]) -> None:
    if root.exists():
        raise AppError(
            f"There is a {root} here already.", hint="Choose another name, or write smalls_app.py there."
        )
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AppError(f"The app {root} cannot be written: {error.strerror}.") from None
