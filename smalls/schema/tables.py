"""Tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from smalls.attrs import NO_ATTRS, Attrs, attrs
from smalls.autoerrors import StateError
from smalls.codec import plain
from smalls.schema.constraints import Constraint, ForeignKey, Unique, columns_of
from smalls.schema.names import TableKey, names, renamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from smalls.schema.columns import Column
    from smalls.schema.indexes import Index

Item = TypeVar("Item")


@plain("options")
@dataclass(frozen=True, slots=True)
class Options:
    """How a table is kept.

    STRICT, WITHOUT ROWID and the `module` of a virtual table are SQLite's; `settings` stand verbatim behind
    the columns (Meta.table_settings), `extra` pairs of name and value among them (Meta.options).
    """

    without_rowid: bool = False
    strict: bool = False
    temporary: bool = False
    module: str = ""
    settings: tuple[str, ...] = ()
    extra: Attrs = NO_ATTRS

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", names(self.settings))
        object.__setattr__(self, "extra", attrs(self.extra))


NO_OPTIONS = Options()


@plain("table")
@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table: columns, primary key (names in order, () for none), indexes, constraints, options, comment.

    Equality means the same table to a database: the order of columns, of indexes and of constraints does not
    count (no engine can reorder columns, and none promises to), and neither does `python`, which holds what
    only Python knows (`model`, its class's name, which hints and questions use, …). To compare everything,
    compare what `Schema.to_dict` returns.
    """

    name: str
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    options: Options = NO_OPTIONS
    comment: str = ""
    schema: str = ""
    python: Attrs = field(default=NO_ATTRS)

    def __init__(
        self,
        name: str,
        columns: Iterable[Column] = (),
        *,
        primary_key: str | Iterable[str] = (),
        indexes: Iterable[Index] = (),
        constraints: Iterable[Constraint] = (),
        options: Options = NO_OPTIONS,
        comment: str = "",
        schema: str = "",
        python: Mapping[str, Any] = NO_ATTRS,
    ) -> None:
        put = object.__setattr__
        put(self, "name", name)
        put(self, "columns", tuple(columns))
        put(self, "primary_key", names(primary_key))
        put(self, "indexes", tuple(indexes))
        put(self, "constraints", tuple(constraints))
        put(self, "options", options)
        put(self, "comment", comment)
        put(self, "schema", schema)
        put(self, "python", attrs(python))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self._head() == other._head() and all(
            mine == theirs or set(mine) == set(theirs)
            for mine, theirs in zip(self._sets(), other._sets(), strict=True)
        )

    def __hash__(self) -> int:
        return hash((self._head(), *map(frozenset, self._sets())))

    def _head(self) -> tuple[Any, ...]:
        return self.key, self.primary_key, self.options, self.comment

    def _sets(self) -> tuple[tuple[Any, ...], ...]:
        return self.columns, self.indexes, self.constraints

    @property
    def key(self) -> TableKey:
        """The table's key in a `Schema`."""
        return TableKey(self.schema, self.name)

    @property
    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        """The constraints that are foreign keys."""
        return tuple(item for item in self.constraints if isinstance(item, ForeignKey))

    @property
    def keys_on_indexes(self) -> tuple[ForeignKey, ...]:
        """The foreign keys to the table itself that lean on one of its indexes, which is made after the table."""
        held = {self.primary_key, *(item.columns for item in self.constraints if isinstance(item, Unique))}
        held |= {(column.name,) for column in self.columns if "UNIQUE" in " ".join(column.extra).upper()}
        own = [fk for fk in self.foreign_keys if fk.ref_table == self.key and fk.ref_columns not in held]
        return tuple(fk for fk in own if any(index.columns == fk.ref_columns for index in self.indexes))

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def find(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def column(self, name: str) -> Column:
        """Return the column of that name; raises `StateError` when there is none."""
        return self._known(self.find(name), f"column {name!r}")

    def index(self, name: str) -> Index:
        """Return the index of that name; raises `StateError` when there is none."""
        return self._known(next((i for i in self.indexes if i.name == name), None), f"index {name!r}")

    def _known(self, found: Item | None, what: str) -> Item:
        if found is None:
            raise StateError(f"table {self.key} has no {what}")
        return found

    def with_(self, **changes: Any) -> Table:
        """Return the table with some fields changed."""
        return replace(self, **changes)

    def swap(self, attribute: str, old: Any, new: Any) -> Table:
        """Replace one member of `columns`, `indexes` or `constraints`, in its place: None adds or removes.

        Raises `StateError` when `old` is not there as it is given.
        """
        members = list(getattr(self, attribute))
        if old is None:
            return self.with_(**{attribute: [*members, new]})
        if old not in members:
            raise StateError(self._missing(attribute, members, old))
        at = members.index(old)
        members[at : at + 1] = [] if new is None else [new]
        return self.with_(**{attribute: members})

    def _missing(self, attribute: str, members: Iterable[Any], old: Any) -> str:
        named = getattr(old, "name", "")
        there = [item for item in members if named and getattr(item, "name", "") == named]
        found = f"the migrations before make it {there[0]!r}" if there else "there is none such"
        return f"table {self.key}, {attribute}: expected {old!r}; {found}"

    def rename_columns(self, mapping: Mapping[str, str]) -> Table:
        """Return the table with columns renamed wherever they are named, SQL of checks and the like included.

        An index that was given as a whole statement keeps its text.
        """
        return self.with_(
            columns=[column.rename(mapping) for column in self.columns],
            primary_key=[renamed(name, mapping) for name in self.primary_key],
            indexes=[index.rename_columns(mapping) for index in self.indexes],
            constraints=[constraint.rename_columns(mapping) for constraint in self.constraints],
        )

    def map_foreign_keys(self, change: Callable[[ForeignKey], ForeignKey]) -> Table:
        """Return the table with each foreign key as `change` makes it; itself if none changes."""
        changed = tuple(change(c) if isinstance(c, ForeignKey) else c for c in self.constraints)
        return self if changed == self.constraints else self.with_(constraints=changed)

    def users_of(self, name: str) -> tuple[str, ...]:
        """Return what in the table names the column `name`, for a person to read; empty if it may go."""
        users = ["the primary key"] if name in self.primary_key else []
        users += [f"index {index.name!r}" for index in self.indexes if name in index.columns]
        users += [f"constraint {item!r}" for item in self.constraints if name in columns_of(item)]
        return tuple(users)

    def unknown_columns(self) -> tuple[str, ...]:
        """Return the names that keys, indexes and constraints use and no column has, sorted."""
        used = {*self.primary_key}
        used.update(*(index.columns for index in self.indexes), *map(columns_of, self.constraints))
        return tuple(sorted(used - set(self.column_names)))
