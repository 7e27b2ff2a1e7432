"""On a terminal: the seed's own lines, the question, the progress bar."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from smalls.cli.typed import answer_to
from smalls.stop import Stop, Stopped
from tests.running import SMALLS, clean_environment

RULE = "=" * 39


class Terminal:
    """A run of smalls on a pseudo-terminal."""

    def __init__(self, project, *args, env=None):
        self.master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [*SMALLS, *args],
            cwd=project.path,
            env=clean_environment(env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def read(self, until=None, seconds=20):
        """Read until a text appears, or to the end."""
        deadline = time.monotonic() + seconds
        while until is None or until not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.text += data.decode().replace("\r\n", "\n")
        return self.text

    def answer(self, question, text):
        """Wait for a question and type an answer."""
        self.read(question)
        os.write(self.master, text.encode())

    def end(self):
        """Read to the end and give the exit code."""
        self.read()
        code = self.process.wait(timeout=20)
        os.close(self.master)
        return code


@pytest.fixture
def terminal(project):
    started = []

    def begin(*args, **options):
        started.append(Terminal(project, *args, **options))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_the_seeds_own_lines(project, terminal):
    """A run prints what the first smalls printed: banner, each migration, the end."""
    project.migration("0001_a")
    project.migration("0002_b")
    run = terminal("migrate")
    assert run.end() == 0
    assert re.fullmatch(
        rf"{RULE}\n\| Smalls - Peewee Database Manager 👍 \|\n{RULE}\n\n"
        r"Running at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\n"
        r"Running Migration: migrations/0001_a\.py Successful\n"
        r"Running Migration: migrations/0002_b\.py Successful\n"
        r"\n  Migrations are complete 🎉\n",
        run.text,
    ), run.text


def test_create_prints_the_seeds_lines(project, terminal):
    """`create` says what it does and where the file is."""
    run = terminal("create", "adding x")
    assert run.end() == 0
    assert run.text.endswith("Creating a new file\n -- Created: migrations/0001_adding_x.py\n"), run.text


def test_a_failure_on_the_terminal(project, terminal):
    """A failure says what failed, where, by which statement, and what to do; nothing is complete."""
    project.migration("0001_a", "print('working')\ndb.execute_sql('SELECT * FROM nowhere')")
    run = terminal("migrate")
    assert run.end() == 6
    for words in (
        "    working\n",
        "SML-MIGRATION-FAILED",
        "0001_a.py:11",
    ):
        assert words in run.text, run.text
    assert "statement: SELECT * FROM nowhere" in run.text
    assert "What to do: " in run.text
    assert "complete" not in run.text
    assert run.text.endswith("Ended with exit code 6.\n")


@pytest.mark.parametrize(
    ("typed", "code"),
    [("n\n", 13), ("\n", 13), ("no\n", 13), ("\x04", 13), ("y\n", 0), ("YES\n", 0), ("yeah no\n", 13)],
)
def test_consent(project, terminal, typed, code):
    """The question is asked on the terminal, and every answer but yes is no: nothing is undone."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INT)')", "db.execute_sql('DROP TABLE t')")
    project.run("migrate")
    run = terminal("rollback", "zero")
    run.answer("Roll back 0001_a? [y/N] ", typed)
    assert run.end() == code, run.text
    assert ("1 applied" in project.run("status").stdout) is (code == 13)


def test_consent_without_a_terminal_to_read_from(project):
    """Where stdin is no terminal nobody is asked, even when the answer is piped in."""
    project.migration("0001_a")
    project.run("migrate")
    done = project.run("rollback", "zero", input="y\n")
    assert done.code == 13
    assert "1 applied" in project.run("status").stdout


def test_interrupt_at_the_question(project, terminal):
    """Ctrl-C at the question ends the run with 130, and nothing is undone."""
    project.migration("0001_a")
    project.run("migrate")
    run = terminal("rollback", "zero")
    run.read("[y/N] ")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert "1 applied" in project.run("status").stdout


def test_a_signal_just_before_the_answer_is_read(monkeypatch):
    """Such a signal is handled, and reading begins all the same, with nothing left that would end it."""
    master, slave = pty.openpty()
    stop = Stop()
    with os.fdopen(slave) as terminal, os.fdopen(master):
        monkeypatch.setattr(sys, "stdin", terminal)
        timer = threading.Timer(0.3, stop.ask, [signal.SIGINT])  # as the handler leaves it that ran before
        timer.start()
        with pytest.raises(Stopped):
            answer_to("Now?", stop)


def test_the_question_for_a_script_in_prod(project, terminal):
    """`seed` in PROD asks, names the database, and runs after yes; its lines are shown as they are."""
    project.write("seed.py", "print('planted')\n")
    run = terminal("seed", env={"SMALLS_ENV": "PROD", "SMALLS_DATABASE_URL": "sqlite:///x.db"})
    run.answer("Run seed.py on x.db, in PROD? [y/N] ", "y\n")
    assert run.end() == 0
    assert "\nplanted\n" in run.text


def test_progress_on_a_long_run(project, terminal):
    """From twenty migrations on a bar shows how far the run is; it is gone at the end."""
    for number in range(1, 26):
        project.migration(f"{number:04d}_x")
    run = terminal("migrate")
    assert run.end() == 0
    assert "] 12/25" in run.text
    assert run.text.count("Successful") == 25
    shown = run.text.replace("\r\x1b[2K", "")  # what wipes the bar out
    assert shown.endswith("0025_x.py Successful\n\n  Migrations are complete 🎉\n")


def test_json_on_a_terminal_when_asked_for(project, terminal):
    """--log-format json wins over the terminal; console can be asked for where there is none."""
    run = terminal("--log-format", "json", "status")
    assert run.end() == 0
    assert '"event": "run.finished"' in run.text
    piped = project.run("--log-format", "console", "status")
    assert RULE in piped.stderr
    assert piped.events == []


def test_a_terminal_without_utf8(project):
    """A terminal that cannot show the emoji gets it escaped; nothing fails."""
    project.migration("0001_a")
    env = {"SMALLS_LOG_FORMAT": "console", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = project.run("migrate", env=env)
    assert done.code == 0, done.stderr
    assert "Migrations are complete" in done.stderr


def test_nobody_reads_the_log(project):
    """A log whose reader is gone does not stop a migration."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INT)')")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*SMALLS, "migrate"], cwd=project.path, env=clean_environment(), stderr=writer, check=False, timeout=20
    )
    os.close(writer)
    assert done.returncode == 0
    assert "1 applied" in project.run("status").stdout


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["config"], ["migrate", "--plan"]])
def test_nobody_reads_the_result(project, command):
    """A reader who has had enough (`smalls status | head -1`) makes no defect of it."""
    project.migration("0001_a")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*SMALLS, *command],
        cwd=project.path,
        env=clean_environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=20,
    )
    os.close(writer)
    assert (done.returncode, "SML-DEFECT" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "code"), [("migrate", 0), ("status", 0), ("--help", 0), ("rollback 0", 13)])
def test_started_with_closed_streams(project, closed, command, code):
    """What was closed before the start neither fails nor gives its number to a connection."""
    project.migration("0001_a", "import os; os.system('echo said by a child')")
    if code:
        assert project.run("migrate").code == 0
    line = f'exec "$@" {command} {closed}'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *SMALLS],
        cwd=project.path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
