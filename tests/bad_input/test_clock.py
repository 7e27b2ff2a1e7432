"""A machine's clock that is set back: between two runs, and during one. What happened stays in its order."""

import json
from datetime import UTC, datetime, timedelta

from smalls.clock import SystemClock

BACK = """\
from datetime import datetime, timedelta
from smalls.clock import SystemClock

def migrate():
    SystemClock.utc = SystemClock.local = lambda _: datetime.now() - timedelta(hours=1)
    {}
"""


def set_back(monkeypatch, hours=1):
    """Let every run from here on be that much too early."""
    for name in ("utc", "local"):
        monkeypatch.setattr(
            SystemClock, name, lambda _: datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=hours)
        )


def happened(project):
    """List what `history` tells, in its order."""
    told = json.loads(project.smalls("history", "--json").stdout)["history"]
    return [(each["event"], each["migration"]) for each in told]


def test_between_two_runs(applied, monkeypatch):
    """The later one is told last, and undone first."""
    set_back(monkeypatch)
    applied.migration("0002_b")
    applied.migration("0003_c", "raise ValueError")
    assert applied.smalls("migrate", "2").code == 0
    assert happened(applied) == [("applied", "0001_a"), ("applied", "0002_b")]
    assert applied.smalls("status", "--exit-code").code == 10
    set_back(monkeypatch, hours=2)
    back = applied.smalls("rollback", "0", "--yes")
    assert [each["migration"] for each in back.named("migration.undone")] == ["0002_b", "0001_a"]
    assert [each for each in happened(applied) if each[0] == "undone"] == [
        ("undone", "0002_b"),
        ("undone", "0001_a"),
    ]


def test_during_a_run(fresh):
    """Nothing took less than no time, and nothing ended before it began."""
    fresh.write("migrations/0001_a.py", BACK.format("pass"))
    fresh.write("migrations/0002_b.py", BACK.format("raise ValueError"))
    env = {"SMALLS_REPORT": "report.json", "SMALLS_METRICS_FILE": "metrics.prom"}
    result = fresh.smalls("migrate", **env)
    assert result.code == 6, result.stderr
    report = json.loads((fresh.path / "report.json").read_text())
    for part in (report, *report["migrations"]):
        assert part["duration_ms"] >= 0
        assert part["started_at"] <= part["finished_at"]
    assert [part["started_at"] for part in report["migrations"]] == sorted(
        part["started_at"] for part in report["migrations"]
    )
    assert all(event["duration_ms"] >= 0 for event in result.events if "duration_ms" in event)
    metrics = (fresh.path / "metrics.prom").read_text()
    assert not [line for line in metrics.splitlines() if " -" in line and not line.startswith("#")]
