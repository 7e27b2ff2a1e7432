"""One statement sent: with the name that only the server knows, in the form that the table takes."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import peewee

from smalls.checknames import name_of
from smalls.compilers.base import CheckName
from smalls.errors import MigrationFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.compilers.base import Statement

# the table cannot do it by that algorithm or under that lock, or not instantly any more; said before anything is
# done: https://dev.mysql.com/doc/mysql-errors/9.1/en/server-error-reference.html
_REFUSED_FORM = frozenset({1845, 1846, 4092})

# "is there already" and "is not there any more": https://mariadb.com/kb/en/mariadb-error-code-reference/
_DONE_CODES = frozenset({1050, 1051, 1060, 1061, 1068, 1091, 1146, 1176, 1826, 3821, 3822, 3940})
_DONE_BY_RENAME = 1054

_PLACE = re.compile(r"(`(?:[^`]|``)*`)|\{name\}")

Warn: TypeAlias = "Callable[[str, str], None]"
"""Told the statement that is sent instead of one that the server refused, and the server's reason."""


def say_nothing(_sql: str, _reason: str) -> None:
    """Tell nobody."""


def run_sql(database: Any, statement: Statement, warn: Warn = say_nothing) -> None:
    """Run one statement, with the name in it that only the server knows, where there is one.

    Where the server refuses its form for the table as it is, and nothing was done, the next best form is tried.

    Peewee hands an empty tuple to the driver where there are no parameters, and drivers of %s then look for
    their places all the same. Raises MigrationFailedError where there is nothing of the kind that is named.
    """
    forms = (statement.sql, *statement.otherwise)
    if statement.named_by:
        name = _found(database, statement.named_by)
        if name is None and statement.optional:
            return
        if name is None:
            raise MigrationFailedError("The database has nothing of that kind any more.", statement=statement.sql)
        forms = tuple(_named(form, name) for form in forms)
    for form, other in itertools.zip_longest(forms, forms[1:]):
        try:
            database.execute_sql(form if statement.params else _escaped(database, form), statement.params)
        except peewee.DatabaseError as error:
            if other is None or error.args[0] not in _REFUSED_FORM:
                raise
            warn(other, str(error.args[-1]))
        else:
            return


def _named(form: str, name: str) -> str:
    """Return the form with the name in its place, which is none within a quoted name: that may be called so."""
    return _PLACE.sub(lambda found: found[1] or name, form)


def run_doubtful(database: Any, statement: Statement, warn: Warn = say_nothing) -> None:
    """Run a statement that may have taken effect already, where the server commits each by itself.

    That it did is known by the query of the statement, or by the server's word that what it would make is there,
    or what it would take away is not.
    """
    if statement.found_by and _found(database, statement.found_by) is not None:
        return
    try:
        run_sql(database, statement, warn)
    except peewee.DatabaseError as error:
        if not (isinstance(database, peewee.MySQLDatabase) and _says_done(error, statement)):
            raise
    except MigrationFailedError:
        if not statement.named_by:
            raise


def _found(database: Any, lookup: str | CheckName) -> str | None:
    """Return what a query finds first, quoted as it finds it; None if that is nothing."""
    if isinstance(lookup, CheckName):
        return name_of(database, lookup)
    row = database.execute_sql(_escaped(database, lookup)).fetchone()
    return None if row is None else str(row[0])


def _says_done(error: BaseException, statement: Statement) -> bool:
    code = error.args[0] if error.args else None
    words = statement.sql.split(maxsplit=1)[:1]
    renames = code == _DONE_BY_RENAME and " RENAME COLUMN " in statement.sql
    return words in (["ALTER"], ["CREATE"], ["DROP"]) and (code in _DONE_CODES or renames)


def _escaped(database: Any, sql: str) -> str:
    return sql.replace("%", "%%") if database.param == "%s" else sql
