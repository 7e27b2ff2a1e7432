"""What a migration file says about itself, read from its source without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from smalls.checksum import Checksum
from smalls.errors import MigrationLoadError
from smalls.model import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.model import Revision

_LITERALS: dict[str, type] = {"transaction": bool, "reversible": bool, "min_version": str, "phase": str}
PHASES = (Phase.EXPAND.value, Phase.CONTRACT.value)


@dataclass(frozen=True, slots=True)
class Traits:
    """A file's functions and attributes.

    A `declarative` file returns a MigrationManager from migrate(), which its way back is derived from; so it
    has one without a rollback() of its own; `derived` is whether it goes by that. `together` is whether the file
    says `transaction = True` in so many words: all or nothing, whatever is locked meanwhile.
    """

    has_migrate: bool = True
    has_rollback: bool = True
    transaction: bool = True
    reversible: bool = True
    min_version: str | None = None
    phase: str | None = None
    declarative: bool = False
    derived: bool = False
    together: bool = False

    @property
    def contracts(self) -> bool:
        """Whether old code cannot live with the result, so that it waits until the rollout is over."""
        return self.phase == Phase.CONTRACT.value

    @property
    def can_be_undone(self) -> bool:
        """Whether the file offers a way back."""
        return self.has_rollback and self.reversible


@dataclass(frozen=True)
class Migration:
    """A migration file: its identity, its path, and its source, read once; the rest is worked out from it."""

    revision: Revision
    path: str
    source: bytes

    @cached_property
    def key(self) -> str:
        """The name under which the history knows it."""
        return str(self.revision)

    @cached_property
    def checksum(self) -> Checksum:
        """The checksums of the source."""
        return Checksum(self.source, parsed="traits" in self.__dict__)

    @property
    def contracts(self) -> bool:
        """Whether it waits until the rollout is over; a file without that word is not parsed for it."""
        return b"phase" in self.source and self.traits.contracts

    @cached_property
    def traits(self) -> Traits:
        """What the source says. Raises MigrationLoadError for a source that is no Python."""
        return read_traits(self.source, self.path)


def read_traits(source: bytes, path: str) -> Traits:
    """Return a source's traits.

    Raises MigrationLoadError, with file and line, where it is no Python, defines no migrate(), or sets
    `min_version` or `phase` to anything but a literal, or `phase` to anything but "expand" or "contract".
    """
    tree = parse(source, path)
    functions = set(_bound(tree))
    if "migrate" not in functions and "*" not in functions:
        raise MigrationLoadError(f"{path} defines no migrate().", file=path, line=1)
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name in {"migrate", "rollback"}:
            raise MigrationLoadError(
                f"{path}: {node.name}() is async; it must be a plain function.", file=path, line=node.lineno
            )
    declarative, own = is_declarative(tree), "rollback" in functions
    said = _attributes(tree, path)
    return Traits(
        has_rollback=own or declarative,
        declarative=declarative,
        derived=declarative and not own,
        together=said.get("transaction", False),
        **said,
    )


def is_declarative(tree: ast.Module) -> bool:
    """Tell whether a file's migrate() returns a manager: whether it imports the class from smalls."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "smalls.manager"
        and any(alias.name == "MigrationManager" for alias in node.names)
        for node in tree.body
    )


def parse(source: bytes, path: str) -> ast.Module:
    """Return the source's syntax tree. Raises MigrationLoadError where it is no Python."""
    try:
        return ast.parse(source, path)
    except SyntaxError as error:
        raise MigrationLoadError(
            f"{path} is not Python: {error.msg}.", file=path, line=error.lineno or None
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise MigrationLoadError(f"{path} is not Python: {error or type(error).__name__}.", file=path) from None


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree) if any(isinstance(n, ast.If | ast.Try | ast.With) for n in tree.body) else tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _attributes(tree: ast.Module, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        target, value = _assignment(node)
        if target not in _LITERALS or value is None:
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, _LITERALS[target]):
            found[target] = value.value
            if target == "phase" and value.value not in PHASES:
                raise _not_a_phase(value.value, path, node.lineno)
        elif isinstance(value, ast.Constant) and target == "min_version" and isinstance(value.value, int):
            found[target] = str(value.value)
        elif _LITERALS[target] is str:
            raise MigrationLoadError(f"{path}: {target} must be a plain string.", file=path, line=node.lineno)
    return found


def _not_a_phase(said: object, path: str, line: int) -> MigrationLoadError:
    return MigrationLoadError(
        f'{path}: phase is {said!r}; it must be "expand" (the default) or "contract".', file=path, line=line
    )


def _assignment(node: ast.stmt) -> tuple[str, ast.expr | None]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    return "", None
