"""The models of a project without apps: those of its model module, or of the package that this is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peewee import Model, Proxy

from smalls.autoerrors import ModelError
from smalls.project import import_module, import_object, put_project_on_path

if TYPE_CHECKING:
    from smalls.settings import Settings

_BASES = ("Base", "Abstract")
_BASE_ENDS = ("Base", "Mixin", "Abstract", "BaseModel")


def project_models(settings: Settings) -> list[type[Model]]:
    """Return the model classes that are defined in the model module or its package and bound to its database.

    Not those that only others are made of: see `is_abstract`. Raises ModelImportError, and ModelError where no
    model is there.
    """
    put_project_on_path()
    name = settings.model or ""
    module = import_module(name) or import_module(name.rpartition(".")[0])
    database = _bare(import_object(name, settings.object))
    package = module.__package__ or module.__name__
    found = [
        model
        for model in _subclasses(Model)
        if _within(model.__module__, package or module.__name__)
        and _bare(vars(model)["_meta"].database) is database
        and not is_abstract(model)
    ]
    if not found:
        raise ModelError(
            f"The module {module.__name__!r} has no models that are bound to its {settings.object!r}.",
            hint="Import the modules of your models there, and set `database` in their Meta.",
        )
    return found


def is_abstract(model: type[Model]) -> bool:
    """Tell whether a model is only there for others to inherit from, and is no table.

    Peewee has no word for it. It is one if others inherit from it, none refers to it, and it says
    `abstract = True` in its Meta, or declares no field, or is named Base…, Abstract…, …Base or …Mixin.
    """
    meta = vars(model)["_meta"]
    if not model.__subclasses__() or meta.backrefs:
        return False
    own = [field for field in meta.sorted_fields if not field.auto_increment]
    named = model.__name__.startswith(_BASES) or model.__name__.endswith(_BASE_ENDS)
    return bool(getattr(meta, "abstract", False)) or not own or named


def _bare(database: Any) -> Any:
    """Return the database behind a proxy, or the proxy itself while it has none."""
    while isinstance(database, Proxy) and database.obj is not None:
        database = database.obj
    return database


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _subclasses(base: type[Any]) -> list[Any]:
    """Return all subclasses, each once, in the order of their definition as far as classes know it."""
    found: dict[Any, None] = {}
    waiting = list(base.__subclasses__())
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found[model] = None
            waiting += model.__subclasses__()
    return list(found)
