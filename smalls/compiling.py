"""The compiler for a connected database, chosen by what its server says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalls.compilers.base import Compiler


def compiler_for(database: Any) -> Compiler:
    """Return the compiler for a connected Peewee database."""
    import peewee

    if isinstance(database, peewee.SqliteDatabase):
        from smalls.compilers.sqlite import SqliteCompiler

        return SqliteCompiler()
    if isinstance(database, peewee.PostgresqlDatabase):
        from smalls.compilers.postgres import PostgresCompiler

        return PostgresCompiler(int(_say(database, "SHOW server_version_num")) // 10_000)
    from smalls.compilers.mysql import MysqlCompiler

    return MysqlCompiler("mariadb" if "mariadb" in _say(database, "SELECT version()").lower() else "mysql")


def _say(database: Any, sql: str) -> str:
    return str(database.execute_sql(sql).fetchone()[0])
