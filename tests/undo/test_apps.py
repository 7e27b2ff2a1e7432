"""Several apps: what was put on top goes first, also of an app that the older image does not know."""

from pathlib import Path

import pytest

from tests.databases import Database
from tests.running import Project
from tests.undo.images import FILE, digest_of, env

POST = 'manager.add_table("post", [Column("id", types.auto())], primary_key="id")'
TAG = 'manager.add_table("tag", [Column("id", types.auto())], primary_key="id")'
ITEM = (
    'manager.add_table("item", [Column("id", types.auto()), Column("post_id", types.integer())], primary_key="id", '
    'constraints=[ForeignKey("post_id", "post", "id")])'
)
APP = """\
from smalls.apps import AppConfig

APP_CONFIG = AppConfig(
    app_name="{name}", migrations_folder_path="{name}/migrations", table_classes=[], migration_dependencies={needs}
)
"""


def image(folder: Path, apps: dict[str, tuple[list[str], dict[str, str]]]) -> Project:
    """Make a project of apps, each given as those that it needs and its files."""
    project = Project(folder)
    for name, (needs, files) in apps.items():
        project.write(f"{name}/__init__.py", "")
        project.write(
            f"{name}/smalls_app.py", APP.format(name=name, needs=[f"{need}.smalls_app" for need in needs])
        )
        for stem, body in files.items():
            project.write(f"{name}/migrations/{stem}.py", FILE.format(body=body))
    paths = [f"{name}.smalls_app" for name in apps]
    project.write(
        "smalls_conf.py", f"from smalls.apps import AppRegistry\n\nAPP_REGISTRY = AppRegistry(apps={paths})\n"
    )
    return project


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_an_app_that_came_with_the_newer_image_goes(tmp_path: Path, database: Database) -> None:
    """It depends on an app that stays; what that one got on top goes after it."""
    v1 = image(tmp_path / "v1", {"blog": ([], {"0001_post": POST})})
    v2 = image(
        tmp_path / "v2",
        {"blog": ([], {"0001_post": POST, "0002_tag": TAG}), "shop": (["blog"], {"0001_item": ITEM})},
    )
    one, two = env(database, "1.0"), env(database, "2.0")
    assert v1.run("migrate", env=one).code == 0
    assert v2.run("migrate", env=two).code == 0
    assert v1.run("migrate", env=one).code == 0  # all of it only adds
    for arguments in (("--to-image",), ("--to", "1", "--app", "blog")):
        asked = v1.run("undo", *arguments, env=one)
        assert asked.code == 13
        assert asked.stdout.index("shop.0001_item") < asked.stdout.index("blog.0002_tag")
        assert "blog.0001_post" not in asked.stdout
    done = v1.run("undo", *arguments, "--plan-digest", digest_of(asked.stdout), env=one)
    assert done.code == 0, done.stderr
    assert [each["migration"] for each in done.named("migration.undone")] == ["shop.0001_item", "blog.0002_tag"]
    assert database.query("SELECT name FROM migration_history") == [("blog.0001_post",)]
    assert v2.run("migrate", env=two).code == 0
