"""`init` and `seed`: the project's own scripts, as children."""

import json
import sys
from pathlib import Path

import pytest

from tests.running import wait_until

some_engines = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
BOTH = [("init", "initdb.py"), ("seed", "seed.py")]


def error(result):
    return result.named("run.failed")[0]["error"]


def lines(result):
    return [event["message"] for event in result.named("script.output")]


@pytest.mark.parametrize(("command", "script"), BOTH)
def test_a_missing_script(project, command, script):
    """A script that is not there is 3 with its path, before anything is opened."""
    done = project.run(command)
    assert (done.code, error(done)["code"]) == (3, "SML-SCRIPT-MISSING")
    assert str(project.path / script) in error(done)["message"]
    assert not (project.path / "smalls.db").exists()


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("pass", 0, None),
        ("raise SystemExit(0)", 0, None),
        ("raise SystemExit(3)", 12, "exit code 3"),
        ("raise RuntimeError('x')", 12, "exit code 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 12, "SIGKILL"),
        ("def", 12, "exit code 1"),
    ],
)
def test_the_scripts_exit_code(project, body, code, words):
    """Any exit code but 0 is 12, and the reason is told."""
    project.write("seed.py", body + "\n")
    done = project.run("seed")
    assert done.code == code, done.stderr
    if words:
        assert words in error(done)["message"]


@pytest.mark.parametrize(("command", "script"), BOTH)
def test_consent_in_prod(project, command, script):
    """In PROD both need consent; without it nothing runs. In DEV they need none."""
    project.write(script, "open('ran', 'a').write('x')\n")
    prod = {"SMALLS_ENV": "PROD", "SMALLS_DATABASE_URL": "sqlite:///x.db"}
    refused = project.run(command, env=prod)
    assert (refused.code, error(refused)["code"]) == (13, "SML-CONSENT")
    assert not (project.path / "ran").exists()
    assert project.run(command, "--yes", env=prod).code == 0
    assert project.run(command, env={**prod, "SMALLS_YES": "1"}).code == 0
    assert project.run(command).code == 0
    assert (project.path / "ran").read_text() == "xxx"


def test_what_a_script_gets(project):
    """The same interpreter, the project's folder, the arguments' absence, and one database's URL only."""
    project.write(
        "seed.py",
        """\
        import json, os, sys
        names = ("SMALLS_DATABASE_URL", "DATABASE_URL")
        print(json.dumps([sys.executable, os.getcwd(), sys.argv[1:], [os.environ[n] for n in names]]))
        print(sorted(n for n in os.environ if n.startswith("SMALLS_DB_") or n.endswith("_URL_FILE")))
        """,
    )
    env = {
        "SMALLS_DB_ENGINE": "sqlite",
        "SMALLS_DB_NAME": "x.db",
        "SMALLS_DB_PASSWORD": "hunter2",
        "DATABASE_URL": "y",
    }
    done = project.run("seed", env=env)
    assert done.code == 0, done.stderr
    told, left = lines(done)
    interpreter, folder, arguments, urls = json.loads(told)
    assert Path(interpreter).samefile(sys.executable)
    assert (folder, arguments, set(urls)) == (str(project.path), [], {"sqlite:///x.db"})
    assert left == "[]"


def test_a_smalls_inside_a_script_reads_the_same_config_file(project):
    """A file named by --config names the folder and the schema for what the script starts, too."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t_a (n INTEGER)')")
    project.migrations.rename(project.path / "elsewhere")
    project.write("other.ini", "[smalls]\nmigrations = elsewhere\n")
    project.write(
        "initdb.py",
        """\
        import subprocess, sys
        raise SystemExit(subprocess.run([sys.executable, "-m", "smalls", "migrate"]).returncode)
        """,
    )
    done = project.run("--config", "other.ini", "init")
    assert done.code == 0, done.stderr
    status = json.loads(project.run("--config", "other.ini", "status", "--json").stdout)
    assert (status["applied"], status["pending"]) == (1, 0)


def test_output_is_passed_on_line_by_line(project):
    """Both streams become events as they are written, whole lines, whatever their bytes."""
    project.write(
        "seed.py",
        """\
        import sys, time
        print("one\\ntwo")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"bad \\xff byte\\r\\n")
        sys.stdout.buffer.write("no end 🎉".encode())
        """,
    )
    done = project.run("seed")
    streams = {event["message"]: event["stream"] for event in done.named("script.output")}
    assert streams == {
        "one": "stdout",
        "two": "stdout",
        "to stderr": "stderr",
        "bad \\xff byte": "stdout",
        "no end 🎉": "stdout",
    }
    assert done.stdout == ""
    assert [event["exit_code"] for event in done.named("script.finished")] == [0]
    assert done.events[-1]["event"] == "run.finished"


def test_output_arrives_while_the_script_runs(project, start):
    """A long script's lines are logged as it goes, not at its end."""
    project.write("seed.py", "import time\nprint('begun')\ntime.sleep(30)\n")
    running = start("seed", cwd=project.path)
    assert any("begun" in line for line in running.stderr)
    assert running.poll() is None
    running.terminate()
    running.communicate(timeout=10)
    assert running.returncode == 143


@some_engines
def test_smalls_inside_a_script_does_not_wait_for_its_parent(project, database):
    """`smalls migrate` inside initdb.py runs under the parent's lock, at once, and its tables are there."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t_a (n INTEGER)')")
    project.write(
        "initdb.py",
        """\
        import subprocess, sys
        raise SystemExit(subprocess.run([sys.executable, "-m", "smalls", "migrate"]).returncode)
        """,
    )
    done = project.run("init", env={**database.env, "SMALLS_LOCK_TIMEOUT": "5"}, timeout=30)
    assert done.code == 0, done.stderr
    assert "t_a" in database.tables()
    inner = [json.loads(line)["event"] for line in lines(done) if line.startswith("{")]
    assert "lock.inherited" in inner
    assert "lock.waiting" not in inner


def test_a_script_waits_for_another_run(project, start):
    """Without a token a second run waits for the lock that `seed` holds."""
    project.migration("0001_a")
    project.write("seed.py", "import time\nopen('begun', 'w').close()\ntime.sleep(30)\n")
    start("seed", cwd=project.path)
    wait_until((project.path / "begun").exists)
    done = project.run("migrate", env={"SMALLS_LOCK_TIMEOUT": "0.3"})
    assert done.code == 5


@some_engines
def test_init_before_there_is_anything(project, database):
    """`init` on an empty database runs the script with a URL that works."""
    project.write(
        "initdb.py",
        """\
        import os
        from playhouse.db_url import connect
        db = connect(os.environ["DATABASE_URL"], unquote_password=True, unquote_user=True)
        db.execute_sql("CREATE TABLE made (n INTEGER)")
        """,
    )
    done = project.run("init", env={"SMALLS_DATABASE_URL": database.url.replace("mysql://", "mariadb://")})
    assert done.code == 0, done.stderr
    assert "made" in database.tables()
