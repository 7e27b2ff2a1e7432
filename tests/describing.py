"""What `kubectl describe pod` prints of a container that ended: kubectl's own words, on a pod that we give it.

There is no cluster here. A server on loopback answers kubectl's questions with one pod, made of a manifest and of
how its container ended in Docker; what the kubelet and the scheduler would add is not in it.
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.manifests import KUBECTL, Pod

DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get"]}],
    },
}


@dataclass(frozen=True)
class Ended:
    """How a container ended: its exit code, its termination message, when, and whether the kernel killed it."""

    code: int
    message: str
    started: str
    finished: str
    out_of_memory: bool = False

    @property
    def reason(self) -> str:
        """Give the kubelet's word for it."""
        return "OOMKilled" if self.out_of_memory else "Error" if self.code else "Completed"


def describe(of: Pod, name: str, ended: Ended) -> str:
    """Give the lines on the state of the container `smalls`, in a pod of this name where it ended so.

    An init container of a pod that restarts is shown in the pause before its next try.
    """
    terminated = {
        "exitCode": ended.code,
        "reason": ended.reason,
        "message": ended.message,
        "startedAt": ended.started,
        "finishedAt": ended.finished,
    }
    again = ended.code and of.spec.get("restartPolicy") != "Never"
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": terminated}}
    states = {**waiting, "restartCount": 1} if again else {"state": {"terminated": terminated}, "restartCount": 0}
    kind = "containerStatuses" if of.spec["containers"][0]["name"] == "smalls" else "initContainerStatuses"
    status = {kind: [{"name": "smalls", "ready": False, "image": "", "imageID": "", **states}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}
    return _of_smalls(_describe({**pod, "spec": of.spec, "status": status}, name))


def _describe(pod: dict[str, Any], name: str) -> str:
    answers = {**DISCOVERY, f"/api/v1/namespaces/default/pods/{name}": pod}
    with _serving(answers) as address, tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [KUBECTL, "describe", "pod", name, f"--server={address}", "--show-events=false"],
            env={"HOME": home, "KUBECONFIG": "/dev/null", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _serving(answers: dict[str, dict[str, Any]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {"kind": "Status", "status": "Failure", "code": 404}).encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _of_smalls(page: str) -> str:
    """Cut out the lines from the state to the number of restarts, of the container smalls."""
    lines = page[page.index("\n  smalls:\n") :].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("    State:"))
    last = next(number for number, line in enumerate(lines) if line.startswith("    Restart Count:"))
    return "\n".join(lines[first : last + 1]) + "\n"
