"""The log's form for GitHub Actions, read back by the rules of the runner."""

import re
import sys

import pytest

from smalls.workflow import Workflow
from tests.running import Project

COMMAND = re.compile(r"\s*::([\w-]+)(?: ([^:]*))?::(.*)", re.DOTALL)
DATA = {"%0A": "\n", "%0D": "\r", "%25": "%"}
PROPERTY = {**DATA, "%3A": ":", "%2C": ","}
GITHUB = {"SMALLS_LOG_FORMAT": "github"}


def commands(text):
    """Read a step's output as the runner does: each command with its properties and its message."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        assert "##[" not in line
        if line.lstrip().startswith("::"):
            name, properties, message = COMMAND.fullmatch(line).groups()
            pairs = (each.split("=", 1) for each in (properties or "").split(",") if each)
            read = {key: unescaped(value, PROPERTY) for key, value in pairs}
            found.append((name, read, unescaped(message, DATA)))
    return found


def unescaped(text, table):
    return re.sub("%(0A|0D|25|3A|2C)", lambda code: table.get(code[0], code[0]), text)


def named(result, name):
    return [(properties, message) for each, properties, message in commands(result.stderr) if each == name]


def test_a_run_that_fails(project, database):
    """Each migration is a group that is closed; the one that fails is annotated at its own file and line."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INTEGER)')", "db.execute_sql('DROP TABLE t')")
    path = project.migration("0002_b", "x = 1\ndb.execute_sql(\"SELECT '100%,a:b' FROM nope\")")
    result = project.run("migrate", env={**database.env, **GITHUB})
    assert result.code in {6, 7}, result.stderr
    assert result.stdout == ""
    assert [name for name, _, _ in commands(result.stderr)] == [
        *("group", "endgroup", "group", "endgroup", "error"),
    ]
    assert [message for _, message in named(result, "group")] == [
        "Running Migration: migrations/0001_a.py",
        "Running Migration: migrations/0002_b.py",
    ]
    [(where, message)] = named(result, "error")
    line = path.read_text().splitlines().index("    db.execute_sql(\"SELECT '100%,a:b' FROM nope\")") + 1
    assert where == {"file": "migrations/0002_b.py", "line": str(line), "title": "SML-MIGRATION-FAILED"}
    assert message.startswith("0002_b failed: ")
    assert "\nstatement: SELECT '100%,a:b' FROM nope\n" in message
    assert "\nWhat to do: " in message
    back = project.run("rollback", "0", "--yes", env={**database.env, **GITHUB})
    assert [message for _, message in named(back, "group")] == ["Rolling back: migrations/0001_a.py"]
    assert named(back, "error") == []


def test_a_file_that_cannot_be_loaded(project):
    """A syntax error is annotated where it is."""
    project.write("migrations/0001_a.py", "def migrate():\n    x = = 1\n")
    result = project.run("--log-format", "github", "migrate")
    assert result.code == 3
    [(where, _)] = named(result, "error")
    assert (where["file"], where["line"]) == ("migrations/0001_a.py", "2")


def test_files_are_named_as_in_the_repository(tmp_path):
    """Below GITHUB_WORKSPACE paths are relative to it; elsewhere to the current folder, as in a container."""
    project = Project(tmp_path / "repository" / "back, end")
    project.migration("0001_a", "raise ValueError('no')")
    workspace = project.run("migrate", env={**GITHUB, "GITHUB_WORKSPACE": str(tmp_path / "repository")})
    assert named(workspace, "error")[0][0]["file"] == "back, end/migrations/0001_a.py"
    elsewhere = project.run("migrate", env={**GITHUB, "GITHUB_WORKSPACE": "/github/workspace"})
    assert named(elsewhere, "error")[0][0]["file"] == "migrations/0001_a.py"


def test_warnings(project):
    """Warnings are annotations; an answer (10) is no error."""
    project.migration("0001_a")
    project.write("migrations/3_c.py", "")
    result = project.run("status", "--exit-code", env={**GITHUB, "SMALLS_END": "x"})
    assert result.code == 10
    first, second = named(result, "warning")
    assert first == (
        {"title": "config.warned"},
        "Unknown environment variable SMALLS_END: did you mean SMALLS_ENV?",
    )
    assert second[0] == {"title": "migration.warned", "file": "migrations/3_c.py"}
    assert named(result, "error") == []
    assert "SML-PENDING: 1 pending." in result.stderr


def test_what_others_print_is_no_command(project):
    """Output that looks like a workflow command is shown, not obeyed, wherever its lines break."""
    project.migration("0001_a", r"print('::error::a\n  ::set-env name=x::b\r::endgroup::\n##[error]c')")
    result = project.run("migrate", env=GITHUB)
    assert result.code == 0, result.stderr
    assert [name for name, _, _ in commands(result.stderr)] == ["group", "endgroup"]
    assert "set-env name=x::b" in result.stderr


@pytest.mark.parametrize("text", ["a%0Ab", "a\r\nb", "::x::", "a:b,c=d%", "%25"])
def test_escapes(text, capsys):
    """Any text comes through a message and a property as it was."""
    shown = Workflow(sys.stdout, ("/nowhere",))
    shown.show("migration.warned", "warning", text, {"path": text})
    assert commands(capsys.readouterr().out) == [("warning", {"title": "migration.warned", "file": text}, text)]


def test_no_secret(project):
    """An annotation has no password either."""
    result = project.run(
        "migrate",
        env={
            **GITHUB,
            "SMALLS_DATABASE_URL": "postgresql://u:sesame1@127.0.0.1:1/n",
            "SMALLS_WAIT_TIMEOUT": "0",
        },
    )
    assert result.code == 4
    assert named(result, "error")
    assert "sesame1" not in result.stderr
