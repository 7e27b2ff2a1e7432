"""What each engine is refused, and why: one table, which compilers raise from and docs print."""

from __future__ import annotations

from typing import NamedTuple

from smalls.autoerrors import UnsupportedError

SQLITE, POSTGRES, MYSQL, MARIADB = "SQLite", "PostgreSQL", "MySQL", "MariaDB"
BOTH = (MYSQL, MARIADB)
ALL = (SQLITE, *BOTH)


class Refusal(NamedTuple):
    """`what` is refused on `engines`, for the `reason`."""

    engines: tuple[str, ...]
    what: str
    reason: str


REFUSED: dict[str, Refusal] = {
    "move-table": Refusal((SQLITE,), "moving a table to another schema", "its schemas are separate files"),
    "type": Refusal(
        BOTH,
        "a type of PostgreSQL's (jsonb, timestamptz, interval, hstore, tsvector, array)",
        "it has no such type",
    ),
    "identity": Refusal(ALL, "an identity column", "it has none; AutoField is numbered by every engine"),
    "sequence": Refusal(ALL, "a column's own sequence", "Peewee makes sequences on PostgreSQL only"),
    "method": Refusal(ALL, "an index method that it does not know", "CREATE INDEX does not take the word there"),
    "nulls": Refusal(ALL, "NULLS NOT DISTINCT", "NULLs are always distinct in its unique indexes"),
    "deferrable-unique": Refusal(ALL, "a deferrable unique constraint", "uniqueness is checked row by row"),
    "deferrable-key": Refusal(BOTH, "a deferrable foreign key", "InnoDB checks keys row by row"),
    "virtual": Refusal((SQLITE,), "altering a virtual table", "its module allows no change; drop and add it"),
    "strict": Refusal(
        (SQLITE,), "this type in a STRICT table", "only INT, INTEGER, REAL, TEXT, BLOB and ANY may be there"
    ),
    "rename-raw-index": Refusal(
        (SQLITE,), "renaming an index that was given as a statement", "the statement holds its name"
    ),
    "unindexed": Refusal((*BOTH, POSTGRES), "UNINDEXED", "it is a word of SQLite's full-text tables"),
    "options": Refusal((*BOTH, POSTGRES), "STRICT, WITHOUT ROWID, virtual tables", "these are SQLite's"),
    "unset-option": Refusal(
        BOTH, "taking a table setting away", "the server's default for it is not known; set it to another value"
    ),
    "temporary": Refusal(ALL, "making a table temporary, or lasting", "it would have to be another table"),
    "partial-index": Refusal(BOTH, "a partial index (WHERE)", "its indexes hold every row"),
    "expression-index": Refusal(
        (MARIADB,), "an index over an expression", "it has none; index a generated column instead"
    ),
    "text-key": Refusal(
        (MYSQL,),
        "a key over TEXT, BLOB or JSON",
        'a key over it needs a length: use Sql("title(100)") as a part of an index, or a CharField',
    ),
    "long-name": Refusal(BOTH, "a name of more than 64 characters", "the server refuses it"),
    "key-conversion": Refusal(
        BOTH,
        "making values anew in a column of a key",
        "it would have to be NULL meanwhile; take the key off first",
    ),
    "virtual-column": Refusal(
        BOTH,
        "turning a virtual column into a stored one, or back, while an index or a key is on it",
        "the server can't, and making it anew would take the index along; drop the index first",
    ),
    "unsigned": Refusal(
        (POSTGRES,), "an unsigned integer", "it has none; a wider type with a Check holds the same"
    ),
    "conversion": Refusal(
        (POSTGRES,),
        "a change between types that have no obvious way into one another (bigint to datetime, date to integer)",
        "it has no cast; say by using= how a value is converted, and by reverse_using= for the way back",
    ),
    "virtual-generated": Refusal((POSTGRES,), "a virtual generated column", "it has them from version 18 on"),
    "column-words": Refusal(
        (POSTGRES,),
        "words in a column's definition, other than UNIQUE, that come or go",
        "ALTER TABLE does not take them; write a Check, a Unique or a ForeignKey, or use manager.run_sql(...)",
    ),
    "table-settings": Refusal(
        (POSTGRES,),
        "a change of how a table is kept, other than WITH (...)",
        "only storage parameters can be set and reset",
    ),
    "inner-options": Refusal(
        (POSTGRES,), "table options among the columns (Meta.options)", "CREATE TABLE does not take them there"
    ),
}
"""Every refusal, by its key."""


def refusal(key: str, engine: str, where: object) -> UnsupportedError:
    """Return the error for the refusal of that key, about `where` (a table, a column, an index)."""
    held = REFUSED[key]
    return UnsupportedError(f"{engine}, {where}: {held.what} is refused: {held.reason}.")
