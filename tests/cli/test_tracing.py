"""Traces of real runs, received by a little OTLP/HTTP collector; and what becomes of a run without one."""

import json
import re
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.running import finish, wait_until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Collector:
    """What was sent, and how the collector answers."""

    status: int = 200
    reason: str = "OK"
    pause: float = 0
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    @property
    def requests(self):
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    @property
    def spans(self):
        """Give every span, in the order of their beginnings."""
        found = [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    @property
    def resource(self):
        return read(self.requests[0].resource_spans[0].resource.attributes)

    @property
    def env(self):
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}


def read(attributes):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


@contextmanager
def collecting(**answer):
    """Run a collector on a free port."""
    collector = Collector(**answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/traces"
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(collector.pause)
            self.send_response(collector.status, collector.reason)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def collector():
    """Give a collector that takes everything."""
    with collecting() as made:
        yield made


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_a_run_that_fails(project, database, collector):
    """The run is a span below the caller's, each migration one below the run's; the failure is told in both."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INTEGER)')")
    project.migration("0002_b", "time.sleep(0.2)\ndb.execute_sql('SELECT n FROM nope')")
    env = {
        **database.env,
        **collector.env,
        "TRACEPARENT": PARENT,
        "TRACESTATE": "vendor=x",
        "SMALLS_VERSION": "1.2",
    }
    result = project.run("migrate", env=env)
    assert result.code == 6, result.stderr
    run, first, second = collector.spans
    assert [span.name for span in (run, first, second)] == ["smalls migrate", "apply 0001_a", "apply 0002_b"]
    assert {span.trace_id.hex() for span in (run, first, second)} == {PARENT.split("-")[1]}
    assert run.parent_span_id.hex() == PARENT.split("-")[2]
    assert {span.parent_span_id for span in (first, second)} == {run.span_id}
    assert {span.trace_state for span in (run, first, second)} == {"vendor=x"}
    assert run.start_time_unix_nano <= first.start_time_unix_nano <= first.end_time_unix_nano
    assert second.end_time_unix_nano - second.start_time_unix_nano >= 2e8
    assert second.end_time_unix_nano <= run.end_time_unix_nano
    assert (run.kind, first.kind) == (Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT)
    assert [span.status.code for span in (run, first, second)] == [
        *(Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR),
    ]
    told, failed = read(run.attributes), read(second.attributes)
    assert told["error.type"] == failed["error.type"] == "SML-MIGRATION-FAILED"
    assert (told["process.exit.code"], told["smalls.applied"], told["smalls.pending"]) == (6, 1, 1)
    assert told["smalls.run_id"] == result.events[0]["run_id"]
    assert failed["db.query.text"] == "SELECT n FROM nope"
    assert failed["code.file.path"] == "migrations/0002_b.py"
    assert failed["code.line.number"] > 1
    system = {"postgres": "postgresql"}.get(database.family, database.family)
    assert told["db.system.name"] == failed["db.system.name"] == system
    assert told["db.namespace"] == database.name
    assert ("server.port" in told) == (database.family != "sqlite")
    assert (collector.resource["service.name"], collector.resource["service.version"]) == ("smalls", "1.2")
    assert "statement" not in read(first.attributes)


def test_a_way_back_and_a_name_of_ones_own(project, collector):
    """Undoing has spans too; without a caller's span the run's is the first; the service's name is the user's."""
    project.migration("0001_a")
    assert project.run("migrate").code == 0
    env = {**collector.env, "OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=p"}
    assert project.run("rollback", "0", "--yes", env=env).code == 0
    run, undone = collector.spans
    assert (run.name, undone.name, run.parent_span_id) == ("smalls rollback", "undo 0001_a", b"")
    assert (collector.resource["service.name"], collector.resource["k8s.pod.name"]) == ("shop", "p")
    assert run.status.code == Status.STATUS_CODE_UNSET


def test_pending_is_an_answer(project, collector):
    """`status --exit-code` that ends with 10 is no error."""
    project.migration("0001_a")
    assert project.run("status", "--exit-code", env=collector.env).code == 10
    [run] = collector.spans
    assert run.status.code == Status.STATUS_CODE_UNSET
    assert read(run.attributes)["process.exit.code"] == 10


def test_settings_that_cannot_be_read(project, collector):
    """A run that never began has a span."""
    assert project.run("migrate", env={**collector.env, "SMALLS_ENV": "x"}).code == 3
    [run] = collector.spans
    assert run.status.code == Status.STATUS_CODE_ERROR


def test_many_migrations(project, collector):
    """More spans than one request takes are sent in several."""
    for number in range(1, 601):
        project.write(f"migrations/{number:04d}_m.py", "def migrate(): pass\ndef rollback(): pass\n")
    assert project.run("migrate", "--fake", env=collector.env).code == 0
    assert len(collector.spans) == 601
    assert len(collector.bodies) == 2


# ---- off


WATCH = """\
import atexit, sys
atexit.register(lambda: print("\\n".join(sorted(sys.modules)), file=open("modules", "w")))
"""


@pytest.mark.parametrize(
    "changes",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "console"},
    ],
)
def test_nothing_is_imported_when_off(project, collector, changes):
    """Without being asked smalls imports nothing of OpenTelemetry and sends nothing."""
    project.migration("0001_a")
    project.write("sitecustomize.py", WATCH)
    env = {**collector.env, "PYTHONPATH": str(project.path), **changes}
    assert project.run("migrate", env=env).code == 0
    modules = (project.path / "modules").read_text().split()
    assert "smalls.story" in modules
    assert [name for name in modules if "opentelemetry" in name or name == "smalls.tracing"] == []
    assert collector.bodies == []


def test_modules_are_seen_when_on(project, collector):
    """The test above can fail: when it is on they are there."""
    project.write("sitecustomize.py", WATCH)
    assert project.run("status", env={**collector.env, "PYTHONPATH": str(project.path)}).code == 0
    assert "opentelemetry.sdk.trace" in (project.path / "modules").read_text().split()


def test_without_the_extra(project, collector):
    """Where it is not installed the variables, which a platform may set for every pod, mean nothing."""
    project.write(
        "sitecustomize.py",
        """\
        import sys
        class Missing:
            def find_spec(self, name, *_):
                if name.partition(".")[0] == "opentelemetry":
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Missing())
        """,
    )
    result = project.run("status", env={**collector.env, "PYTHONPATH": str(project.path)})
    assert result.code == 0
    assert result.named("trace.warned") == []
    assert collector.bodies == []


def test_a_parent_that_is_not_sampled(project, collector):
    """What the caller does not keep is not sent."""
    result = project.run("status", env={**collector.env, "TRACEPARENT": PARENT[:-2] + "00"})
    assert (result.code, collector.bodies, result.named("trace.warned")) == (0, [], [])


@pytest.mark.parametrize("parent", ["", "nonsense", "00-0-0-0", PARENT + "-x"])
def test_a_parent_that_makes_no_sense(project, collector, parent):
    """It is passed over, and the run has a trace of its own."""
    assert project.run("status", env={**collector.env, "TRACEPARENT": parent}).code == 0
    [run] = collector.spans
    assert run.parent_span_id == b""


# ---- failures of the collector


def hold(result, code):
    """Hold that the run ended as it would without a trace, and that one warning says why that is missing."""
    assert result.code == code, result.stderr
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert lines[-1]["event"] == "run.finished"
    [warning] = result.named("trace.warned")
    return warning["message"]


@pytest.mark.parametrize("code", [0, 6])
def test_nobody_listens(project, code):
    """A collector that is not there changes neither the exit code nor the log's form, and costs seconds at most."""
    project.migration("0001_a", "pass" if code == 0 else "raise ValueError('no')")
    began = time.monotonic()
    result = project.run("migrate", env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    hold(result, code)
    assert time.monotonic() - began < 15


def test_a_collector_that_never_answers(project):
    """The end of the run waits five seconds for it, not more, whatever the SDK's own bound."""
    with collecting(pause=30) as collector:
        result = project.run("status", env={**collector.env, "OTEL_EXPORTER_OTLP_TIMEOUT": "60"})
        assert hold(result, 0) == "The trace could not be sent: no answer within 5 s."
        assert result.events[-1]["duration_ms"] < 5000
        assert len(collector.bodies) == 1


def test_a_collector_that_never_answers_a_run_that_was_stopped(project, start):
    """Whoever asked for the stop kills soon, so that there is one second for it."""
    project.migration("0001_a", "open('there', 'w')\ntime.sleep(60)")
    with collecting(pause=30) as collector:
        runner = start("migrate", cwd=project.path, env={**collector.env, "SMALLS_SHUTDOWN_GRACE": "0"})
        wait_until((project.path / "there").exists)
        runner.send_signal(signal.SIGTERM)
        began = time.monotonic()
        result = finish(runner)
        assert time.monotonic() - began < 4
    assert result.code == 143
    assert "no answer within 1 s" in result.named("trace.warned")[0]["message"]


def test_a_collector_that_refuses(project):
    """The reason is told without what the collector's headers and address hold."""
    with collecting(status=401, reason="no token sesame1 nor sesame2") as collector:
        address = collector.url.replace("http://", "http://u:sesame3@")
        headers = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20sesame1,x-key=sesame2"}
        result = project.run("status", env={"OTEL_EXPORTER_OTLP_ENDPOINT": address, **headers})
    reason = hold(result, 0)
    assert "401" in reason
    assert "sesame" not in result.stderr


@pytest.mark.parametrize(
    "changes",
    [{"OTEL_EXPORTER_OTLP_ENDPOINT": "not a url"}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "x"}],
)
def test_settings_of_the_sdk_that_make_no_sense(project, collector, changes):
    """They are the trace's trouble, not the run's."""
    result = project.run("status", env={**collector.env, **changes})
    assert result.code == 0
    assert all(json.loads(line) for line in result.stderr.splitlines())
    assert result.named("trace.warned") or collector.bodies


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_no_secret(project, database, collector):
    """Whatever the migration does with the password, it is in no span."""
    project.migration("0001_a", "raise ValueError('sesame%21 sesame!' + str(db.connect_params))\n")
    url = database.user_url(password="sesame!")
    result = project.run("migrate", env={"SMALLS_DATABASE_URL": url, **collector.env})
    assert result.code == 6, result.stderr
    assert len(collector.spans) == 2
    assert b"***" in b"".join(collector.bodies)
    assert b"sesame" not in b"".join(collector.bodies)


def test_the_page_names_every_attribute(project, collector):
    """docs/report.md has each attribute of ours, and no other."""
    project.migration("0001_a", "raise ValueError('no')")
    assert project.run("migrate", env={**collector.env, "SMALLS_VERSION": "1"}).code == 6
    sent = {pair.key for span in collector.spans for pair in span.attributes}
    told = set(re.findall(r"`(smalls\.\w+)`", (Path(__file__).parents[2] / "docs/report.md").read_text()))
    assert {name for name in sent if name.startswith("smalls.")} == told - {"smalls.app", "smalls.kind"}
