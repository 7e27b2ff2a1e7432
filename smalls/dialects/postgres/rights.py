"""What a PostgreSQL role may do, by PostgreSQL's privilege functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalls.dialects.base import Query

_NAMES = (
    "user",
    "role",
    "schema",
    "superuser",
    "create databases",
    "create schemas",
    "create tables in the schema",
    "alter, index and drop every table in the schema",
    "take an advisory lock",
    "cancel its own statements",
    "see what other users' sessions run",
    "server is a read-only standby",
)
_ASKED = """
SELECT session_user, current_user, coalesce({schema}, '(none)'), rolsuper, rolcreatedb OR rolsuper,
  has_database_privilege(current_database(), 'CREATE'),
  coalesce(has_schema_privilege({schema}, 'CREATE'), false),
  NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident({schema}))
    AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')),
  has_function_privilege('pg_try_advisory_lock(bigint)', 'EXECUTE'),
  has_function_privilege('pg_cancel_backend(integer)', 'EXECUTE'),
  rolsuper OR pg_has_role('pg_read_all_stats', 'USAGE'),
  pg_is_in_recovery()
FROM pg_roles WHERE rolname = current_user
"""


def abilities(query: Query, schema: str) -> dict[str, bool | str]:
    """Return what the connected role may do, in a schema that SQL tells.

    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-ACCESS
    """
    answers = query(_ASKED.format(schema=schema))[0]
    return dict(zip(_NAMES, map(_told, answers), strict=True))


def _told(answer: Any) -> bool | str:
    return answer if isinstance(answer, bool) else str(answer)
