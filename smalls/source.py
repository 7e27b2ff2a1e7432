"""Migration files: found, read once, and loaded by path."""

from __future__ import annotations

import contextlib
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from smalls.errors import MigrationLoadError, MigrationsFolderError, SmallsError
from smalls.frames import user_place
from smalls.migration import Migration
from smalls.naming import looks_like_migration, revision_of_stem
from smalls.staying import staying
from smalls.urls import is_unicode
from smalls.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ENDLESS = frozenset({stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK})


def find_migrations(folder: str, app: str = "") -> tuple[list[Migration], list[str]]:
    """Return the folder's migrations in order, and the paths of files that were probably meant to be some.

    Raises FileNotFoundError where the folder is not there, MigrationsFolderError where it or a file in it
    cannot be read.
    """
    found: list[Migration] = []
    doubtful: list[str] = []
    for path in _python_files(folder):
        revision = revision_of_stem(path.stem, app)
        if revision:
            found.append(Migration(revision, str(path), _read(path)))
        elif looks_like_migration(path.stem):
            doubtful.append(str(path))
    return sorted(found, key=lambda migration: migration.revision), doubtful


def _python_files(folder: str) -> list[Path]:
    try:
        return [path for path in Path(folder).iterdir() if path.suffix == ".py"]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise MigrationsFolderError(f"The folder {folder} cannot be read: {error.strerror}.") from None


def _read(path: Path) -> bytes:
    """Return what is in a file; never waits for a pipe, nor reads a device without end."""
    if not is_unicode(path.name):
        raise MigrationLoadError(f"The name of {path} is not UTF-8, so no history can hold it.", file=str(path))
    try:
        if stat.S_IFMT(path.stat().st_mode) in _ENDLESS:
            raise MigrationLoadError(f"{path} cannot be read: it is no file.", file=str(path))
        return path.read_bytes()
    except OSError as error:
        raise MigrationLoadError(f"{path} cannot be read: {error.strerror}.", file=str(path)) from None


def load(migration: Migration) -> ModuleType:
    """Run the file's top level and return it as a module, with `migrate` known to be callable.

    The module is named as upstream imported it (`migrations.0001_x`), so that relative imports work.
    Raises MigrationLoadError, with the user's own file and line, and ConfigError for a min_version that is none.
    """
    traits = migration.traits
    if traits.min_version:
        version_key(traits.min_version, where=f"min_version of {migration.path}")
    path = Path(migration.path)
    package = path.parent.name
    module = ModuleType(f"{package}.{migration.revision.name}")
    module.__file__ = str(path.absolute())
    module.__package__ = package
    sys.modules[module.__name__] = module
    try:
        with contextlib.chdir("."), staying():  # a file that goes elsewhere goes alone
            exec(compile(migration.source, migration.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- what a migration is for
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise _load_error(migration, error) from None
    for name in ("migrate", "rollback") if traits.has_rollback and not traits.declarative else ("migrate",):
        if not callable(getattr(module, name, None)):
            raise MigrationLoadError(f"{migration.path}: {name} is not a function.", file=migration.path)
    return module


def _words(error: BaseException) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # an exception of the user's whose own words fail
        return name


def _load_error(migration: Migration, error: BaseException) -> MigrationLoadError:
    file, line = user_place(error, migration.path)
    words = error.message if isinstance(error, SmallsError) else _words(error)
    return MigrationLoadError(
        f"{migration.path} cannot be loaded: {words}.",
        migration=migration.key,
        file=file or migration.path,
        line=line,
    )


def user_call(migration: Migration, function: Callable[[], Any]) -> Any:
    """Return what a function of the file returns; raises MigrationLoadError, with its own line, where it fails."""
    try:
        return function()
    except Exception as error:
        raise _load_error(migration, error) from None


def load_all(migrations: Iterable[Migration], before_each: Callable[[], None]) -> dict[str, ModuleType]:
    """Load every migration before any is run; raises the first's error with the others' under `also`."""
    modules: dict[str, ModuleType] = {}
    errors: list[MigrationLoadError] = []
    for migration in migrations:
        before_each()
        try:
            modules[migration.key] = load(migration)
        except MigrationLoadError as error:
            errors.append(error)
    if errors:
        first, *others = errors
        if others:
            first.fields["also"] = [other.message for other in others]
        raise first
    return modules
