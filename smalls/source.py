"""Migration files: found, read once, and loaded by path."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from smalls.errors import MigrationLoadError, MigrationsFolderError, SmallsError
from smalls.frames import user_place
from smalls.migration import Migration
from smalls.naming import looks_like_migration, revision_of_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
    try:
        return path.read_bytes()
    except OSError as error:
        raise MigrationLoadError(f"{path} cannot be read: {error.strerror}.", file=str(path)) from None


def load(migration: Migration) -> ModuleType:
    """Run the file's top level and return it as a module, with `migrate` known to be callable.

    The module is named as upstream imported it (`migrations.0001_x`), so that relative imports work.
    Raises MigrationLoadError, with the user's own file and line.
    """
    traits = migration.traits
    module = ModuleType(f"{Path(migration.path).parent.name}.{migration.revision.name}")
    module.__file__ = str(Path(migration.path).absolute())
    module.__package__ = Path(migration.path).parent.name
    sys.modules[module.__name__] = module
    try:
        with contextlib.chdir(Path.cwd()):  # a file that goes elsewhere goes alone
            exec(compile(migration.source, migration.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 -- what a migration is for
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise _load_error(migration, error) from None
    for name in ("migrate", "rollback") if traits.has_rollback and not traits.declarative else ("migrate",):
        if not callable(getattr(module, name, None)):
            raise MigrationLoadError(f"{migration.path}: {name} is not a function.", file=migration.path)
    return module


def _load_error(migration: Migration, error: BaseException) -> MigrationLoadError:
    file, line = user_place(error, migration.path)
    words = error.message if isinstance(error, SmallsError) else f"{type(error).__name__}: {error}"
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
