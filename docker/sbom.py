"""Write what an environment holds as a CycloneDX 1.6 document, on stdout. The image's build runs it."""  # noqa: INP001 -- a script, in no package

import hashlib
import json
import re
import sys
from importlib.metadata import Distribution, distribution, distributions
from typing import Any

OURS = "smalls"
LIBRARY = re.compile(r"\.so(\.\d+)*$")


def main() -> None:
    """List each installed package with its licence, what it needs, and the shared libraries that it brings."""
    found = {_key(each): each for each in distributions()}
    ours = found.pop(OURS)
    others = [found[key] for key in sorted(found)]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**_component(ours), "type": "application"}},
        "components": [_component(each) for each in others],
        "dependencies": [_dependency(each, set(found)) for each in (ours, *others)],
    }
    json.dump(document, sys.stdout, indent=2)
    print()  # noqa: T201 -- its output is for people


def _key(package: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", package.name).lower()


def _reference(package: Distribution) -> str:
    return f"pkg:pypi/{_key(package)}@{package.version}"


def _component(package: Distribution) -> dict[str, Any]:
    """Describe a package; shared libraries in its wheel are parts of it, which no package index knows."""
    reference = _reference(package)
    told: dict[str, Any] = {"type": "library", "bom-ref": reference, "name": package.name}
    told |= {"version": package.version, "purl": reference}
    if licence := _licence(package):
        told["licenses"] = [licence]
    bundled = [str(file) for file in package.files or () if ".libs/" in str(file) and LIBRARY.search(str(file))]
    if bundled:
        told["components"] = [_library(package, name) for name in sorted(bundled)]
    return told


def _licence(package: Distribution) -> dict[str, Any] | None:
    """Give the licence as an expression of SPDX where the package says one, else by its name."""
    if expression := package.metadata.get("License-Expression"):
        return {"expression": expression}
    classified = [each for each in package.metadata.get_all("Classifier", []) if each.startswith("License ::")]
    name = classified[-1].rpartition(" :: ")[2] if classified else package.metadata.get("License")
    return {"license": {"name": name}} if name else None


def _library(package: Distribution, name: str) -> dict[str, Any]:
    content = package.locate_file(name).read_bytes()  # type: ignore[attr-defined]  # a path, as pip installs it
    digest = hashlib.sha256(content).hexdigest()
    return {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]}


def _dependency(package: Distribution, installed: set[str]) -> dict[str, Any]:
    """Name what a package needs, of what is installed; what only an extra needs is not."""
    wanted = [line for line in package.requires or () if "extra ==" not in line]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower() for line in wanted}
    return {
        "ref": _reference(package),
        "dependsOn": [_reference(distribution(name)) for name in sorted(names & installed)],
    }


if __name__ == "__main__":
    main()
