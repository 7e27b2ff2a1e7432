"""Apps: packages that register their models and keep their own migrations; what `smalls_app.py` is written with.

APP_CONFIG = AppConfig(
app_name="blog",
migrations_folder_path=Path(__file__).parent / "migrations",
table_classes=[Author, Post],
migration_dependencies=["accounts.smalls_app"],
commands=[],
)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.autoerrors import AppCycleError, AppError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from smalls.model import Revision

_NAME = re.compile(r"[^\W\d][\w-]*\Z")


@dataclass(frozen=True, slots=True)
class AppConfig:
    """One app.

    `app_name` is its name in the history and on the command line: letters, digits, `_` and `-`, no digit first.
    `migrations_folder_path` is absolute, or as seen from the project's root. `table_classes` are its models,
    registered one by one. `migration_dependencies` are the import paths of the apps whose migrations run before
    its own. `commands` are functions without arguments, or click commands, for `smalls APP_NAME COMMAND`.
    Raises AppError for a name that cannot be one.
    """

    app_name: str
    migrations_folder_path: str | os.PathLike[str]
    table_classes: tuple[type[Any], ...] = ()
    migration_dependencies: tuple[str, ...] = ()
    commands: tuple[Callable[..., Any], ...] = ()

    def __init__(
        self,
        app_name: str,
        migrations_folder_path: str | os.PathLike[str],
        table_classes: Iterable[type[Any]] = (),
        migration_dependencies: Iterable[str] = (),
        commands: Iterable[Callable[..., Any]] = (),
    ) -> None:
        if not _NAME.match(app_name):
            raise AppError(
                f"{app_name!r} cannot be the name of an app.",
                hint="Use letters, digits, `_` and `-`, and do not begin with a digit.",
            )
        put = object.__setattr__
        put(self, "app_name", app_name)
        put(self, "migrations_folder_path", os.fspath(migrations_folder_path))
        put(self, "table_classes", tuple(table_classes))
        put(self, "migration_dependencies", tuple(migration_dependencies))
        put(self, "commands", tuple(commands))

    @property
    def folder(self) -> str:
        """The migrations folder; as seen from the project's root where it is below that."""
        path = os.fspath(self.migrations_folder_path)
        near = os.path.relpath(path)
        return path if near.startswith(os.pardir) else near


@dataclass(frozen=True, slots=True)
class AppRegistry:
    """The project's apps, as import paths of the modules that hold their `APP_CONFIG`."""

    apps: tuple[str, ...] = ()

    def __init__(self, apps: Iterable[str] = ()) -> None:
        object.__setattr__(self, "apps", tuple(apps))


class Apps:
    """The project's apps in the order in which their migrations run: each after those that it depends on.

    `configs` maps the import path of each to its config. Raises AppCycleError, which shows the cycle, and
    AppError for two apps of one name and for a dependency that nobody registered.
    """

    def __init__(self, configs: Mapping[str, AppConfig]) -> None:
        needs = {path: _needs(path, config, configs) for path, config in configs.items()}
        self._ordered = {configs[path].app_name: configs[path] for path in _in_order(needs)}
        if len(self._ordered) < len(configs):
            names = [config.app_name for config in configs.values()]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise AppError(f"More than one app is named {', '.join(twice)}.")
        self._needs = {
            configs[path].app_name: [configs[other].app_name for other in others] for path, others in needs.items()
        }

    def __bool__(self) -> bool:
        return bool(self._ordered)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(self._ordered)

    def get(self, name: str) -> AppConfig:
        """Return the app of that name; raises AppError, naming those that there are."""
        if name not in self._ordered:
            known = ", ".join(self._ordered) or "none"
            raise AppError(f"There is no app {name!r}; there is: {known}.")
        return self._ordered[name]

    def needed_by(self, name: str) -> frozenset[str]:
        """Return `name` with all the apps that it depends on, near and far."""
        found, waiting = {name}, [name]
        while waiting:
            come = [other for other in self._needs.get(waiting.pop(), ()) if other not in found]
            found.update(come)
            waiting += come
        return frozenset(found)

    def dependents_of(self, name: str) -> tuple[str, ...]:
        """Return the apps that depend on `name`, near and far, in order."""
        return tuple(other for other in self._ordered if other != name and name in self.needed_by(other))

    def rank(self, revision: Revision) -> tuple[int, Revision]:
        """Return what sorts revisions in the order of running; migrations of no app come first."""
        names = ("", *self._ordered)
        return names.index(revision.app) if revision.app in names else len(names), revision


def _needs(path: str, config: AppConfig, configs: Mapping[str, AppConfig]) -> list[str]:
    for other in config.migration_dependencies:
        if other not in configs:
            raise AppError(
                f"The app {config.app_name!r} ({path}) depends on {other!r}, which is not registered.",
                hint="Add it to AppRegistry(apps=[...]) in smalls_conf.py, or to SMALLS_APPS.",
            )
    return list(dict.fromkeys(config.migration_dependencies))


def _in_order(needs: Mapping[str, list[str]]) -> list[str]:
    """Return the keys, each after what it needs, else as they are given."""
    done: dict[str, None] = {}
    for start in needs:
        trail = [start]
        while trail:
            later = next((other for other in needs[trail[-1]] if other not in done), None)
            if later is None:
                done[trail.pop()] = None
            elif later in trail:
                ring = [*trail[trail.index(later) :], later]
                raise AppCycleError(f"These apps depend on one another: {' → '.join(ring)}.")
            else:
                trail.append(later)
    return list(done)


NO_APPS = Apps({})
