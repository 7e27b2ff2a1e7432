"""Peewee models as of a migration, made from the state: what a data migration works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import peewee
from playhouse import postgres_ext

from smalls.schema import types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.schema import Column, ForeignKey, Schema, Table, TableKey, Type

_FIELDS = {
    "auto": peewee.AutoField,
    "bigauto": peewee.BigAutoField,
    "smallint": peewee.SmallIntegerField,
    "integer": peewee.IntegerField,
    "bigint": peewee.BigIntegerField,
    "boolean": peewee.BooleanField,
    "real": peewee.FloatField,
    "double": peewee.DoubleField,
    "char": peewee.FixedCharField,
    "varchar": peewee.CharField,
    "text": peewee.TextField,
    "blob": peewee.BlobField,
    "uuid": peewee.UUIDField,
    "binary_uuid": peewee.BinaryUUIDField,
    "date": peewee.DateField,
    "time": peewee.TimeField,
    "datetime": peewee.DateTimeField,
    "timestamptz": postgres_ext.DateTimeTZField,
    "interval": postgres_ext.IntervalField,
    "json": peewee.JSONField,
    "jsonb": postgres_ext.BinaryJSONField,
    "hstore": postgres_ext.HStoreField,
    "tsvector": postgres_ext.TSVectorField,
}
# what is kept in a plain column and is something else in Python; their constructors need nothing
_BY_NAME = {"TimestampField": peewee.TimestampField, "IPField": peewee.IPField, "BitField": peewee.BitField}


class Models:
    """The models of one schema: `models.Post` by a model's name, `models["post"]` by a table's."""

    def __init__(self, schema: Schema, database: Any) -> None:
        self._by_table: dict[str, Any] = {}
        self._by_name: dict[str, Any] = {}
        keys = _column_references(schema)
        for key, table in schema.tables.items():
            model = _model(table, database, keys)
            self._by_table[str(key)] = model
            self._by_name.setdefault(model.__name__, model)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._by_name[name]
        except KeyError:
            raise AttributeError(
                f"there is no model {name} as of this migration: {sorted(self._by_name)}"
            ) from None

    def __getitem__(self, table: str) -> Any:
        return self._by_table[table]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._by_table.values())


def _column_references(schema: Schema) -> dict[tuple[TableKey, str], ForeignKey]:
    keys = [(table.key, fk) for table in schema.tables.values() for fk in table.foreign_keys]
    return {(key, fk.columns[0]): fk for key, fk in keys if len(fk.columns) == 1}


def _model(table: Table, database: Any, keys: dict[tuple[TableKey, str], ForeignKey]) -> Any:
    """Make one model. What refers to another table is a plain column: `post.author_id` reads and writes the key."""
    fields: dict[str, Any] = {}
    single = table.primary_key if len(table.primary_key) == 1 else ()
    for column in table.columns:
        linked = (table.key, column.name) in keys
        attribute = column.name if linked else column.python.get("attribute", column.name)
        fields[attribute] = _field(column, primary_key=column.name in single)
    named = {field.column_name: attribute for attribute, field in fields.items()}
    composite = peewee.CompositeKey(*(named[name] for name in table.primary_key)) if table.primary_key else False
    meta: dict[str, Any] = {"database": database, "table_name": table.name, "schema": table.schema or None}
    if not single:
        meta["primary_key"] = composite
    name = table.python.get("model") or table.name
    return type(name, (peewee.Model,), {**fields, "Meta": type("Meta", (), meta)})


def _field(column: Column, *, primary_key: bool) -> Any:
    options: dict[str, Any] = {"column_name": column.name, "null": column.null}
    if primary_key:
        options["primary_key"] = True
    default = column.python.get("default")
    if isinstance(default, (bool, int, float, str, bytes)):
        options["default"] = default
    return _plain_field(column.type, column.python.get("field", ""), options)


def _plain_field(type_: Type, name: str, options: dict[str, Any]) -> Any:
    if type_.automatic and not options.get("primary_key"):
        return peewee.BigIntegerField(**options)
    if name in _BY_NAME:
        return _BY_NAME[name](**options)
    if type_.kind == "array":
        item = type(_plain_field(types.item_of(type_), "", {}))
        return postgres_ext.ArrayField(item, dimensions=type_.get("dimensions", 1), index=False, **options)
    if type_.kind == "decimal":
        return peewee.DecimalField(type_.params["precision"], type_.params["scale"], **options)
    if type_.kind in ("char", "varchar") and type_.get("length"):
        options["max_length"] = type_.params["length"]
    return _FIELDS.get(type_.kind, peewee.BareField)(**options)
