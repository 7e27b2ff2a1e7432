"""Operations to PostgreSQL's SQL: the online form wherever there is one."""

from __future__ import annotations

from smalls.compilers.postgres.compiler import PostgresCompiler

__all__ = ["PostgresCompiler"]
