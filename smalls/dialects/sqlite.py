"""SQLite, the embedded default."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import (
    Bound,
    Holder,
    Query,
    Session,
    Trouble,
    Violation,
    driver_error,
    has_mark,
    still_marked,
    walk,
)
from smalls.errors import ConfigError
from smalls.statements import only_reads
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TEXTS = (
    ("database is locked", Trouble.LOCKED),
    ("database table is locked", Trouble.LOCKED),
    ("unable to open database file", Trouble.NO_DATABASE),
    ("file is not a database", Trouble.NO_DATABASE),
    ("readonly database", Trouble.PERMISSION),
    ("interrupted", Trouble.CANCELLED),
    ("no such table", Trouble.NO_TABLE),
    ("malformed", Trouble.DAMAGED),
    ("disk I/O error", Trouble.DAMAGED),
    ("Could not decode to UTF-8", Trouble.DAMAGED),
    ("database or disk is full", Trouble.FULL),
)
# https://www.sqlite.org/lang_vacuum.html, and each pragma on https://www.sqlite.org/pragma.html
_OUTSIDE = re.compile(
    r"\s*(?:VACUUM\b|PRAGMA\s+(?:\w+\.)?(?:(?:journal_mode|synchronous|temp_store)\s*[=(]|wal_checkpoint\b)"
    r"|(?:ATTACH|DETACH)\b)",
    re.IGNORECASE,
)
# What only makes something in which nothing refers to anything yet.
_MAKES_NO_KEY = re.compile(
    r"\s*(?:CREATE\s+(?:(?:UNIQUE\s+)?INDEX|VIEW|TRIGGER|TABLE(?!.*\bREFERENCES\b))|SAVEPOINT|RELEASE)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAKES_TABLE = re.compile(
    r"\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])\s*\(", re.IGNORECASE
)
_INEFFECTIVE = re.compile(r"\s*PRAGMA\s+(?:\w+\.)?foreign_keys\s*[=(]", re.IGNORECASE)


class SqliteDialect:
    """SQLite from 3.35, by the standard library's driver."""

    engine = Engine.SQLITE
    transactional_ddl = True
    folds_names = False
    param = "?"
    epoch = "((julianday('now') - 2440587.5) * 86400.0)"
    session_query: str | None = None
    has_sessions = False
    default_schema = ""
    maintenance: tuple[str, ...] = ()
    bounds_statements = False

    def is_relayed(self, connection: Any, session_id: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that it is not: there is no server."""
        return False

    def lock_doubt(self, query: Query, connection: Any) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: the lock is a file's."""
        return None

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""
        return '"' + name.replace('"', '""') + '"'

    def setup(self, session: Session) -> list[str]:
        """Return the bound on waits for the file's lock; refuse what SQLite has not."""
        for name, value in (
            ("SMALLS_DB_ROLE", session.settings.db_role),
            ("SMALLS_DB_SCHEMA", session.settings.db_schema),
        ):
            if value:
                raise ConfigError(
                    f"{name} is set, and SQLite has no such thing.", hint=f"Unset {name}.", setting=name
                )
        return [self.lock_wait_bound(session.settings.ddl_lock_timeout) or ""]

    def trouble(self, error: BaseException) -> Trouble:
        """Tell an error's kind by its text, the same in every build."""
        text = str(driver_error(error))
        return next((trouble for words, trouble in _TEXTS if words in text), Trouble.OTHER)

    def server(self, query: Query) -> str:
        """Return the library's version."""
        return f"SQLite {query('SELECT sqlite_version()')[0][0]}"

    def read_only(self, query: Query) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell nothing: a file that cannot be written says so at the first write."""
        return None

    def create_database(self, name: str, owner: str | None) -> str:
        """Refuse: SQLite makes its file by itself."""
        raise NotImplementedError

    def cancel(self, query: Query, session_id: str) -> None:
        """Do nothing: the driver's own interrupt() is used."""

    def end(self, query: Query, session_id: str) -> None:
        """Do nothing: there is no session but the connection."""

    def is_at_work(self, query: Query, session_id: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that nothing is: who runs a statement is this process."""
        return False

    def begin(self, query: Query, mark: str) -> None:
        """Open a transaction that holds the write lock from its start, and mark its beginning."""
        query("BEGIN IMMEDIATE")
        query(f"SAVEPOINT {self.quote(mark)}")

    def is_ours(self, query: Query, mark: str) -> bool:
        """Tell by the mark."""
        return has_mark(query, self.quote(mark), self.trouble)

    def proof(self, mark: str) -> list[Bound]:
        """Return what needs the mark."""
        return still_marked(self.quote(mark))

    def disproves(self, error: BaseException) -> bool:
        """Tell by the text."""
        return "no such savepoint" in str(driver_error(error))

    def joined(self, cursor: Any, statements: Sequence[Bound]) -> list[Bound]:  # noqa: ARG002 -- as the others that are called alike take it
        """Return them as they are: there is no way to a server to be saved."""
        return list(statements)

    def is_aborted(self, connection: Any) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that none is: SQLite undoes the failed statement only."""
        return False

    def parts(self, sql: str) -> list[str]:
        """Return the one statement: the driver takes no more in a call."""
        return [sql]

    def is_ineffective(self, sql: str) -> bool:
        """Tell whether it switches foreign keys on or off."""
        return _INEFFECTIVE.match(sql) is not None

    def in_transaction(self, connection: Any) -> bool:
        """Tell by the driver's own flag."""
        return bool(connection.in_transaction)

    def must_leave(self, sql: str) -> bool:
        """Tell whether SQLite refuses the statement, or ignores it, in a transaction."""
        return _OUTSIDE.match(sql) is not None

    def before_transaction(self, query: Query) -> Callable[[], None]:
        """Switch foreign keys off, which SQLite allows only before BEGIN; the result puts them back.

        This is step 1 of https://www.sqlite.org/lang_altertable.html#otheralter: with them on, rebuilding
        a parent table deletes its children's rows.
        """
        before = query("PRAGMA foreign_keys")[0][0]
        if not before:
            return lambda: None
        query("PRAGMA foreign_keys = 0")
        return lambda: (query("PRAGMA foreign_keys = 1"), None)[1]

    def key_check(self, sql: str) -> str | None:
        """Return the check of all rows, which takes as long as there are rows and tables; of a new table's alone.

        That one finds no row, and refuses keys that could never hold: those to what is not unique.
        """
        if only_reads(sql) or _MAKES_NO_KEY.match(sql):
            return None
        made = _MAKES_TABLE.match(sql)
        return f"PRAGMA foreign_key_check({made[1]})" if made else "PRAGMA foreign_key_check"

    def violations(self, query: Query, check: str) -> list[Violation]:
        """Return the rows that refer to nothing, by https://www.sqlite.org/pragma.html#pragma_foreign_key_check."""
        rows = query(check)
        return [Violation(table, rowid, parent) for table, rowid, parent, _ in rows]

    def lock_wait_bound(self, seconds: float | None) -> str | None:
        """Return the PRAGMA; the file's lock is never waited for without a bound."""
        return None if seconds is None else f"PRAGMA busy_timeout = {int(seconds * 1000)}"

    def try_lock(self, query: Query, key: str) -> bool:
        """Refuse: SQLite has no session locks; a file beside the database is used."""
        raise NotImplementedError

    def unlock(self, query: Query, key: str) -> None:
        """Refuse, as `try_lock`."""
        raise NotImplementedError

    def holds_lock(self, query: Query, key: str, session_id: str) -> bool:
        """Refuse, as `try_lock`."""
        raise NotImplementedError

    def fencing(self, key: str, session_id: str) -> Bound | None:
        """Refuse, as `try_lock`."""
        raise NotImplementedError

    def denies_lock(self, error: BaseException) -> bool:
        """Refuse, as `try_lock`."""
        raise NotImplementedError

    def holder(self, query: Query, key: str) -> Holder | None:
        """Refuse, as `try_lock`."""
        raise NotImplementedError

    def blockers(self, query: Query, session_id: str) -> list[Holder]:  # noqa: ARG002 -- as the others that are called alike take it
        """Find nobody: SQLite does not know who has its file locked."""
        return []

    def clear_leftover(self, query: Query, sql: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Find nothing: a statement that failed leaves nothing here."""
        return False

    def table(self, schema: str | None, name: str) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Return the table's name."""
        return self.quote(name)

    def home(self, query: Query, name: str) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: a name without a schema is one of the file's own."""
        return None

    def create_history(self, schema: str | None, ours: str) -> list[str]:
        """Return the history table as upstream's Peewee model makes it, with our columns beside."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'migration_history')} ("
                '"id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, '
                '"migrated_at" DATETIME NOT NULL, "version" INTEGER NOT NULL DEFAULT 0, '
                f"{ours})"
            ),
            'CREATE UNIQUE INDEX IF NOT EXISTS "migrationhistory_name" ON "migration_history" ("name")',
        ]

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the journal's statement."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'smalls_journal')} ("
                '"id" INTEGER NOT NULL PRIMARY KEY, "at" DATETIME NOT NULL, "run_id" VARCHAR(64) NOT NULL, '
                '"migration" VARCHAR(255) NOT NULL, "event" VARCHAR(32) NOT NULL, "detail" TEXT, '
                'UNIQUE ("migration", "id"))'
            )
        ]

    def is_last(self, table: str) -> str:
        """Return the condition."""
        return f"id IN ({walk(table)})"

    def column_type(self, meaning: str) -> str:
        """Return the type's name."""
        return {"text": "TEXT", "integer": "INTEGER", "time": "DATETIME", "long text": "TEXT"}[meaning]

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:  # noqa: ARG002 -- as the others that are called alike take it
        """Return whether the file can be written, and its folder, where SQLite's journal and smalls' lock go."""
        path = str(query("PRAGMA database_list")[0][2] or "")
        beside = os.access(Path(path).parent, os.W_OK) if path else True
        return {
            "write": query("PRAGMA query_only")[0][0] == 0 and (not path or os.access(path, os.W_OK)),
            "write beside the file": beside,
        }
