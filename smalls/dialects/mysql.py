"""MySQL and MariaDB."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Holder, Query, Session, Trouble, Violation, driver_error
from smalls.errors import ConfigError
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

# https://dev.mysql.com/doc/mysql-errors/9.1/en/server-error-reference.html and
# https://mariadb.com/kb/en/mariadb-error-codes/
_CODES = {
    1044: Trouble.CREDENTIALS,
    1045: Trouble.CREDENTIALS,
    1129: Trouble.CREDENTIALS,
    1130: Trouble.CREDENTIALS,
    1698: Trouble.CREDENTIALS,
    1049: Trouble.NO_DATABASE,
    1102: Trouble.NO_DATABASE,
    1040: Trouble.TOO_MANY,
    1203: Trouble.TOO_MANY,
    1226: Trouble.TOO_MANY,
    1053: Trouble.STARTING,
    1205: Trouble.LOCKED,
    1213: Trouble.DEADLOCK,
    1317: Trouble.CANCELLED,
    1969: Trouble.CANCELLED,
    3024: Trouble.CANCELLED,
    1142: Trouble.PERMISSION,
    1143: Trouble.PERMISSION,
    1227: Trouble.PERMISSION,
    1290: Trouble.READ_ONLY,
    1836: Trouble.READ_ONLY,
    1146: Trouble.NO_TABLE,
    1927: Trouble.LOST,
    2006: Trouble.LOST,
    2013: Trouble.LOST,
    2055: Trouble.LOST,
    4031: Trouble.LOST,
}
_CANNOT_CONNECT = 2003
_TEXTS = (
    ("Name or service not known", Trouble.UNKNOWN_HOST),
    ("name resolution", Trouble.UNKNOWN_HOST),
    ("nodename nor servname", Trouble.UNKNOWN_HOST),
    ("timed out", Trouble.TIMED_OUT),
    ("certificate", Trouble.CREDENTIALS),
)
_LONGEST_LOCK_NAME = 64


class MysqlDialect:
    """MySQL 8.4 to 9 and MariaDB 10.11 to 11. Their DDL commits, so no migration is ever wrapped."""

    engine = Engine.MYSQL
    transactional_ddl = False
    param = "%s"
    epoch = "UNIX_TIMESTAMP(NOW(6))"
    session_query: str | None = "SELECT CONNECTION_ID()"
    has_sessions = True
    default_schema = ""
    bounds_statements = False

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""
        return "`" + name.replace("`", "``") + "`"

    def setup(self, session: Session) -> list[str]:
        """Return the session's SET statements.

        `lock_wait_timeout` bounds the wait for metadata locks, in whole seconds:
        https://dev.mysql.com/doc/refman/9.1/en/server-system-variables.html#sysvar_lock_wait_timeout
        """
        settings = session.settings
        if settings.db_schema:
            raise ConfigError(
                "SMALLS_DB_SCHEMA is set, and in MySQL and MariaDB a schema is the database itself.",
                hint="Unset SMALLS_DB_SCHEMA and name the database in the URL.",
                setting="SMALLS_DB_SCHEMA",
            )
        statements = [self.lock_wait_bound(settings.ddl_lock_timeout) or ""]
        if settings.db_role:
            statements.append(f"SET ROLE {self.quote(settings.db_role)}")
        return statements

    def trouble(self, error: BaseException) -> Trouble:
        """Tell an error's kind by its number, else by the driver's text."""
        inner = driver_error(error)
        code = inner.args[0] if inner.args and isinstance(inner.args[0], int) else None
        if code in _CODES:
            return _CODES[code]
        text = str(inner)
        for words, trouble in _TEXTS:
            if words in text:
                return trouble
        if code == _CANNOT_CONNECT:
            return Trouble.REFUSED
        return Trouble.LOST if type(inner).__name__ == "InterfaceError" and code == 0 else Trouble.OTHER

    def server(self, query: Query) -> str:
        """Return the server's name and version; MariaDB tells its own."""
        version = str(query("SELECT VERSION()")[0][0])
        return f"MariaDB {version.partition('-')[0]}" if "MariaDB" in version else f"MySQL {version}"

    def cancel(self, query: Query, session_id: str) -> None:
        """Cancel what a connection is running: https://dev.mysql.com/doc/refman/9.1/en/kill.html."""
        query(f"KILL QUERY {int(session_id)}")

    def begin(self, query: Query, mark: str) -> None:  # noqa: ARG002
        """Open a transaction, for our own rows only."""
        query("BEGIN")

    def is_ours(self, query: Query, mark: str) -> bool:  # noqa: ARG002
        """Tell that it is: no migration's code runs inside."""
        return True

    def is_aborted(self, connection: Any) -> bool:  # noqa: ARG002
        """Tell that none is: an error ends no transaction here."""
        return False

    def parts(self, sql: str) -> list[str]:
        """Return the one statement: the driver takes no more in a call."""
        return [sql]

    def is_ineffective(self, sql: str) -> bool:  # noqa: ARG002
        """Tell that none is."""
        return False

    def in_transaction(self, connection: Any) -> bool:
        """Tell by the status flag of the last answer (SERVER_STATUS_IN_TRANS = 1)."""
        return bool(getattr(connection, "server_status", 0) & 1)

    def must_leave(self, sql: str) -> bool:  # noqa: ARG002
        """Tell that nothing must: there is no transaction to leave."""
        return False

    def before_transaction(self, query: Query) -> Callable[[], None]:  # noqa: ARG002
        """Prepare nothing."""
        return lambda: None

    def violations(self, query: Query) -> list[Violation]:  # noqa: ARG002
        """Find nothing: the server checks its own keys."""
        return []

    def lock_wait_bound(self, seconds: float | None) -> str | None:
        """Return the SET statement; a metadata lock is never waited for without a bound."""
        return None if seconds is None else f"SET SESSION lock_wait_timeout = {max(1, int(seconds))}"

    # ── locks: https://dev.mysql.com/doc/refman/9.1/en/locking-functions.html ──

    def _lock_name(self, key: str) -> str:
        """Return a name of at most 64 characters; the lock is server-wide, so the key carries the database."""
        return f"smalls:{hashlib.sha256(key.encode()).hexdigest()}"[:_LONGEST_LOCK_NAME]

    def try_lock(self, query: Query, key: str) -> bool:
        """Take a named lock if it is free."""
        return bool(query("SELECT GET_LOCK(%s, 0)", (self._lock_name(key),))[0][0] == 1)

    def unlock(self, query: Query, key: str) -> None:
        """Give the named lock back."""
        query("SELECT RELEASE_LOCK(%s)", (self._lock_name(key),))

    def holder(self, query: Query, key: str) -> Holder | None:
        """Return the holder by IS_USED_LOCK and the process list (one's own user's threads at least)."""
        session = query("SELECT IS_USED_LOCK(%s)", (self._lock_name(key),))[0][0]
        if session is None:
            return None
        rows = query(
            "SELECT USER, HOST, COMMAND, TIME, INFO FROM information_schema.PROCESSLIST WHERE ID = %s", (session,)
        )
        if not rows:
            return Holder(str(session))
        user, host, command, seconds, statement = rows[0]
        program = f"{command} for {seconds} s"
        return Holder(str(session), user, host, program, None, statement if command == "Query" else None)

    # ── our tables ──

    def table(self, schema: str | None, name: str) -> str:  # noqa: ARG002
        """Return the table's name."""
        return self.quote(name)

    def create_history(self, schema: str | None) -> list[str]:
        """Return the history table as upstream's Peewee model makes it, with our columns beside."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'migration_history')} ("
                "`id` INTEGER AUTO_INCREMENT NOT NULL PRIMARY KEY, `name` VARCHAR(255) NOT NULL, "
                "`migrated_at` DATETIME NOT NULL, `version` INTEGER NOT NULL DEFAULT 0, "
                "UNIQUE KEY `migrationhistory_name` (`name`))"
            )
        ]

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the journal's statement."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'smalls_journal')} ("
                "`id` INTEGER AUTO_INCREMENT NOT NULL PRIMARY KEY, `at` DATETIME(6) NOT NULL, "
                "`run_id` VARCHAR(64) NOT NULL, `migration` VARCHAR(255) NOT NULL, `event` VARCHAR(32) NOT NULL, "
                "`detail` LONGTEXT)"
            )
        ]

    def column_type(self, meaning: str) -> str:
        """Return the type's name."""
        return {"text": "TEXT", "integer": "INTEGER", "time": "DATETIME(6)"}[meaning]

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:  # noqa: ARG002
        """Return the grants, whose text alone tells what a MySQL user may do."""
        grants = [str(row[0]).split(" IDENTIFIED ")[0] for row in query("SHOW GRANTS")]
        return {"user": str(query("SELECT CURRENT_USER()")[0][0]), "grants": "; ".join(grants)}
