"""Declarative migration files, read without running them: generated ones are plain literals.

`read_manager` evaluates a file that only imports smalls' own names, builds a manager from literals and returns
it. Anything else in it (a loop, a helper, an import of the project's) makes it a file that has to be run.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from smalls import manager, operations, schema
from smalls.errors import MigrationLoadError, SmallsError
from smalls.manager import MigrationManager
from smalls.migration import is_declarative
from smalls.pieces import UncutError, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from smalls.operations import Operation

_MODULES: dict[str, Any] = {"smalls.manager": manager, "smalls.schema": schema, "smalls.operations": operations}
_EXPORTED: dict[str, tuple[str, ...]] = {
    "smalls.manager": ("MigrationManager",),
    "smalls.schema": tuple(schema.__all__),
    "smalls.operations": tuple(operations.__all__),
}
_METHODS = frozenset(
    name for name in vars(MigrationManager) if not name.startswith("_") and name not in ("apply", "add")
) - {"operations", "rollback_operations", "reversible", "destructive", "non_transactional"}
_TYPES = {
    name: held
    for name, held in vars(schema.types).items()
    if getattr(held, "__module__", "") == schema.types.__name__
}


class NotPlainError(Exception):
    """The file does more than say literally what it changes; only running it could tell."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A declarative file, read without running it: its manager.

    It is `bare` when nothing else is in it than imports of smalls' own names and migrate(): no attributes, no
    rollback(), and nothing that loading it could fail at.
    """

    manager: MigrationManager
    bare: bool


@cache  # a run asks more than once; the source is kept anyway, and what it says never changes
def read_plain(source: bytes, path: str) -> Plain | None:
    """Return what a declarative file says, if that can be told quickly and without running it; else None.

    None says nothing of the file: `parse` it, and `read_manager` tells what it says, or what is wrong with it.
    """
    try:
        pieces = cut(source)
        reader = _Reader(path)
        if not is_declarative(pieces.module) or reader.read_module(pieces.module) is not pieces.function:
            return None
        statements = pieces.statements()
        found = reader.read_body(statements)
        return Plain(found, bare=_is_bare(pieces.module)) if not any(statements) else None
    except (UncutError, NotPlainError, MigrationLoadError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read_manager(tree: ast.Module, path: str) -> MigrationManager:
    """Return the manager that the file's migrate() returns, running none of its code.

    Raises NotPlainError where only running it could tell, and MigrationLoadError, with the line, where one of
    our own values does not take what it is given.
    """
    reader = _Reader(path)
    function = reader.read_module(tree)
    if function is None:
        raise NotPlainError("it has no plain migrate()")
    return reader.read_body(function.body)


def read_state(tree: ast.Module, path: str) -> tuple[Operation, ...] | None:
    """Return what a direct file's `state = [...]` says that it does to the schema; None where it has none.

    Raises as `read_manager` does.
    """
    reader = _Reader(path)
    for node in tree.body:
        reader.bind_imports(node)
    value = next((node.value for node in tree.body if _assigned(node) == "state"), None)  # type: ignore[attr-defined]  # an assignment
    if value is None:
        return None
    return as_operations(reader.value(value), path)


def as_operations(value: Any, path: str) -> tuple[Operation, ...]:
    """Return `value` as operations; raises MigrationLoadError where it is anything else."""
    if isinstance(value, list | tuple) and all(isinstance(item, operations.Operation) for item in value):
        return tuple(value)
    raise MigrationLoadError(
        f"{path}: state must be a list of operations, such as [AddTable(Table(...))].", file=path
    )


def _assigned(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        return node.target.id
    return ""


def _is_bare(module: ast.Module) -> bool:
    """Tell whether the statements are imports of our own names, a docstring, and one migrate()."""
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    return len(functions) == 1 and all(
        (node in functions and _takes_nothing(node)) or _is_docstring(node) or _imports_ours(node)
        for node in module.body
    )


def _takes_nothing(function: ast.FunctionDef) -> bool:
    returned = function.returns
    plain = returned is None or (isinstance(returned, ast.Name) and returned.id == MigrationManager.__name__)
    return plain and not ast.unparse(function.args)


def _imports_ours(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and all(
        alias.name in _EXPORTED.get(node.module or "", ()) for alias in node.names
    )


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Reader:
    """Evaluates literals and calls of our own constructors; knows no other name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.names: dict[str, Any] = {}
        self.kinds: dict[type[ast.expr], Callable[[Any], Any]] = {
            ast.List: lambda node: [self.value(item) for item in node.elts],
            ast.Tuple: lambda node: tuple(self.value(item) for item in node.elts),
            ast.Dict: self._dict,
            ast.UnaryOp: self._negative,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
        }

    def read_module(self, tree: ast.Module) -> ast.FunctionDef | None:
        """Bind what the file imports and defines; return its migrate()."""
        found = None
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                # for run_python: the operation holds the function's name, and whoever runs it, the function
                self.names[node.name] = node.name
                found = node if node.name == "migrate" else found
            elif not (_is_docstring(node) or self.bind_imports(node) or self._bind_literal(node)):
                raise NotPlainError(f"line {node.lineno} is more than a literal")
        return found

    def bind_imports(self, node: ast.stmt) -> bool:
        """Bind the names that an import takes from smalls; tell whether the statement was an import."""
        if isinstance(node, ast.ImportFrom) and node.module in _MODULES:
            for alias in node.names:
                if alias.name in _EXPORTED[node.module]:
                    self.names[alias.asname or alias.name] = getattr(_MODULES[node.module], alias.name)
        return isinstance(node, ast.ImportFrom | ast.Import)

    def _bind_literal(self, node: ast.stmt) -> bool:
        name = _assigned(node)
        if name:
            self.names[name] = self.value(node.value)  # type: ignore[attr-defined]  # an assignment
        return bool(name)

    def read_body(self, statements: Iterable[ast.stmt]) -> MigrationManager:
        """Return the manager that a function of these statements builds and returns."""
        made = ""
        for node in statements:
            if _is_docstring(node):
                continue
            if isinstance(node, ast.Return) and node.value is not None:
                returned = self.value(node.value)
                if isinstance(returned, MigrationManager):
                    return returned
            if made and isinstance(node, ast.Expr) and self._method(node.value, made):
                self._apply(node.value)  # type: ignore[arg-type]  # a call, as _method has seen
            elif _assigned(node) and not made:
                made = _assigned(node)
                self.names[made] = self.value(node.value)  # type: ignore[attr-defined]  # an assignment
            else:
                raise NotPlainError(f"line {node.lineno} is more than a literal")
        raise NotPlainError("it returns no manager")

    @staticmethod
    def _method(node: ast.expr, made: str) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == made
            and node.func.attr in _METHODS
        )

    def _apply(self, node: ast.Call) -> None:
        function: Any = node.func
        held = self._name(function.value)
        if not isinstance(held, MigrationManager):
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        self._made(getattr(held, function.attr), node)

    # ── expressions ──

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression of literals and our own constructors."""
        if type(node) is ast.Constant:  # as most are
            return node.value
        kind = self.kinds.get(type(node))
        if kind is None:
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        return kind(node)

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        if None in node.keys:
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        keys: Iterable[Any] = node.keys
        return {self.value(key): self.value(item) for key, item in zip(keys, node.values, strict=True)}

    def _negative(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.USub) and isinstance(operand, int | float):
            return -operand
        raise NotPlainError(f"line {node.lineno} is more than a literal")

    def _name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise NotPlainError(f"line {node.lineno}: {node.id} is not smalls' own")
        return self.names[node.id]

    def _attribute(self, node: ast.Attribute) -> Any:
        if node.attr in _TYPES and self.value(node.value) is schema.types:
            return _TYPES[node.attr]
        raise NotPlainError(f"line {node.lineno} is more than a literal")

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        if not callable(function):
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        return self._made(function, node)

    def _made(self, function: Callable[..., Any], node: ast.Call) -> Any:
        arguments = [self.value(item) for item in node.args]
        named: dict[Any, Any] = {keyword.arg: self.value(keyword.value) for keyword in node.keywords}
        if None in named or len(named) != len(node.keywords):
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        try:
            return function(*arguments, **named)
        except (TypeError, ValueError, SmallsError) as error:
            raise MigrationLoadError(
                f"{self.path} cannot be loaded: {error}.", file=self.path, line=node.lineno
            ) from None
