"""The Kubernetes manifests: valid, hardened, and in step with the exit codes and settings of the code."""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

from smalls.errors import Exit
from smalls.specs import SPECS
from tests.manifests import FORMS, MANIFESTS, ROOT, Pod, build, of_kind, pod, pods, render

VERSIONS = [version for version in all_versions() if int(version.split(".")[1]) >= 29]
WITH_JOB = (
    "argocd-presync",
    "contract-job",
    "helm-hook",
    "job",
    "job-and-waiting-app",
    "job-sidecar-proxy",
    "undo-job",
)
WITH_APP = ("external-secret", "init-container", "job-and-waiting-app", "sidecar-proxy")
WITH_PROXY = ("job-sidecar-proxy", "sidecar-proxy")

# What https://external-secrets.io/latest/api/externalsecret/ has for the fields that are used here.
EXTERNAL_SECRET = {
    "apiVersion": {"const": "external-secrets.io/v1"},
    "kind": {"const": "ExternalSecret"},
    "metadata": {"type": "object"},
    "spec": {
        "refreshInterval": {"type": "string"},
        "secretStoreRef": {"kind": {"enum": ["SecretStore", "ClusterSecretStore"]}, "name": {"type": "string"}},
        "target": {
            "name": {"type": "string"},
            "creationPolicy": {"enum": ["Owner", "Orphan", "Merge", "None"]},
            "deletionPolicy": {"enum": ["Delete", "Merge", "Retain"]},
        },
        "data": [
            {
                "secretKey": {"type": "string"},
                "remoteRef": {"key": {"type": "string"}, "property": {"type": "string"}},
            }
        ],
    },
}


def _schema(fields: Any) -> dict[str, Any]:
    """Make a JSON schema that takes these fields and no others."""
    if isinstance(fields, list):
        return {"type": "array", "items": _schema(fields[0])}
    if set(fields) & {"const", "enum"} or isinstance(fields.get("type"), str):
        return fields
    properties = {name: _schema(value) for name, value in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields), "additionalProperties": False}


def _validate(document: dict[str, Any], version: str) -> None:
    if document["kind"] == "ExternalSecret":
        jsonschema.validate(document, _schema(EXTERNAL_SECRET))
    else:
        kubernetes_validate.validate(document, version, strict=True)


# ── valid ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_forms_are_all_here():
    """Each form of this file is one that is there, and none is left out."""
    assert set(FORMS) == {*WITH_JOB, *WITH_APP}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_valid(form: str, version: str):
    """Kubernetes knows each field, and its type, in each version since native sidecars are on (1.29)."""
    for document in render(form):
        _validate(document, version)


@pytest.mark.parametrize("form", ["external-secret", "job", "init-container"])
def test_the_validation_is_strict(form: str):
    """A field that does not exist is an error at every level that our fields stand at."""
    for document in render(form):
        for place in _objects(document):
            wrong = copy.deepcopy(document)
            _at(wrong, place)["limmits"] = {}
            with pytest.raises(jsonschema.ValidationError):
                _validate(wrong, VERSIONS[-1])


FREE = ("labels", "matchLabels", "annotations", "requests", "limits", "metadata")


def _objects(value: Any, place: tuple = ()) -> list[tuple]:
    """Give the place of every object in a document whose keys are fields."""
    if isinstance(value, list):
        return [found for number, each in enumerate(value) for found in _objects(each, (*place, number))]
    if not isinstance(value, dict) or (place and place[-1] in FREE):
        return []
    return [place, *(found for name, each in value.items() for found in _objects(each, (*place, name)))]


def _at(document: Any, place: tuple) -> Any:
    for step in place:
        document = document[step]
    return document


# ── what a Job does with an exit code ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", WITH_JOB)
def test_a_job_fails_at_once_on_what_a_retry_cannot_mend(form: str):
    """The codes are those of the code's own table: sorted, each once, without 0, as Kubernetes wants them."""
    fail, ignore = of_kind(form, "Job")["spec"]["podFailurePolicy"]["rules"]
    assert fail["action"] == "FailJob"
    assert fail["onExitCodes"] == {
        "containerName": "smalls",
        "operator": "In",
        "values": sorted(code for code in Exit if code and not code.retryable),
    }
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize("form", WITH_JOB)
def test_one_try_of_a_job_at_a_time(form: str):
    """A failure policy needs restartPolicy Never; the next pod begins when the last one is over."""
    spec = of_kind(form, "Job")["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["podReplacementPolicy"] == "Failed"
    assert {"parallelism", "completions"}.isdisjoint(spec)
    assert spec["backoffLimit"] > 0


def test_each_version_has_a_job_of_its_own():
    """A Job cannot be changed in place, so its name says the version of its image."""
    job = of_kind("job", "Job")
    image = pod("job", "Job").container("smalls")["image"]
    assert job["metadata"]["name"] == "migrate-" + image.partition(":")[2].replace(".", "-")


# ── hooks ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("form", "annotations"),
    [
        (
            "helm-hook",
            {
                "helm.sh/hook": "pre-install,pre-upgrade,pre-rollback",
                "helm.sh/hook-weight": "0",
                "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
            },
        ),
        (
            "argocd-presync",
            {
                "argocd.argoproj.io/hook": "PreSync",
                "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
            },
        ),
    ],
)
def test_hooks(form: str, annotations: dict[str, str]):
    """A hook is the Job under one name for all versions, which the tool removes, and nobody else does."""
    (job,) = render(form)
    assert job["metadata"]["annotations"] == annotations
    assert job["metadata"]["name"] == "migrate"
    assert "ttlSecondsAfterFinished" not in job["spec"]


# ── hardened ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", FORMS)
def test_pods_ask_for_no_more_than_they_need(form: str):
    """No root, no token, no variables of Services; it suits the restricted Pod Security Standard."""
    for each in pods(form):
        assert each.spec["automountServiceAccountToken"] is False
        assert each.spec["enableServiceLinks"] is False
        assert each.spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"}.isdisjoint(each.spec)
        assert [set(volume) for volume in each.spec["volumes"]] == [{"name", "secret"}]


@pytest.mark.parametrize("form", FORMS)
def test_containers_ask_for_no_more_than_they_need(form: str):
    """No privileges, nothing that can be written, a bound on memory, and images that have a version."""
    for container in (container for each in pods(form) for container in each.containers):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert ":" in container["image"]
        assert all(mount["readOnly"] for mount in container.get("volumeMounts", []))


@pytest.mark.parametrize("form", FORMS)
def test_smalls_is_the_same_in_every_form(form: str):
    """But for what it is told to do, and for how long."""
    model = _without(pod("job", "Job").container("smalls"), "args", "env")
    for each in pods(form):
        assert _without(each.container("smalls"), "args", "env") == model


def _without(container: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in container.items() if name not in names}


def test_the_reason_of_a_failure_is_shown():
    """The termination message is read where smalls leaves it; the log stands in where there is none."""
    container = pod("job", "Job").container("smalls")
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_stands_in_a_manifest(form: str):
    """The database comes from a file; the other settings are ones that exist and hold no secret."""
    for each in pods(form):
        variables = each.variables("smalls")
        assert variables.pop("SMALLS_DATABASE_URL_FILE") == "/run/secrets/database/url"
        assert set(variables) <= {spec.variable for spec in SPECS.values() if not spec.secret}


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────


def _seconds(of: Pod, setting: str) -> float:
    spec = SPECS[setting]
    return float(of.variables("smalls").get(spec.variable) or spec.prod_default or spec.default or 0)


@pytest.mark.parametrize("form", WITH_JOB)
def test_a_run_stops_itself_before_its_job_is_stopped(form: str):
    """The run's own deadline comes first, so that it can say why."""
    spec = of_kind(form, "Job")["spec"]
    assert 0 < _seconds(pod(form, "Job"), "run_timeout") < spec["activeDeadlineSeconds"]


@pytest.mark.parametrize("form", WITH_APP)
def test_a_run_stops_itself_before_its_rollout_counts_as_failed(form: str):
    """A Deployment may not limit its pods' life (Kubernetes refuses it); the run and the rollout have bounds."""
    spec = of_kind(form, "Deployment")["spec"]
    assert "activeDeadlineSeconds" not in spec["template"]["spec"]
    run = _seconds(pod(form, "Deployment"), "run_timeout")
    assert 0 < _seconds(pod(form, "Deployment"), "wait_timeout") < run < spec["progressDeadlineSeconds"]


@pytest.mark.parametrize("form", FORMS)
def test_a_run_stops_before_it_is_killed(form: str):
    """Behind the time to finish a migration there is time left to cancel it and roll back."""
    for each in pods(form):
        assert each.spec["terminationGracePeriodSeconds"] - _seconds(each, "shutdown_grace") >= 15


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", WITH_APP)
def test_the_app_comes_after_smalls(form: str):
    """It is an init container, and no pod of the old version goes before a new one is ready."""
    spec = of_kind(form, "Deployment")["spec"]
    assert spec["template"]["spec"]["initContainers"][-1]["name"] == "smalls"
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_only_the_job_migrates_where_the_app_waits():
    """The Job's pod migrates; the app's pods wait until that is done."""
    assert pod("job-and-waiting-app", "Job").container("smalls")["args"] == ["migrate"]
    assert pod("job-and-waiting-app", "Deployment").container("smalls")["args"] == ["wait", "--migrated"]


@pytest.mark.parametrize("form", WITH_PROXY)
def test_the_proxy_is_up_before_smalls(form: str):
    """A native sidecar: an init container that always restarts, before smalls, with a probe for when it is up."""
    (of,) = pods(form)
    proxy, smalls = of.containers[:2]
    assert (proxy["name"], smalls["name"]) == ("proxy", "smalls")
    assert of.spec["initContainers"][0] == proxy
    assert proxy["restartPolicy"] == "Always"
    assert proxy["startupProbe"]
    assert "restartPolicy" not in smalls


def test_the_external_secret_makes_the_one_that_is_mounted():
    """What the operator writes is what the pods mount: its name, and the key that is the file's name."""
    (volume,) = pod("external-secret", "Deployment").spec["volumes"]
    spec = of_kind("external-secret", "ExternalSecret")["spec"]
    assert spec["target"]["name"] == volume["secret"]["secretName"]
    assert [item["secretKey"] for item in spec["data"]] == ["url"]


def test_every_file_is_used():
    """There is no patch or resource that no form comes to."""
    files = {path.relative_to(MANIFESTS) for path in MANIFESTS.rglob("*.yaml") if path.name != "kustomization.yaml"}
    texts = [path.read_text() for path in MANIFESTS.rglob("kustomization.yaml")]
    assert {path.name for path in files if not any(path.name in text for text in texts)} == set()


# ── the guide ───────────────────────────────────────────────────────────────────────────────────────────

GUIDE = ROOT / "docs" / "guides" / "kubernetes.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
WHOLE = [block for block in BLOCKS if "kind: Kustomization" in block]


@pytest.mark.parametrize("block", WHOLE, ids=range(len(WHOLE)))
def test_the_guide_s_kustomizations_can_be_built(block: str, tmp_path: Path):
    """Beside a copy of our folder named `smalls`, as the guide says, they give valid documents."""
    shutil.copytree(MANIFESTS, tmp_path / "smalls")
    (tmp_path / "kustomization.yaml").write_text(block, encoding="utf-8")
    documents = list(yaml.safe_load_all(build(tmp_path)))
    assert documents
    for document in documents:
        _validate(document, VERSIONS[-1])


def test_the_guide_s_excerpts_stand_in_the_manifests():
    """What the guide shows of a manifest is what is there."""
    job = of_kind("job", "Job")["spec"]
    (excerpt,) = (yaml.safe_load(block) for block in BLOCKS if block not in WHOLE)
    assert excerpt == {"podFailurePolicy": job["podFailurePolicy"]}


def test_the_guide_has_every_form():
    """Each overlay is in the table of forms, and no other is."""
    rows = re.findall(r"^\| ([`\w, -]+) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(FORMS)
