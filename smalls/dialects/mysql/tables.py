"""Our tables in MySQL and MariaDB: named, found, made and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalls.dialects.base import Query


class Tables:
    """What a dialect answers about the history and the journal."""

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""
        return "`" + name.replace("`", "``") + "`"

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
