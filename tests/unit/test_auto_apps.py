"""Apps: their names, their order, and who depends on whom."""

from __future__ import annotations

import pytest

from smalls.apps import AppConfig, Apps
from smalls.autoerrors import AppCycleError, AppError
from smalls.model import Revision


def apps(**needs: list[str]) -> Apps:
    return Apps({name: AppConfig(name, "migrations", migration_dependencies=needs[name]) for name in needs})


def test_an_app_runs_after_those_that_it_depends_on():
    """Near and far; else in the order of the registry."""
    found = apps(shop=["blog"], blog=["users"], wiki=[], users=[])
    assert found.names == ("users", "blog", "shop", "wiki")
    assert found.needed_by("shop") == {"users", "blog", "shop"}
    assert found.dependents_of("users") == ("blog", "shop")
    assert found.dependents_of("wiki") == ()
    ranked = sorted([Revision("shop", 1, "1"), Revision("users", 2, "2"), Revision("", 9, "9")], key=found.rank)
    assert [revision.app for revision in ranked] == ["", "users", "shop"]


def test_a_cycle_is_shown():
    """And nothing else of the chain that leads to it."""
    with pytest.raises(AppCycleError, match=r": b → c → b\.$"):
        apps(a=["b"], b=["c"], c=["b"])
    with pytest.raises(AppCycleError, match="a → a"):
        apps(a=["a"])


def test_a_chain_of_two_thousand_apps_does_not_recurse():
    """However deep."""
    deep = apps(**{f"a{n}": [f"a{n + 1}"] if n < 2000 else [] for n in range(2001)})
    assert deep.names[0] == "a2000"


def test_a_dependency_that_nobody_registered():
    """Is named, with who needs it."""
    with pytest.raises(AppError, match=r"'shop' .* depends on 'blog'"):
        apps(shop=["blog"])


@pytest.mark.parametrize("name", ["", "1st", "a.b", "a b", "../x"])
def test_names_that_no_history_could_hold(name: str):
    """Keys of the history are `app.stem`."""
    with pytest.raises(AppError, match="cannot be the name"):
        AppConfig(name, "migrations")


def test_two_apps_of_one_name():
    """Could not be told apart in the history."""
    with pytest.raises(AppError, match="More than one app is named blog"):
        Apps({"a": AppConfig("blog", "m"), "b": AppConfig("blog", "n")})


def test_an_app_that_there_is_not():
    """With those that there are."""
    with pytest.raises(AppError, match="no app 'x'; there is: blog"):
        apps(blog=[]).get("x")
