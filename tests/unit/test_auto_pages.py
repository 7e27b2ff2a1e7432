"""The pages on auto migrations tell what the code does."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from smalls import operations, schema
from smalls.manager import MigrationManager
from smalls.operations import Operation
from smalls.render import render
from smalls.schema import types
from tests.pages import EXAMPLES, PAGE, filled

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
NAMES = sorted(each.name for each in vars(operations).values() if isinstance(each, type) and hasattr(each, "name"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(name: str) -> str:
    """Give what the page says of an operation."""
    found = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert found, f"no section for {name}"
    return found[1]


def made_by(text: str) -> tuple[Operation, ...]:
    """Run an example and give the operations that it makes."""
    manager = MigrationManager()
    exec(text, {**vars(schema), **vars(operations), "types": types, "manager": manager})  # noqa: S102 -- our own page
    return manager.operations


def test_the_page_of_engines_is_as_the_code_makes_it():
    """Operations by engine, what is refused, and the number of cases."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == filled(text), "run python -m tests.pages"


def test_every_operation_has_its_section_and_no_other_has():
    """In the page of operations, by the name of its method."""
    assert sorted(re.findall(r"^### (\w+)$", OPERATIONS, re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "run_python"])
def test_examples_are_as_files_are_written(name):
    """Each makes operations of its name, and these are rendered as the example is."""
    (text,) = BLOCK.findall(section(name))
    made = made_by(text)
    assert {operation.name for operation in made} == {name}
    body = re.search(r"MigrationManager\(\)\n(.*?)    return manager\n", render(made), re.DOTALL)
    assert body
    assert textwrap.dedent(body[1]) == text


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_named(name):
    """That the manager's method takes; those of a whole table once."""
    parameters = list(inspect.signature(getattr(MigrationManager, name)).parameters)[1:]
    told = section(name)
    assert [each for each in parameters if each != "parts" and each not in told] == []


def test_reverses_and_what_destroys_are_told():
    """In the page's first table, as the operations themselves say."""
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| `(\w+)` \| (\w+) \|$", OPERATIONS, re.MULTILINE)
    real = {op.name: (op.inverse().name, "yes" if op.destructive else "no") for _, op, _ in EXAMPLES}
    assert {name: (back, destroys) for name, back, destroys in rows} == real
    assert sorted(real) == NAMES


def test_every_type_stands_in_the_table_of_types():
    """By the function that makes it."""
    listed = OPERATIONS.partition("## Types")[2]
    made = {
        name for name, held in vars(types).items() if inspect.isfunction(held) and held.__module__ == types.__name__
    }
    told = set(re.findall(r"`(\w+)\(", listed))
    assert told == made - {"of", "item_of"}
