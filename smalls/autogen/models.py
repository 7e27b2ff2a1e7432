"""Peewee's models as a schema: what `create_tables` would make of them, whatever database they are bound to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peewee import Model, Node

from smalls.autoerrors import ModelError
from smalls.autogen.clauses import primary_key, read_constraint
from smalls.autogen.fields import column_of
from smalls.autogen.indexes import indexes_of
from smalls.autogen.rendering import Words
from smalls.schema import NO_OPTIONS, Column, Constraint, Options, Schema, Table

if TYPE_CHECKING:
    from collections.abc import Iterable


def schema_of(models: Iterable[type[Model]]) -> Schema:
    """Return the schema of `models` and of the tables between them that many-to-many fields make.

    Connects to nothing. A foreign key that was deferred has no constraint, because `create_tables` makes
    none. Raises `ModelError` for what cannot be known, and for two models of one table that differ.
    """
    words: dict[int, Words] = {}
    tables: dict[Any, Table] = {}
    for model in with_through(models):
        database = model._meta.database
        if id(database) not in words:
            words[id(database)] = Words(database)
        table = table_of(model, words[id(database)])
        known = tables.setdefault(table.key, table)
        if known is not table and known != table:
            raise ModelError(
                f"Two models have the table {table.key} and differ: {known.python['model']}, {model.__name__}.",
                hint="Register one of them; or give them tables of their own (Meta.table_name).",
            )
    return Schema(tables.values())


def with_through(models: Iterable[type[Model]]) -> list[type[Model]]:
    """Return `models`, each once, with the models that Peewee itself made for their many-to-many fields."""
    found: dict[type[Model], None] = {}
    for model in models:
        if not is_model(model):
            raise ModelError(f"{model!r} is not a Peewee model.", hint="Register classes, not their instances.")
        found[model] = None
        for field in model._meta.manytomany.values():
            through = field.through_model
            if through.__module__ == "peewee" and not field._is_backref:
                found[through] = None
    return list(found)


def table_of(model: type[Model], words: Words) -> Table:
    """Return the table of one model."""
    meta = model._meta
    virtual = getattr(meta, "extension_module", None)
    fields = [field for field in meta.sorted_fields if not (virtual and _implicit(field))]
    columns: list[Column] = []
    constraints: list[Constraint] = []
    for field in fields:
        column, brought = column_of(field, words)
        columns.append(column)
        constraints += brought
    own, key = _constraints(model, words)
    return Table(
        meta.table_name,
        columns,
        primary_key=() if virtual else (_primary_key(meta) or key),
        indexes=indexes_of(model, words) if not virtual else (),
        constraints=dict.fromkeys([*constraints, *own]) if not virtual else (),  # what is said twice is one
        options=_options(model, words),
        schema=meta.schema or "",
        python=_python(model),
    )


def is_model(value: object) -> bool:
    """Tell whether `value` is a model class."""
    return isinstance(value, type) and issubclass(value, Model)


def _implicit(field: Any) -> bool:
    """Whether a column of a virtual table is there without being declared."""
    return field._hidden or hasattr(field, "required_name")


def _primary_key(meta: Any) -> tuple[str, ...]:
    return tuple(field.column_name for field in meta.get_primary_keys())


def _constraints(model: Any, words: Words) -> tuple[list[Constraint], tuple[str, ...]]:
    """Return what Meta.constraints says, and the primary key if that is said there."""
    found: list[Constraint] = []
    key: tuple[str, ...] = ()
    where = f"{model.__name__}.Meta.constraints"
    for node in model._meta.constraints or ():
        text = words.text(node, where)
        constraint = read_constraint(text)
        if constraint is not None:
            found.append(constraint)
        elif primary_key(text):
            key = primary_key(text)
        else:
            raise ModelError(
                f"{where}: {text!r} is neither a CHECK, nor a UNIQUE, nor a FOREIGN KEY that smalls can compare.",
                hint="Make it by run_sql in a migration, and leave it out of the model.",
            )
    return found, key


def _options(model: Any, words: Words) -> Options:
    meta = model._meta
    settings = meta.table_settings or ()
    module = getattr(meta, "extension_module", None)
    options = dict(meta.options or {})
    if module:
        if getattr(meta, "prefix_arguments", None):
            raise ModelError(
                f"{model.__name__}.Meta.prefix_arguments: smalls has no place for them in a state.",
                hint="Make this virtual table by run_sql in a migration, and do not register the model.",
            )
        options = model.clean_options(options)
        settings = getattr(meta, "arguments", None) or ()
        module = words.text(module, model.__name__) if isinstance(module, Node) else str(module)
    found = Options(
        without_rowid=bool(meta.without_rowid),
        strict=bool(meta.strict_tables),
        temporary=bool(meta.temporary),
        module=module or "",
        settings=(settings,) if isinstance(settings, str) else tuple(settings),
        extra={name: _option(value, model, words) for name, value in options.items()},  # type: ignore[arg-type]  # made Attrs there
    )
    return NO_OPTIONS if found == NO_OPTIONS else found


def _option(value: Any, model: Any, words: Words) -> str:
    if is_model(value):
        value = value._meta.table
    return words.text(value, f"{model.__name__}.Meta.options") if isinstance(value, Node) else str(value)


def _python(model: Any) -> dict[str, Any]:
    """Return what a database does not see of a model."""
    meta = model._meta
    found: dict[str, Any] = {"model": model.__name__}
    if not meta.legacy_table_names:
        found["legacy_table_names"] = False
    if meta.only_save_dirty:
        found["only_save_dirty"] = True
    if meta.depends_on:
        found["depends_on"] = [getattr(other, "__name__", str(other)) for other in meta.depends_on]
    if meta.manytomany:
        found["many_to_many"] = {
            name: field.through_model._meta.table_name
            for name, field in sorted(meta.manytomany.items())
            if not field._is_backref
        }
    return {name: held for name, held in found.items() if held != {}}
