"""MySQL and MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Bound, Query, Session, Trouble, Violation, message_of
from smalls.dialects.mysql.locks import Locks
from smalls.dialects.mysql.rights import abilities
from smalls.dialects.mysql.tables import Tables
from smalls.dialects.mysql.troubles import trouble_of
from smalls.errors import ConfigError
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LONGEST_IDLE = 7 * 24 * 3600
# Read by MariaDB only: https://mariadb.com/kb/en/comment-syntax/
_MARIADB_IDLE = "/*M!100300 , idle_transaction_timeout = 0, idle_write_transaction_timeout = 0 */"


def _takes_compounds(cursor: Any) -> bool:
    """Tell whether the server is a MariaDB, behind a driver that can write parameters into a text."""
    connection = getattr(cursor, "connection", None)
    return hasattr(cursor, "mogrify") and "MariaDB" in str(getattr(connection, "server_version", ""))


class MysqlDialect(Locks, Tables):
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
        return trouble_of(error)

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

    def clear_leftover(self, query: Query, sql: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Find nothing: a statement that failed leaves nothing here."""
        return False

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:  # noqa: ARG002 -- as the others that are called alike take it
        """Return what the user may do."""
        return abilities(query, takes_writes=self.read_only(query) is None)
