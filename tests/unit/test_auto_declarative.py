"""Declarative files, read without running them, and what an app's files promise."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smalls.autoerrors import StateError
from smalls.declarative import NotPlainError, read_manager, read_plain, read_state
from smalls.differ import diff
from smalls.errors import MigrationLoadError
from smalls.migration import Migration, Traits, read_traits
from smalls.model import Revision
from smalls.operations import AddTable, RunPython, to_dict
from smalls.promises import Promises
from smalls.render import render
from smalls.schema import Column, Schema, Table, types
from tests.strategies import schemas

HEAD = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, Sql, types
"""
TABLE = Table("t", [Column("id", types.auto())], primary_key="id")


def tree(body: str, head: str = HEAD) -> ast.Module:
    return ast.parse(head + dedent(body))


def file(number: int, body: str, head: str = HEAD) -> Migration:
    return Migration(Revision("", number, f"{number:04d}_x"), f"{number:04d}_x.py", (head + dedent(body)).encode())


@given(schemas())
@settings(max_examples=60, deadline=None)
def test_every_generated_file_is_read_as_it_would_run(schema: Schema):
    """The same operations, without a line of it being run."""
    operations = diff(Schema(), schema).operations
    text = render(operations)
    assert read_manager(ast.parse(text), "x.py").operations == operations
    plain = read_plain(text.encode(), "x.py")
    assert (plain is None) is (not operations)
    if plain:
        assert plain.bare
        assert to_dict(plain.manager.operations) == to_dict(operations)


LINES = (
    "import os",
    "from smalls.schema import Column, types",
    "from smalls.schema import Missing",
    "from __future__ import division",
    "transaction = False",
    "min_version = '2'",
    "x = 1",
    "'Doc.'",
    "# coding: latin-1",
    "@print",
    "class A:",
    "def rollback():",
    "def fill():",
    "def migrate():",
    "def migrate(a=1):",
    "def migrate(a=b) -> None:",
    "    manager = MigrationManager()",
    "    manager.run_sql('a')",
    "    manager.run_sql('b', '')",
    "    manager.run_sql('c', '', 'd')",
    "    manager.run_sql('d', reverse='', reverse='x')",
    "    manager.run_sql('é')",
    "    manager.run_python(fill)",
    "    manager.run_sql(",
    "    manager.run_sql(\\",
    "    manager.run_sql('''",
    "    'a',",
    "    '''",
    "    ''')",
    "    )",
    "    if manager:",
    "    if manager: pass",
    "    else: pass",
    "else: pass",
    "        manager.run_sql('e')",
    "  manager.run_sql('f')",
    "\tmanager.run_sql('g')",
    "    # no",
    "    pass",
    "",
    "    return manager",
    "    return MigrationManager()",
    "    return 1",
)
"""What a file can be made of that is cut wrongly if anything is."""
BEFORE = ["from smalls.manager import MigrationManager", "def migrate():", "    manager = MigrationManager()"]
A, B, RETURN = "    manager.run_sql('a')", "    manager.run_sql('b', '')", "    return manager"


@given(st.lists(st.sampled_from(LINES), max_size=12), st.booleans())
@example([A, RETURN, "def rollback():", B], True)
@example([A, "def fill():", B, A, RETURN], True)
@example([A, "else: pass", B, RETURN], True)
@example([A, RETURN, "    manager.run_sql(", "x = 1"], True)
@example([A, RETURN, "    manager.run_sql(", B, RETURN], True)
@example(["    manager.run_sql('''", A, "    ''')", RETURN], True)
@example(["    manager.run_sql('''", A, "    ''')", "    manager.run_sql('''", A, "    ''')", RETURN], True)
@example(["    manager.run_sql(\\", A, "    )", RETURN], True)
@example(["    manager.run_sql('d', reverse='', reverse='x')", RETURN], True)
@settings(max_examples=400, deadline=None)
def test_a_file_in_pieces_says_what_it_says_whole(lines: list[str], framed: bool):
    """Or nothing; and what is bare loads, and has no traits but those of a generated file."""
    source = "\n".join([*(BEFORE if framed else []), *lines, ""]).encode()
    plain = read_plain(source, "x.py")
    if plain:
        assert read_manager(ast.parse(source), "x.py") == plain.manager
    if plain and plain.bare:
        exec(compile(source, "x.py", "exec"), {})  # noqa: S102 -- it raises nothing
        assert read_traits(source, "x.py") == Traits(declarative=True, derived=True)


@pytest.mark.parametrize(
    ("more", "bare"),
    [
        ("", True),
        ("transaction = False", False),
        ("def rollback():\n    return MigrationManager()", False),
        ("def fill(): ...", False),
        ("import os", False),
    ],
)
def test_what_is_bare(more: str, bare: bool):
    """Nothing else is in it than migrate(), and the imports that it needs."""
    plain = read_plain(f"{HEAD}{ADD}{more}\n".encode(), "x.py")
    assert plain is not None
    assert plain.bare is bare


def test_functions_are_known_by_name():
    """A file with a data migration can be previewed all the same."""
    found = read_manager(
        tree("""
        LIMIT = -3

        def fill(db, models):
            open("/nowhere")

        def migrate():
            '''Fill.'''
            manager = MigrationManager()
            manager.run_python(fill, "")
            manager.backfill("t", "n", LIMIT)
            return manager
        """),
        "x.py",
    )
    assert found.operations[0] == RunPython("fill", "")
    assert found.operations[1].value == -3


@pytest.mark.parametrize(
    "body",
    [
        "def migrate():\n    manager = MigrationManager()\n    for n in []: pass\n    return manager",
        "def migrate():\n    manager = MigrationManager()\n    manager.add(print())\n    return manager",
        "def migrate():\n    manager = MigrationManager()\n    manager.__class__\n    return manager",
        "def migrate():\n    manager = MigrationManager()\n    manager.drop_table(*['t'], [])\n    return manager",
        "def migrate():\n    manager = MigrationManager()\n    manager.run_sql(f'{1}')\n    return manager",
        "def migrate():\n    manager = MigrationManager()\n    manager.run_sql(open('x'))\n    return manager",
        "def migrate():\n    manager = MigrationManager()\n    manager.add_column('t', Column('a', types.Any()))\n",
        "def migrate():\n    return 3",
        "import os\nos.remove('x')\ndef migrate():\n    return MigrationManager()",
        "@print\ndef migrate():\n    return MigrationManager()",
        "migrate = print",
    ],
)
def test_whatever_is_more_than_a_literal_is_not_guessed_at(body: str):
    """Only running it could tell."""
    with pytest.raises(NotPlainError):
        read_manager(tree(body), "x.py")


def test_a_value_that_one_of_our_own_does_not_take():
    """Is an error with its line, as it would be if the file were run."""
    body = (
        "def migrate():\n    manager = MigrationManager()\n    manager.add_column('t', Colum())\n    return manager"
    )
    with pytest.raises(NotPlainError):
        read_manager(tree(body), "x.py")
    with pytest.raises(MigrationLoadError, match="identity") as error:
        read_manager(tree(body.replace("Colum()", "Column('a', types.text(), identity='x')")), "x.py")
    assert error.value.fields["line"] == 5


def test_a_declarative_file_has_a_way_back_without_a_rollback():
    """And is known for one by what it imports."""
    traits = read_traits((HEAD + "def migrate(): ...").encode(), "x.py")
    assert traits.declarative
    assert traits.has_rollback
    assert not read_traits(b"def migrate(): ...", "x.py").has_rollback


STATE = """\
from smalls.operations import AddTable
from smalls.schema import Column, Table, types

state = [AddTable(Table("t", [Column("id", types.auto())], primary_key="id"))]
"""


def test_a_direct_file_may_say_what_it_does_to_the_schema():
    """As a list of operations; anything else is an error."""
    assert read_state(ast.parse(STATE), "x.py") == (AddTable(TABLE),)
    assert read_state(ast.parse("x = 1"), "x.py") is None
    with pytest.raises(MigrationLoadError, match="list of operations"):
        read_state(ast.parse("state = [1]"), "x.py")


ADD = """
def migrate():
    manager = MigrationManager()
    manager.add_table("t", [Column("id", types.auto())], primary_key="id")
    return manager
"""
ADOPT = """
from smalls.operations import AddTable
from smalls.schema import Table

def migrate():
    manager = MigrationManager()
    manager.state_only([AddTable(Table("t", [Column("id", types.auto())], primary_key="id"))])
    return manager
"""
DIRECT = "def migrate(): ...\ndef rollback(): ...\n"


def test_promises_are_the_sum_of_the_files():
    """Direct files count by their state; those without one are named until the state is declared as a whole."""
    assert Promises([file(1, ADD)]).schema == Schema([TABLE])
    assert Promises([file(1, STATE + DIRECT, head="")]).schema == Schema([TABLE])
    silent = Promises([file(1, DIRECT, head=""), file(2, ADD), file(3, DIRECT, head="")])
    assert silent.unknown == ["0001_x", "0003_x"]
    assert Promises([file(1, DIRECT, head=""), file(2, ADOPT)]).unknown == []
    assert Promises([file(1, ADOPT), file(2, "state = []\n" + DIRECT, head="")]).unknown == []
    with pytest.raises(StateError, match=r"^0002_x: "):
        Promises([file(1, ADD), file(2, ADD)])


def test_a_file_that_has_to_be_run_is_run_unless_it_may_not_be():
    """A plan never runs it, and says from where on nothing can be known."""
    loop = """
    def migrate():
        manager = MigrationManager()
        for name in "ab":
            manager.add_table(name, [Column("id", types.auto())], primary_key="id")
        return manager
    """
    assert len(Promises([file(1, loop)]).schema.tables) == 2
    stopped = Promises([file(1, ADD), file(2, loop), file(3, ADD)], may_run=False)
    assert list(stopped.managers) == ["0001_x"]
    assert stopped.stopped.startswith("0002_x has to be run")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def migrate():\n    MigrationManager()", "must return its MigrationManager, not NoneType"),
        ("def migrate():\n    raise ValueError('no')", "ValueError: no"),
    ],
)
def test_a_migrate_that_returns_no_manager(body: str, words: str):
    """Is a file that cannot be loaded."""
    with pytest.raises(MigrationLoadError, match=words):
        Promises([file(1, body)])
