"""Declarative migration files, read without running them: generated ones are plain literals.

`read_manager` evaluates a file that only imports smalls' own names, builds a manager from literals and returns
it. Anything else in it (a loop, a helper, an import of the project's) makes it a file that has to be run.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from smalls import manager, operations, schema
from smalls.errors import MigrationLoadError, SmallsError
from smalls.manager import MigrationManager

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


class NotPlainError(Exception):
    """The file does more than say literally what it changes; only running it could tell."""


def read_manager(tree: ast.Module, path: str) -> MigrationManager:
    """Return the manager that the file's migrate() returns, running none of its code.

    Raises NotPlainError where only running it could tell, and MigrationLoadError, with the line, where one of
    our own values does not take what it is given.
    """
    reader = _Reader(path)
    function = reader.read_module(tree)
    if function is None:
        raise NotPlainError("it has no plain migrate()")
    return reader.read_function(function)


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


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Reader:
    """Evaluates literals and calls of our own constructors; knows no other name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.names: dict[str, Any] = {}
        self.kinds: dict[type[ast.expr], Callable[[Any], Any]] = {
            ast.Constant: lambda node: node.value,
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

    def read_function(self, function: ast.FunctionDef) -> MigrationManager:
        """Return the manager that the function builds, statement by statement."""
        made = ""
        for node in function.body:
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
        if self.value(node.value) is schema.types:
            found = getattr(schema.types, node.attr, None)
            if getattr(found, "__module__", "") == schema.types.__name__:
                return found
        raise NotPlainError(f"line {node.lineno} is more than a literal")

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        if not callable(function):
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        return self._made(function, node)

    def _made(self, function: Callable[..., Any], node: ast.Call) -> Any:
        if any(keyword.arg is None for keyword in node.keywords):
            raise NotPlainError(f"line {node.lineno} is more than a literal")
        arguments = [self.value(item) for item in node.args]
        named = {str(keyword.arg): self.value(keyword.value) for keyword in node.keywords}
        try:
            return function(*arguments, **named)
        except (TypeError, ValueError, SmallsError) as error:
            raise MigrationLoadError(
                f"{self.path} cannot be loaded: {error}.", file=self.path, line=node.lineno
            ) from None
