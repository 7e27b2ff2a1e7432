"""The catalogue of events, its schema in docs/, and the log that writes them."""

import io
import json
import re
from pathlib import Path

import jsonschema
import pytest

from smalls.events import ANYWHERE, COMMON, EVENTS, FIELDS, schema
from smalls.logs import Log
from smalls.redact import Redactor
from smalls.specs import LogFormat

ROOT = Path(__file__).parents[2]


def lines(*events, level="debug", secrets=()):
    stream = io.StringIO()
    log = Log(LogFormat.JSON, level, "abc", Redactor(secrets), stream)
    for name, message, fields in events:
        log(name, message, **fields)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_page_is_up_to_date():
    """docs/events.schema.json is what `python -m smalls.events` writes now."""
    assert json.loads((ROOT / "docs/events.schema.json").read_text()) == schema(), (
        "run python -m smalls.events > docs/events.schema.json"
    )


def test_the_schema_is_one():
    """The schema is valid, and every field that an event names has a type."""
    jsonschema.Draft202012Validator.check_schema(schema())
    for spec in EVENTS.values():
        assert set(spec.fields) | set(spec.sometimes) <= set(FIELDS) | set(ANYWHERE)


@pytest.mark.parametrize("name", EVENTS)
def test_names(name):
    """An event's name is dotted and in the past tense, or what was printed."""
    assert re.fullmatch(r"[a-z]+\.([a-z]+ed|chosen|held|lost|undone|output|waiting)", name)


def test_every_event_that_is_logged_is_in_the_catalogue():
    """No module logs a name that the catalogue has not, and the catalogue has none that nobody logs."""
    text = "\n".join(
        p.read_text() for p in (ROOT / "smalls").rglob("*.py") if p.name not in {"events.py", "console.py"}
    )
    used = {
        word
        for word in re.findall(r'"([a-z]+\.[a-z]+)"', text)
        if word.partition(".")[0] in _KINDS and not word.endswith((".ini", ".py"))
    }
    assert used == set(EVENTS)


_KINDS = {name.partition(".")[0] for name in EVENTS}


@pytest.mark.parametrize(
    "change",
    [
        {"event": "run.nonsense"},
        {"timestamp": "2026-01-01"},
        {"level": None},
        {"extra": 1},
        {"waited_ms": "1"},
        {"error": {}},
    ],
)
def test_the_schema_refuses(change):
    """A line of another shape does not pass: the schema can fail."""
    (line,) = lines(("database.connected", "m", {"waited_ms": 1, "tries": 1}))
    jsonschema.validate(line, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(line | change, schema())


def test_a_line_without_what_it_must_have():
    """Each field that an event always has is required."""
    (line,) = lines(("lock.acquired", "m", {"lock": "x", "waited_ms": 1}))
    for name in (*COMMON, "lock", "waited_ms"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({key: value for key, value in line.items() if key != name}, schema())


FINISHED = ("run.finished", "done", {"outcome": "ok", "exit_code": 0, "pending": None})


def test_the_last_line_is_the_last():
    """Nothing is logged after run.finished, and that is logged at every level."""
    found = lines(("run.started", "m", {}), FINISHED, ("script.output", "late", {}), level="error")
    assert [line["event"] for line in found] == ["run.finished"]
    assert found[0]["pending"] is None


def test_secrets_in_every_field():
    """A secret is masked in the message and at any depth of the fields."""
    (line,) = lines(
        ("run.failed", "the xyz", {"error": {"message": "xyz", "also": ["a xyz"], "holder": {"user": "xyz"}}}),
        secrets=["xyz"],
    )
    assert "xyz" not in json.dumps(line)


@pytest.mark.parametrize("secret", ["failed", "run.finished", "info", "SML-CONFIG", "PROD", "migrate", "abc"])
def test_a_password_that_is_a_word_of_ours(secret):
    """A password that happens to be a word of the log blots out no word that machines read."""
    fields = {"outcome": "failed", "command": "migrate", "exit_code": 3, "pending": 1, "environment": "PROD"}
    (line,) = lines(
        ("run.finished", f"it is {secret}", {**fields, "error": {"code": "SML-CONFIG"}}), secrets=[secret]
    )
    assert {name: line[name] for name in fields} == fields
    assert (line["event"], line["level"], line["run_id"], line["error"]) == (
        "run.finished",
        "info",
        "abc",
        {"code": "SML-CONFIG"},
    )
    assert secret not in line["message"]


def test_a_stream_that_breaks():
    """A log that cannot be written to does not raise."""
    stream = io.StringIO()
    log = Log(LogFormat.JSON, "info", "abc", Redactor(), stream)
    stream.close()
    log("run.started", "m")
