"""The walk-through of the first page on auto migrations: an app `blog`, its first migration, a change."""

import json

import pytest

from tests.databases import Database
from tests.running import Project

MODELS = """\
from peewee import CharField, ForeignKeyField, Model, TextField

from smalls_conf import DB


class BaseModel(Model):
    class Meta:
        database = DB


class Author(BaseModel):
    name = CharField()


class Post(BaseModel):
    title = CharField(max_length=100)
    author = ForeignKeyField(Author, backref="posts", on_delete="CASCADE")


class Category(BaseModel):
    name = CharField(unique=True)


class CategoryToPost(BaseModel):
    category = ForeignKeyField(Category)
    post = ForeignKeyField(Post)
"""
TABLES = ["author", "category", "categorytopost", "post"]
OURS = ["migration_history", "smalls_journal"]


def register(project: Project, app: str, *names: str) -> None:
    """Register models in an app's config, as its author would."""
    path = project.path / app / "smalls_app.py"
    text = path.read_text()
    imports = next(line for line in text.splitlines() if line.startswith("from .models"))
    listed = ", ".join(names)
    text = text.replace(imports, f"from .models import {listed}").replace(
        "table_classes=[]", f"table_classes=[{listed}]"
    )
    path.write_text(text)


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_the_walk_through(project: Project, database: Database):
    """From nothing to a change and back, with the rows kept."""
    env = database.env

    made = project.run("app", "new", "blog", env=env)
    assert made.code == 0, made.stderr
    project.write("blog/models.py", MODELS)
    register(project, "blog", "Author", "Post", "Category", "CategoryToPost")

    checked = project.run("check", env=env)
    assert checked.code == 16
    (error,) = [event["error"] for event in checked.named("run.failed")]
    assert sorted(error["operations"]) == [f"blog: add table {name}" for name in TABLES]

    created = project.run("create", "first", "--auto", "--app", "blog", env=env)
    assert created.code == 0, created.stderr
    assert created.stdout.strip() == "blog/migrations/0001_first.py"
    assert project.run("check", env=env).code == 0
    assert database.tables() == []  # nothing of this needed a database

    assert project.run("migrate", env=env).code == 0
    assert database.tables() == sorted(TABLES + OURS)
    database.execute("INSERT INTO author (name) VALUES ('Ann')")
    database.execute("INSERT INTO post (title, author_id) VALUES ('Hello', 1)")
    before = database.dump(without=tuple(OURS))

    text = MODELS.replace(
        "    title = CharField(max_length=100)\n", "    title = TextField()\n    slug = CharField(null=True)\n"
    )
    project.write("blog/models.py", text.replace("name = CharField()", "name = CharField(index=True)", 1))
    created = project.run("create", "slugs and long titles", "--auto", env=env)
    assert [event["message"] for event in created.named("models.changed")] == [
        "add column post.slug",
        "alter column post.title",
        "add index author_name on author",
    ]
    planned = project.run("migrate", "--plan", env=env)
    (plan,) = json.loads(planned.stdout)["plan"]
    assert (plan["migration"], plan["previewable"], plan["destructive"]) == (
        "blog.0002_slugs_and_long_titles",
        True,
        False,
    )
    assert "author_name" in planned.stdout
    assert project.run("migrate", "--app", "blog", env=env).code == 0
    assert database.query("SELECT title, slug FROM post") == [("Hello", None)]

    assert project.run("create", "nothing", "--auto", env=env).stdout == ""
    status = json.loads(project.run("status", "--app", "blog", "--json", env=env).stdout)
    assert [line["name"] for line in status["migrations"]] == ["blog.0001_first", "blog.0002_slugs_and_long_titles"]

    assert project.run("rollback", "1", "--app", "blog", "--yes", env=env).code == 0
    assert database.dump(without=tuple(OURS)) == before
    assert project.run("migrate", env=env).code == 0
    assert project.run("rollback", "zero", "--yes", env=env).code == 0
    assert database.tables() == OURS
