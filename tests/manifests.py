"""The Kubernetes manifests of this project, as Kustomize renders them, and their containers as Docker runs them."""

import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
MANIFESTS = ROOT / "docker" / "kubernetes"
FORMS = tuple(sorted(folder.name for folder in (MANIFESTS / "overlays").iterdir()))
KUBECTL = Path(sys.executable).parent / "kubectl"  # comes with the development tools


def build(folder: Path) -> str:
    """Build the kustomization in a folder, which must give no warning either."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@functools.cache
def _rendered(form: str) -> str:
    return build(MANIFESTS / "overlays" / form)


def render(form: str) -> list[dict[str, Any]]:
    """Give a form's documents, as `kubectl kustomize` makes them."""
    return list(yaml.safe_load_all(_rendered(form)))


def of_kind(form: str, kind: str) -> dict[str, Any]:
    """Give a form's one document of a kind."""
    (found,) = (document for document in render(form) if document["kind"] == kind)
    return found


@dataclass(frozen=True)
class Pod:
    """A pod's specification, out of the document that makes such pods."""

    spec: dict[str, Any]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Give every container, in the order in which they start."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def container(self, name: str) -> dict[str, Any]:
        """Give the container of a name."""
        (found,) = (each for each in self.containers if each["name"] == name)
        return found

    def variables(self, name: str) -> dict[str, str]:
        """Give a container's environment."""
        return {each["name"]: each["value"] for each in self.container(name).get("env", [])}


def pods(form: str) -> list[Pod]:
    """Give the specification of each kind of pod that a form makes."""
    return [
        Pod(document["spec"]["template"]["spec"]) for document in render(form) if "template" in document["spec"]
    ]


def pod(form: str, kind: str) -> Pod:
    """Give the pods of a form's one document of a kind."""
    return Pod(of_kind(form, kind)["spec"]["template"]["spec"])


def docker_words(pod: Pod, image: str, secrets: dict[str, dict[str, str]], folder: Path) -> list[str]:
    """Say to `docker run` what a pod says of its container `smalls`; every field must have a meaning there.

    `secrets` has the content of each Secret, by its keys. In `folder` they become files, beside the file of
    the termination message, `termination-log`.
    """
    container = dict(pod.container("smalls"))
    for name in ("name", "image", "terminationMessagePolicy"):
        container.pop(name, None)
    words = [f"--env={each['name']}={each['value']}" for each in container.pop("env")]
    words += _security(pod.spec["securityContext"], container.pop("securityContext"))
    words += _limits(container.pop("resources"))
    words += _mounts(pod.spec["volumes"], container.pop("volumeMounts"), secrets, folder)
    log = folder / "termination-log"
    log.touch()
    log.chmod(0o666)  # as the kubelet makes it
    words.append(f"--volume={log}:{container.pop('terminationMessagePath')}")
    args = container.pop("args")
    assert container == {}, "fields that this function knows no words for"
    return [*words, image, *args]


def _security(of_pod: dict[str, Any], of_container: dict[str, Any]) -> list[str]:
    assert of_pod == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}  # Docker's own, too
    context = dict(of_container)
    words = [f"--cap-drop={each}" for each in context.pop("capabilities")["drop"]]
    if context.pop("readOnlyRootFilesystem"):
        words.append("--read-only")
    if not context.pop("allowPrivilegeEscalation"):
        words.append("--security-opt=no-new-privileges")
    assert context == {}, "fields that this function knows no words for"
    return words


def _limits(resources: dict[str, Any]) -> list[str]:
    memory = resources["limits"]["memory"].removesuffix("i").lower()  # 128Mi is Docker's 128m
    return [f"--memory={memory}", f"--memory-swap={memory}", f"--cpus={resources['limits']['cpu']}"]


def _mounts(
    volumes: list[dict[str, Any]], mounts: list[dict[str, Any]], secrets: dict[str, dict[str, str]], folder: Path
) -> list[str]:
    sources = {volume["name"]: volume["secret"]["secretName"] for volume in volumes}
    words = []
    for mount in mounts:
        assert mount["readOnly"]
        place = folder / sources[mount["name"]]
        _secret(place, secrets[sources[mount["name"]]])
        words.append(f"--volume={place}:{mount['mountPath']}:ro")
    return words


def _secret(place: Path, content: dict[str, str]) -> None:
    """Lay a Secret out as the kubelet does: each key is a link, through a link that it can change at once."""
    held = place / "..2026_01_01"
    if not held.exists():
        held.mkdir(parents=True)
        (place / "..data").symlink_to(held.name)
    for key, text in content.items():
        (held / key).write_text(text, encoding="utf-8")
        if not (place / key).is_symlink():
            (place / key).symlink_to(f"..data/{key}")


def is_known_as_not_root(config: str) -> bool:
    """Tell whether an image's configuration satisfies `runAsNonRoot`: a user by number, and not 0."""
    user = json.loads(config)["User"].partition(":")[0]
    return user.isdigit() and int(user) > 0
