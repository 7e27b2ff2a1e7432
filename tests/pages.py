"""The parts of docs/engines.md that are made from the code; `python -m tests.pages` writes them anew."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls.autoerrors import UnsupportedError
from smalls.compilers.base import Batches, Call, Rebuild, compile_all
from smalls.compilers.mysql import MysqlCompiler
from smalls.compilers.postgres import PostgresCompiler
from smalls.compilers.refusals import MARIADB, MYSQL, POSTGRES, REFUSED, SQLITE
from smalls.compilers.sqlite import SqliteCompiler
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
    Backfill,
    ChangeComment,
    ChangeOptions,
    ChangePrimaryKey,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    MoveTable,
    Operation,
    RawSQL,
    RenameColumn,
    RenameIndex,
    RenameTable,
    RunPython,
    StateOnly,
)
from smalls.schema import Check, Column, ForeignKey, Index, Options, Schema, Sql, Table, Unique, types
from tests.operations.cases import CASES
from tests.operations.test_cases import GOES, STOPS
from tests.servers import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PAGE = Path(__file__).parent.parent / "docs" / "engines.md"
COMPILERS: dict[str, Any] = {
    SQLITE: SqliteCompiler(),
    POSTGRES: PostgresCompiler(17),
    MYSQL: MysqlCompiler("mysql"),
    MARIADB: MysqlCompiler("mariadb"),
}
NAMES = {
    "sqlite": "SQLite",
    "postgres15": "PostgreSQL 15",
    "postgres17": "PostgreSQL 17",
    "mariadb10": "MariaDB 10.11",
    "mariadb11": "MariaDB 11",
    "mysql9": "MySQL 9",
}

# ── an operation of each kind, on a small schema ────────────────────────────────────────────────────────

TITLE = Column("title", types.varchar(100))
BODY = Column("body", types.text(), null=True)
VIEWS = Column("views", types.integer(), default="0")
POSITIVE = Check("views >= 0", name="post_views")
KEY = ForeignKey("author_id", "author", "id", on_delete="CASCADE", name="post_author")
BY_TITLE = Index("post_title", "title")
AUTHOR = Table("author", [Column("id", types.auto())], primary_key="id")
POST = Table(
    "post",
    [Column("id", types.auto()), Column("author_id", types.integer()), TITLE, BODY, VIEWS],
    primary_key="id",
    indexes=[BY_TITLE],
    constraints=[POSITIVE],
)
LINK = Table("link", [Column("a", types.integer()), Column("b", types.integer())], primary_key="a")
STATE = Schema([AUTHOR, POST, LINK])
KEYED = AddConstraint("post", KEY).apply(STATE)

EXAMPLES: tuple[tuple[str, Operation, Schema], ...] = (
    ("add_table", AddTable(Table("tag", [Column("id", types.auto())], primary_key="id")), STATE),
    ("drop_table", DropTable(POST), STATE),
    ("rename_table", RenameTable("post", "article"), STATE),
    ("move_table", MoveTable("post", "news"), STATE),
    ("change_comment", ChangeComment("post", "", "What the blog says"), STATE),
    ("change_options: STRICT", ChangeOptions("link", Options(), Options(strict=True)), STATE),
    ("change_primary_key", ChangePrimaryKey("link", "a", ["a", "b"]), STATE),
    ("add_column, null", AddColumn("post", Column("slug", types.varchar(50), null=True)), STATE),
    ("add_column, not null, a backfill", AddColumn("post", Column("slug", types.varchar(50)), backfill="x"), STATE),
    ("drop_column", DropColumn("post", VIEWS), DropConstraint("post", POSITIVE).apply(STATE)),
    ("rename_column", RenameColumn("post", "title", "headline"), STATE),
    ("alter_column: null to not null", AlterColumn("post", BODY, BODY.with_(null=False), backfill=""), STATE),
    ("alter_column: not null to null", AlterColumn("post", TITLE, TITLE.with_(null=True)), STATE),
    ("alter_column: a longer varchar", AlterColumn("post", TITLE, TITLE.with_(type=types.varchar(200))), STATE),
    ("alter_column: integer to bigint", AlterColumn("post", VIEWS, VIEWS.with_(type=types.bigint())), STATE),
    ("alter_column: the database's default", AlterColumn("post", VIEWS, VIEWS.with_(default="1")), STATE),
    ("add_index", AddIndex("post", Index("post_views", "views")), STATE),
    ("add_index, concurrently", AddIndex("post", Index("post_views", "views"), concurrently=True), STATE),
    ("add_index, partial", AddIndex("post", Index("post_views", "views", where="views > 0")), STATE),
    ("add_index over an expression", AddIndex("post", Index("post_low", Sql("(lower(title))"))), STATE),
    ("drop_index", DropIndex("post", BY_TITLE), STATE),
    ("rename_index", RenameIndex("post", "post_title", "post_by_title"), STATE),
    ("add_constraint: a check", AddConstraint("post", Check("views < 9", name="few")), STATE),
    ("add_constraint: a foreign key", AddConstraint("post", KEY), STATE),
    ("add_constraint: unique", AddConstraint("post", Unique(["author_id", "title"], name="once")), STATE),
    ("drop_constraint: a check", DropConstraint("post", POSITIVE), STATE),
    ("drop_constraint: a foreign key", DropConstraint("post", KEY), KEYED),
    ("run_sql", RawSQL("UPDATE post SET views = 0", ""), STATE),
    ("run_python", RunPython("shout", ""), STATE),
    ("backfill", Backfill("post", "views", 0), STATE),
    ("state_only", StateOnly([DropTable(POST)]), STATE),
)


def _how(engine: str, operation: Operation, before: Schema) -> str:
    try:
        compiled = compile_all(COMPILERS[engine], [operation], before)
    except UnsupportedError:
        return "refused"
    steps = [step for item in compiled for step in item.steps]
    told = dict.fromkeys(text for step in steps for text in _step(engine, step))
    return "; ".join(told) or "no SQL"


def _step(engine: str, step: Any) -> list[str]:
    match step:
        case Rebuild():
            return ["rebuild"]
        case Call():
            return ["Python"]
        case Batches():
            return ["batches"]
    lock = f"`{step.lock}`" if step.lock and engine == POSTGRES else ""
    online = re.sub(r"\b(?:ALGORITHM|LOCK)=[A-Z]+", lambda found: f"`{found.group()}`", step.online)
    copies = "copies the table" if step.rewrites else ""
    outside = "outside a transaction" if engine == POSTGRES and not step.transactional else ""
    return [text for text in (lock, online, copies, outside) if text] or ["a statement"]


def operations() -> str:
    """Return the table of what each engine makes of each operation."""
    rows = [
        [re.sub(r"^\w+", r"`\g<0>`", label), *(_how(engine, operation, before) for engine in COMPILERS)]
        for label, operation, before in EXAMPLES
    ]
    return table(["operation", *COMPILERS], rows)


def refused() -> str:
    """Return the table of what is refused where, and why."""
    order = (SQLITE, POSTGRES, MYSQL, MARIADB)
    rows = [
        [held.what, ", ".join(engine for engine in order if engine in held.engines), held.reason]
        for held in REFUSED.values()
    ]
    return table(["what", "on", "because"], rows)


def counted() -> str:
    """Return the number of cases by engine."""
    goes, stops = (Counter(engine for engine, _ in pairs) for pairs in (GOES, STOPS))
    rows = [[NAMES[e], str(goes[e]), str(stops[e]), str(len(CASES) - goes[e] - stops[e])] for e in ENGINES]
    return table(
        [f"of {len(CASES)} cases", "put through", "refused before anything runs", "not of this engine"], rows
    )


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: dict[str, Callable[[], str]] = {"operations": operations, "refused": refused, "cases": counted}


def filled(text: str) -> str:
    """Return the page with each part as the code makes it now."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n\n{make()}\n\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
