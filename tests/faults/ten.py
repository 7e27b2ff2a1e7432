"""A run of ten migrations with changes of schema and of rows in each, direct and declarative, for every engine.

No change of rows may be made twice unseen: what is inserted has no key, and what is updated counts up.
"""

from dataclasses import dataclass, field

from tests.databases import Database
from tests.running import Project

OURS = ("migration_history", "smalls_journal", "smalls_lease")
BALANCE = "UPDATE account SET balance = balance + 1"
NO_BALANCE = "UPDATE account SET balance = balance - 1"


@dataclass(frozen=True)
class Change:
    """One statement, what undoes it, and a question that has rows when it took effect."""

    sql: str
    undo: str
    seen: str


def _entry(step: int, note: str) -> Change:
    return Change(
        f"INSERT INTO ledger VALUES ({step}, '{note}')",
        f"DELETE FROM ledger WHERE step = {step}",
        f"SELECT 1 FROM ledger WHERE step = {step} AND note = '{note}'",
    )


def _balance(reached: int) -> Change:
    once = f" WHERE balance > -{reached}"  # no text twice, or the server's record would not tell which it was
    return Change(BALANCE + once, NO_BALANCE + once, f"SELECT 1 FROM account WHERE balance >= {reached}")


def _index(name: str, column: str, family: str, *, gone: bool = False) -> Change:
    make = f"CREATE INDEX {name} ON account ({column})"
    drop = f"DROP INDEX {name}" + (" ON account" if family == "mysql" else "")
    names = {
        "sqlite": f"SELECT 1 FROM sqlite_master WHERE name = '{name}'",
        "postgres": f"SELECT 1 FROM pg_indexes WHERE schemaname = 'public' AND indexname = '{name}'",
        "mysql": "SELECT 1 FROM information_schema.statistics WHERE table_schema = database()"
        f" AND index_name = '{name}'",
    }[family]
    if gone:
        return Change(drop, make, f"SELECT 1 FROM (SELECT 1 AS one) AS o WHERE NOT EXISTS ({names})")
    return Change(make, drop, names)


def _table(name: str, columns: str, family: str) -> Change:
    return Change(f"CREATE TABLE {name} ({columns})", f"DROP TABLE {name}", _tables(name, family))


def _no_table(name: str, columns: str, family: str) -> Change:
    there = _tables(name, family)
    return Change(
        f"DROP TABLE {name}",
        f"CREATE TABLE {name} ({columns})",
        f"SELECT 1 FROM (SELECT 1 AS one) AS o WHERE NOT EXISTS ({there})",
    )


def _tables(name: str, family: str) -> str:
    return {
        "sqlite": f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{name}'",
        "postgres": f"SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename = '{name}'",
        "mysql": "SELECT 1 FROM information_schema.tables WHERE table_schema = database()"
        f" AND table_name = '{name}'",
    }[family]


def column(table: str, name: str, kind: str, family: str) -> Change:
    """Give the change that adds a column."""
    seen = {
        "sqlite": f"SELECT 1 FROM pragma_table_info('{table}') WHERE name = '{name}'",
        "postgres": f"SELECT 1 FROM information_schema.columns WHERE table_name = '{table}'"
        f" AND column_name = '{name}'",
        "mysql": "SELECT 1 FROM information_schema.columns WHERE table_schema = database()"
        f" AND table_name = '{table}' AND column_name = '{name}'",
    }[family]
    return Change(f"ALTER TABLE {table} ADD COLUMN {name} {kind}", f"ALTER TABLE {table} DROP COLUMN {name}", seen)


def _renamed(table: str, old: str, new: str, family: str) -> Change:
    rename = f"ALTER TABLE {table} RENAME COLUMN {{}} TO {{}}"
    return Change(rename.format(old, new), rename.format(new, old), column(table, new, "", family).seen)


def direct(family: str) -> dict[str, list[Change]]:
    """Give the ten migrations as the statements that each sends."""
    account = "id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, balance INTEGER NOT NULL"
    tag = "id INTEGER NOT NULL PRIMARY KEY, account_id INTEGER NOT NULL"
    labelled = f"{tag}, label VARCHAR(20)"
    rows = Change(
        "INSERT INTO account VALUES (1, 'a', 0), (2, 'b', 0)", "DELETE FROM account", "SELECT 1 FROM account"
    )
    first_tag = Change("INSERT INTO tag VALUES (1, 1)", "DELETE FROM tag", "SELECT 1 FROM tag")
    label = Change(
        "UPDATE tag SET label = 'red'", "UPDATE tag SET label = NULL", "SELECT 1 FROM tag WHERE label = 'red'"
    )
    return {
        "0001_accounts": [_table("account", account, family), rows],
        "0002_ledger": [_table("ledger", "step INTEGER NOT NULL, note VARCHAR(40)", family), _entry(2, "two")],
        "0003_email": [column("account", "email", "VARCHAR(80)", family), _balance(1), _entry(3, "three")],
        "0004_index": [_index("account_name", "name", family), _entry(4, "four")],
        "0005_mail": [_renamed("account", "email", "mail", family), _balance(2)],
        "0006_tags": [_table("tag", tag, family), first_tag, _entry(6, "six")],
        "0007_labels": [column("tag", "label", "VARCHAR(20)", family), label],
        "0008_indexes": [
            _index("account_name", "name", family, gone=True),
            _index("account_mail", "mail", family),
        ],
        "0009_made": [column("ledger", "made", "INTEGER", family), _entry_made(9), _balance(3)],
        "0010_no_tags": [_no_table("tag", labelled, family), _entry_made(10)],
    }


def _entry_made(step: int) -> Change:
    return Change(
        f"INSERT INTO ledger VALUES ({step}, 'made', {step})",
        f"DELETE FROM ledger WHERE step = {step}",
        f"SELECT 1 FROM ledger WHERE step = {step}",
    )


DECLARATIVE = {
    "0001_accounts": """
        manager.add_table(
            "account",
            [Column("id", types.integer()), Column("name", types.varchar(40)), Column("balance", types.integer())],
            primary_key="id",
        )
        manager.run_sql("INSERT INTO account VALUES (1, 'a', 0), (2, 'b', 0)", "DELETE FROM account")
        """,
    "0002_ledger": """
        manager.add_table("ledger", [Column("step", types.integer()), Column("note", types.varchar(40), null=True)])
        manager.run_sql("INSERT INTO ledger VALUES (2, 'two')", "DELETE FROM ledger WHERE step = 2")
        """,
    "0003_email": """
        manager.add_column("account", Column("email", types.varchar(80)), backfill="nobody")
        manager.run_sql(BALANCE, NO_BALANCE)
        manager.run_sql("INSERT INTO ledger VALUES (3, 'three')", "DELETE FROM ledger WHERE step = 3")
        """,
    "0004_index": """
        manager.add_index("account", Index("account_name", "name"), concurrently=True)
        manager.run_sql("INSERT INTO ledger VALUES (4, 'four')", "DELETE FROM ledger WHERE step = 4")
        """,
    "0005_mail": """
        manager.rename_column("account", "email", "mail")
        manager.backfill("account", "balance", Sql("balance + 1"), batch=1)
        manager.alter_column(
            "account", Column("mail", types.varchar(80)), Column("mail", types.varchar(90), null=True),
            reverse_backfill="nobody",
        )
        """,
    "0006_tags": """
        manager.add_table(
            "tag",
            [Column("id", types.integer()), Column("account_id", types.integer())],
            primary_key="id",
            indexes=[Index("tag_account_id", "account_id")],
            constraints=[ForeignKey("account_id", "account", "id", on_delete="CASCADE")],
        )
        manager.run_sql("INSERT INTO tag VALUES (1, 1)", "DELETE FROM tag")
        """,
    "0007_labels": """
        manager.add_column("tag", Column("label", types.varchar(20)), backfill="red")
        manager.run_python(count_up, count_down)
        """,
    "0008_indexes": """
        manager.drop_index("account", Index("account_name", "name"))
        manager.add_index("account", Index("account_mail", "mail", unique=False))
        manager.add_constraint("account", Check("balance >= 0", name="account_balance"))
        """,
    "0009_made": """
        manager.add_column("ledger", Column("made", types.integer(), null=True))
        manager.run_sql(
            ["INSERT INTO ledger VALUES (9, 'made', 9)", BALANCE],
            ["DELETE FROM ledger WHERE step = 9", NO_BALANCE],
        )
        """,
    "0010_no_tags": """
        manager.drop_table(
            "tag",
            [Column("id", types.integer()), Column("account_id", types.integer()),
             Column("label", types.varchar(20))],
            primary_key="id",
            indexes=[Index("tag_account_id", "account_id")],
            constraints=[ForeignKey("account_id", "account", "id", on_delete="CASCADE")],
        )
        manager.run_sql("INSERT INTO ledger VALUES (10, 'made', 10)", "DELETE FROM ledger WHERE step = 10")
        """,
}
_HEADER = f"""\
from smalls.manager import MigrationManager
from smalls.schema import Check, Column, ForeignKey, Index, Sql, types

BALANCE = "{BALANCE}"
NO_BALANCE = "{NO_BALANCE}"


def count_up(db, models):
    db.execute_sql(BALANCE)


def count_down(db, models):
    db.execute_sql(NO_BALANCE)


def migrate():
    manager = MigrationManager()
"""
STYLES = ("direct", "declarative")


@dataclass(frozen=True)
class Scene:
    """The ten on one database, in one style, in transactions or outside."""

    project: Project
    database: Database
    style: str
    outside: bool = False
    changes: dict[str, list[Change]] = field(default_factory=dict)

    @property
    def needs_hands(self) -> bool:
        """Tell whether a run that was killed may leave what only people can settle."""
        return self.style == "direct" and (self.outside or self.database.family == "mysql")


def write(project: Project, database: Database, style: str, *, outside: bool = False) -> Scene:
    """Write the ten files."""
    before = "transaction = False\n\n" if outside else ""
    if style == "declarative":
        for name, body in DECLARATIVE.items():
            (project.migrations / f"{name}.py").write_text(
                before + _HEADER + body.replace("\n        ", "\n    ").strip("\n") + "\n    return manager\n"
            )
        return Scene(project, database, style, outside)
    changes = direct(database.family)
    for name, sent in changes.items():
        forward = "\n".join(f"db.execute_sql({change.sql!r})" for change in sent)
        back = "\n".join(f"db.execute_sql({change.undo!r})" for change in reversed(sent))
        project.migration(name, forward, back, before)
    return Scene(project, database, style, outside, changes)
