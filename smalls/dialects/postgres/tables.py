"""Our tables in PostgreSQL: named, found, made and read."""

from __future__ import annotations

from smalls.dialects.base import Query, walk


class Tables:
    """What a dialect answers about the history and the journal."""

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""
        return '"' + name.replace('"', '""') + '"'

    def table(self, schema: str | None, name: str) -> str:
        """Return the table's name, qualified where a schema is set."""
        return f"{self.quote(schema)}.{self.quote(name)}" if schema else self.quote(name)

    def home(self, query: Query, name: str) -> str | None:
        """Return the schema where search_path finds it, which a migration may set."""
        rows = query(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.oid = to_regclass(%s)",
            (self.quote(name),),
        )
        return str(rows[0][0]) if rows else None

    def create_history(self, schema: str | None, ours: str) -> list[str]:
        """Return the history table as upstream's Peewee model makes it, with our columns beside."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'migration_history')} ("
                '"id" SERIAL NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, '
                '"migrated_at" TIMESTAMP NOT NULL, "version" INTEGER NOT NULL DEFAULT 0, '
                f"{ours})"
            ),
            (
                'CREATE UNIQUE INDEX IF NOT EXISTS "migrationhistory_name" ON '
                f'{self.table(schema, "migration_history")} ("name")'
            ),
        ]

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the journal's statement."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'smalls_journal')} ("
                '"id" SERIAL NOT NULL PRIMARY KEY, "at" TIMESTAMP NOT NULL, "run_id" VARCHAR(64) NOT NULL, '
                '"migration" VARCHAR(255) NOT NULL, "event" VARCHAR(32) NOT NULL, "detail" TEXT, '
                'UNIQUE ("migration", "id"))'
            )
        ]

    def is_last(self, table: str) -> str:
        """Return the condition; an array is looked up by id, where a list would be held against the whole table."""
        return f"id = ANY (ARRAY({walk(table)}))"

    def column_type(self, meaning: str) -> str:
        """Return the type's name."""
        return {"text": "TEXT", "integer": "INTEGER", "time": "TIMESTAMP", "long text": "TEXT"}[meaning]
