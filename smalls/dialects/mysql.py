"""MySQL and MariaDB."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Bound, Holder, Query, Session, Trouble, Violation, driver_error, message_of
from smalls.errors import ConfigError
from smalls.grants import holds, privileges
from smalls.statements import without_values
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    1020: Trouble.DEADLOCK,  # MariaDB: another session changed a row after this one had read it; rolled back, too
    1053: Trouble.STARTING,
    1205: Trouble.LOCKED,
    1213: Trouble.DEADLOCK,
    1317: Trouble.CANCELLED,
    1969: Trouble.CANCELLED,
    3024: Trouble.CANCELLED,
    1142: Trouble.PERMISSION,
    1143: Trouble.PERMISSION,
    1227: Trouble.PERMISSION,
    1792: Trouble.READ_ONLY,
    1836: Trouble.READ_ONLY,
    3159: Trouble.TLS,
    1007: Trouble.EXISTS,
    1021: Trouble.FULL,
    1114: Trouble.FULL,
    1034: Trouble.DAMAGED,
    1035: Trouble.DAMAGED,
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
    ("read-only option", Trouble.READ_ONLY),  # 1290 is for other options too
    ("certificate", Trouble.TLS),
    ("SSL", Trouble.TLS),
)
_TOO_MANY_ROWS = 1242
_LONGEST_LOCK_NAME = 64
_LONGEST_IDLE = 7 * 24 * 3600
# Read by MariaDB only: https://mariadb.com/kb/en/comment-syntax/
_MARIADB_IDLE = "/*M!100300 , idle_transaction_timeout = 0, idle_write_transaction_timeout = 0 */"


_PENDING = """
SELECT DISTINCT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, t.PROCESSLIST_COMMAND,
       t.PROCESSLIST_TIME, COALESCE(t.PROCESSLIST_INFO, s.SQL_TEXT)
FROM performance_schema.metadata_locks w JOIN performance_schema.threads me ON me.THREAD_ID = w.OWNER_THREAD_ID
JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = w.OBJECT_TYPE AND g.OBJECT_SCHEMA <=> w.OBJECT_SCHEMA
     AND g.OBJECT_NAME <=> w.OBJECT_NAME AND g.LOCK_STATUS = 'GRANTED' AND g.OWNER_THREAD_ID <> w.OWNER_THREAD_ID
JOIN performance_schema.threads t ON t.THREAD_ID = g.OWNER_THREAD_ID
LEFT JOIN performance_schema.events_statements_current s ON s.THREAD_ID = t.THREAD_ID
WHERE me.PROCESSLIST_ID = %s AND w.LOCK_STATUS = 'PENDING' AND t.PROCESSLIST_ID IS NOT NULL
ORDER BY t.PROCESSLIST_TIME DESC
"""
_WAITS = "EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s AND STATE LIKE 'Waiting for %% lock')"
_HELD = f"""
SELECT DISTINCT p.ID, p.USER, p.HOST, p.COMMAND, p.TIME, p.INFO
FROM information_schema.METADATA_LOCK_INFO l JOIN information_schema.PROCESSLIST p ON p.ID = l.THREAD_ID
JOIN information_schema.PROCESSLIST me ON me.ID = %s
WHERE l.TABLE_SCHEMA = me.DB AND l.THREAD_ID <> me.ID AND LOCATE(l.TABLE_NAME, me.INFO) AND {_WAITS}
ORDER BY p.TIME DESC
"""
_OPEN = f"""
SELECT p.ID, p.USER, p.HOST, p.COMMAND, TIMESTAMPDIFF(SECOND, x.trx_started, NOW()), p.INFO
FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id
WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() AND {_WAITS}
ORDER BY x.trx_started LIMIT 3
"""


def _shown(statement: str | None) -> str | None:
    return without_values(statement, names_in="`") if statement else None


def _takes_compounds(cursor: Any) -> bool:
    """Tell whether the server is a MariaDB, behind a driver that can write parameters into a text."""
    connection = getattr(cursor, "connection", None)
    return hasattr(cursor, "mogrify") and "MariaDB" in str(getattr(connection, "server_version", ""))


def _blocker(row: Sequence[Any]) -> Holder:
    session, user, host, command, seconds, statement = row
    state = "idle" if command == "Sleep" else "active"
    return Holder(str(session), user, host, statement=_shown(statement), state=state, age=f"{seconds} s")


class MysqlDialect:
    """MySQL 8.4 to 9 and MariaDB 10.11 to 11. Their DDL commits, so no migration is ever wrapped."""

    engine = Engine.MYSQL
    transactional_ddl = False
    folds_names = True  # https://dev.mysql.com/doc/refman/9.1/en/charset-mysql.html
    param = "%s"
    epoch = "UNIX_TIMESTAMP(NOW(6))"
    session_query: str | None = "SELECT CONNECTION_ID()"
    has_sessions = True
    default_schema = ""
    maintenance: tuple[str, ...] = ("",)  # a session needs none
    bounds_statements = False

    def is_relayed(self, connection: Any, session_id: str) -> bool:
        """Tell by the connection id of the handshake, which has room for its lower 32 bits only."""
        return bool((connection.thread_id() - int(session_id)) % (1 << 32))

    def lock_doubt(self, query: Query, connection: Any) -> str | None:
        """Return a word on clusters, on each of whose servers GET_LOCK knows of its own locks only.

        https://mariadb.com/kb/en/mariadb-galera-cluster-known-limitations/ and
        https://dev.mysql.com/doc/refman/9.1/en/group-replication-limitations.html
        """
        version = str(connection.get_server_info())
        for name in ("TiDB", "Vitess"):
            if name in version:
                return f"{name} is many servers"
        names = "'wsrep_on', 'group_replication_group_name'"
        found: dict[str, str] = dict(query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"))
        if found.get("wsrep_on") == "ON":
            return "the server is one of a Galera cluster, whose session locks are each node's own"
        if found.get("group_replication_group_name"):
            return "the server is one of a replication group, whose session locks are each member's own"
        return None

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""
        return "`" + name.replace("`", "``") + "`"

    def setup(self, session: Session) -> list[str]:
        """Return the session's SET statements.

        `lock_wait_timeout` bounds the wait for metadata locks, in whole seconds, and `wait_timeout` how long a
        session may be idle, as ours is while a migration computes:
        https://dev.mysql.com/doc/refman/9.1/en/server-system-variables.html
        """
        settings = session.settings
        if settings.db_schema:
            raise ConfigError(
                "SMALLS_DB_SCHEMA is set, and in MySQL and MariaDB a schema is the database itself.",
                hint="Unset SMALLS_DB_SCHEMA and name the database in the URL.",
                setting="SMALLS_DB_SCHEMA",
            )
        statements = [f"SET SESSION wait_timeout = {_LONGEST_IDLE} {_MARIADB_IDLE}"]
        statements += [self.lock_wait_bound(settings.ddl_lock_timeout) or ""]
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

    def read_only(self, query: Query) -> str | None:
        """Tell by the server's own judgement of this session, since some privileges outdo `read_only`.

        https://dev.mysql.com/doc/refman/9.1/en/commit.html: START TRANSACTION READ WRITE
        """
        try:
            query("START TRANSACTION READ WRITE")
        except Exception as error:
            if self.trouble(error) is not Trouble.READ_ONLY:
                raise
            return message_of(error)
        query("ROLLBACK")
        return None

    def create_database(self, name: str, owner: str | None) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Return the statement, for all of Unicode."""
        return f"CREATE DATABASE IF NOT EXISTS {self.quote(name)} CHARACTER SET utf8mb4"

    def cancel(self, query: Query, session_id: str) -> None:
        """Cancel what a connection is running: https://dev.mysql.com/doc/refman/9.1/en/kill.html."""
        query(f"KILL QUERY {int(session_id)}")

    def end(self, query: Query, session_id: str) -> None:
        """End a connection: https://dev.mysql.com/doc/refman/9.1/en/kill.html."""
        query(f"KILL {int(session_id)}")

    def is_at_work(self, query: Query, session_id: str) -> bool:
        """Tell by the process list, which shows a user its own threads.

        On MariaDB the command is "Killed" until the next one, whatever was running.
        """
        sql = "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s AND INFO IS NOT NULL"
        return bool(query(sql, (int(session_id),)))

    def begin(self, query: Query, mark: str) -> None:  # noqa: ARG002 -- as the others that are called alike take it
        """Open a transaction, for our own rows only."""
        query("BEGIN")

    def is_ours(self, query: Query, mark: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that it is: no migration's code runs inside."""
        return True

    def proof(self, mark: str) -> list[Bound]:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: no migration's code runs inside."""
        return []

    def disproves(self, error: BaseException) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that none does."""
        return False

    def joined(self, cursor: Any, statements: Sequence[Bound]) -> list[Bound]:
        """Return one compound statement for MariaDB, which an error ends; MySQL has none outside of programs.

        https://mariadb.com/kb/en/using-compound-statements-outside-of-stored-programs/
        """
        if len(statements) == 1 or not _takes_compounds(cursor):
            return list(statements)
        texts = [cursor.mogrify(sql, tuple(params) or None) for sql, params in statements]
        texts[0] = "START TRANSACTION" if texts[0] == "BEGIN" else texts[0]
        return [(f"BEGIN NOT ATOMIC {'; '.join(texts)}; END", ())]

    def is_aborted(self, connection: Any) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that none is: an error ends no transaction here."""
        return False

    def parts(self, sql: str) -> list[str]:
        """Return the one statement: the driver takes no more in a call."""
        return [sql]

    def is_ineffective(self, sql: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that none is."""
        return False

    def in_transaction(self, connection: Any) -> bool:
        """Tell by the status flag of the last answer (SERVER_STATUS_IN_TRANS = 1)."""
        return bool(getattr(connection, "server_status", 0) & 1)

    def must_leave(self, sql: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that nothing must: there is no transaction to leave."""
        return False

    def before_transaction(self, query: Query) -> Callable[[], None]:  # noqa: ARG002 -- as the others that are called alike take it
        """Prepare nothing."""
        return lambda: None

    def key_check(self, sql: str) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: the server checks its own keys."""
        return None

    def violations(self, query: Query, check: str) -> list[Violation]:  # noqa: ARG002 -- as the others that are called alike take it
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

    def holds_lock(self, query: Query, key: str, session_id: str) -> bool:
        """Tell by IS_USED_LOCK."""
        return str(query("SELECT IS_USED_LOCK(%s)", (self._lock_name(key),))[0][0]) == session_id

    def fencing(self, key: str, session_id: str) -> Bound | None:
        """Return a subquery of too many rows, which is run only where that session does not have the lock.

        DO would be shorter, and MariaDB lets its errors pass.
        """
        sql = "SET @smalls = IF(IS_USED_LOCK(%s) <=> %s, 0, (SELECT 1 UNION SELECT 2))"
        return sql, (self._lock_name(key), int(session_id))

    def denies_lock(self, error: BaseException) -> bool:
        """Tell by the number; nothing else that is sent with it has a subquery."""
        inner = driver_error(error)
        return inner.args[:1] == (_TOO_MANY_ROWS,)

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
        shown = _shown(statement) if command == "Query" else None
        return Holder(str(session), user, host, program, None, shown)

    def blockers(self, query: Query, session_id: str) -> list[Holder]:
        """Return who has what the session waits for, in the best of three ways that server and rights allow.

        MySQL tells it: https://dev.mysql.com/doc/refman/9.1/en/performance-schema-metadata-locks-table.html
        MariaDB tells what is held, with its plugin: https://mariadb.com/kb/en/metadata-lock-info-plugin/
        Else it is one of those who have a transaction open longest in this database.
        """
        for sql, params in (
            (_PENDING, (session_id,)),
            (_HELD, (session_id, session_id)),
            (_OPEN, (session_id,)),
        ):
            try:
                if rows := query(sql, params):
                    return [_blocker(row) for row in rows]
            except Exception as error:  # this way is not open here, unless the connection is gone
                if self.trouble(error) is Trouble.LOST:
                    raise
        return []

    # ── our tables ──

    def clear_leftover(self, query: Query, sql: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Find nothing: a statement that failed leaves nothing here."""
        return False

    def table(self, schema: str | None, name: str) -> str:
        """Return the table's name, qualified where its database is given."""
        return f"{self.quote(schema)}.{self.quote(name)}" if schema else self.quote(name)

    def home(self, query: Query, name: str) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return the database, since a migration's USE changes what a name means."""
        return str(query("SELECT DATABASE()")[0][0])

    def create_history(self, schema: str | None, ours: str) -> list[str]:
        """Return the history table as upstream's Peewee model makes it, with our columns beside."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'migration_history')} ("
                "`id` INTEGER AUTO_INCREMENT NOT NULL PRIMARY KEY, `name` VARCHAR(255) NOT NULL, "
                "`migrated_at` DATETIME NOT NULL, `version` INTEGER NOT NULL DEFAULT 0, "
                f"{ours}, UNIQUE KEY `migrationhistory_name` (`name`))"
            )
        ]

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the journal's statement."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'smalls_journal')} ("
                "`id` INTEGER AUTO_INCREMENT NOT NULL PRIMARY KEY, `at` DATETIME(6) NOT NULL, "
                "`run_id` VARCHAR(64) NOT NULL, `migration` VARCHAR(255) NOT NULL, `event` VARCHAR(32) NOT NULL, "
                "`detail` LONGTEXT, UNIQUE KEY (`migration`, `id`))"
            )
        ]

    def is_last(self, table: str) -> str:
        """Return the condition; within another SELECT the groups are looked up, and not each entry in them."""
        return f"id IN (SELECT last FROM (SELECT MAX(id) AS last FROM {table} GROUP BY migration) AS ends)"

    def column_type(self, meaning: str) -> str:
        """Return the type's name."""
        return {"text": "TEXT", "integer": "INTEGER", "time": "DATETIME(6)", "long text": "LONGTEXT"}[meaning]

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:  # noqa: ARG002 -- as the others that are called alike take it
        """Return what the user may do, by the grants, of active roles too; and the grants themselves.

        Locks by name and the cancelling of one's own statements need no privilege.
        """
        user, role, database = query("SELECT CURRENT_USER(), CURRENT_ROLE(), DATABASE()")[0]
        lines = [str(row[0]).split(" IDENTIFIED ")[0] for row in query("SHOW GRANTS")]
        everywhere, here = privileges(lines, str(database))
        return {
            "user": str(user),
            "role": str(role or "NONE"),
            "superuser": holds(everywhere, "SUPER"),
            "create databases": holds(everywhere, "CREATE"),
            **{ability: holds(here, *names) for ability, names in _ABILITIES.items()},
            "take an advisory lock": True,
            "cancel its own statements": True,
            "see what other users' sessions run": holds(everywhere, "PROCESS"),
            "the server takes writes": self.read_only(query) is None,
            "grants": "; ".join(lines),
        }


_ABILITIES = {
    "create tables": ("CREATE",),
    "alter tables": ("ALTER",),
    "create and drop indexes": ("INDEX",),
    "drop tables": ("DROP",),
    "create foreign keys": ("REFERENCES",),
    "read and write rows": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}
