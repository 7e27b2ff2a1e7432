"""Short ways to write cases."""

from __future__ import annotations

from typing import Any

from tests.operations.harness import Case

POSTGRES = ("postgres",)
SERVERS = ("postgres", "mysql")
NO_PARTIAL = {"mysql": "partial index"}


def thing(definition: str, meta: str = "", before: str = "") -> str:
    """Write a model Thing with one field `value`, or none."""
    lines = ["class Thing(M):", "    name = CharField(null=True)"]
    lines += [f"    value = {definition}"] if definition else []
    if meta:
        lines += ["    class Meta:", f"        {meta}"]
    return "\n".join([*before.splitlines(), *lines]) + "\n"


def rows(*values: Any) -> dict[str, list[dict[str, Any]]]:
    """Give the table thing a row for each value."""
    return {"thing": [{"id": number, "name": f"n{number}", "value": v} for number, v in enumerate(values, 1)]}


def names(count: int = 2) -> dict[str, list[dict[str, Any]]]:
    """Give the table thing rows without a value."""
    return {"thing": [{"id": number, "name": f"n{number}"} for number in range(1, count + 1)]}


def field(id_: str, before: str, after: str, *values: Any, **more: Any) -> Case:
    """Change the field Thing.value."""
    return Case(id_, thing(before), thing(after), rows(*values), **more)
