"""The image as a base for a project's own, and what it says about itself: labels, bill of materials, lock."""

import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest

from tests.databases import Database
from tests.image.conftest import ROOT, build
from tests.image.test_image import Container, shell
from tests.running import Project
from tests.servers import at_end, run_folder

GUIDE = ROOT / "docs/guides/image.md"
LOCKS = ("requirements", "build")
MACHINES = {"amd64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}
DIST = "greeting-1.0.dist-info"


def dockerfiles() -> list[str]:
    """Give the Dockerfiles of the guide: the plain one, and the one with more packages."""
    return re.findall(r"```dockerfile\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def pins(lock: str) -> dict[str, int]:
    """Give the packages of a lock file with their versions, and how many hashes each has."""
    entries = (ROOT / f"docker/{lock}.lock").read_text().split("\n")
    found: dict[str, int] = {}
    for line in entries:
        if "==" in line:
            found[line.removesuffix(" \\")] = 0
        elif "--hash" in line:
            found[next(reversed(found))] += 1
    return found


def a_wheel(folder: Path) -> Path:
    """Make a package as small as one can be, which no index has."""
    wheel = folder / "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("greeting.py", "TABLE = 'greetings'\n")
        file.writestr(f"{DIST}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        file.writestr(f"{DIST}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{DIST}/RECORD", f"greeting.py,,\n{DIST}/METADATA,,\n{DIST}/WHEEL,,\n{DIST}/RECORD,,\n")
    return wheel


@pytest.mark.parametrize("database", ["postgres17"], indirect=True)
@pytest.mark.parametrize("number", [0, 1], ids=["plain", "packages"])
def test_the_guides_dockerfiles(
    image: str, container: Container, database: Database, project: Project, number: int
) -> None:
    """A project's image is built as the guide says, imports its models and packages, and migrates, hardened."""
    project.write("models.py", "import peewee\n\ndb = peewee.DatabaseProxy()\nTABLE = 'greetings'\n")
    module = "greeting" if number else "models"
    header = f"from models import db\nfrom {module} import TABLE"
    project.migration("0001_one", "db.execute_sql(f'CREATE TABLE {TABLE} (id integer)')", header=header)
    project.write("requirements.txt", f"./{a_wheel(project.path).name}\npymysql\n")
    project.write(
        "Dockerfile", re.sub(r"^FROM smalls$", f"FROM {image}", dockerfiles()[number], flags=re.MULTILINE)
    )
    name = f"smalls-test-base-{number}:{run_folder().name}"
    at_end(f"base-image-{number}", "image", "rm", "--force", name)
    build(name, project.path)
    done = container("migrate", env={**database.env, "SMALLS_MODEL": "models"}, of=name)
    assert done.code == 0, done.stderr
    assert "greetings" in database.tables()
    assert "python -m pip" not in shell(name, "python -m pip --version 2>/dev/null || true")


def test_the_bill_of_materials(image: str) -> None:
    """It names what the lock pins and nothing else, and the libraries in the driver's wheel."""
    bill = json.loads(shell(image, "cat /opt/smalls/sbom.cdx.json"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {f"{each['name'].lower()}=={each['version']}" for each in bill["components"]} == set(
        pins("requirements")
    )
    for each in bill["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name'].lower()}@{each['version']}"
    driver = next(each for each in bill["components"] if each["name"] == "psycopg2-binary")
    assert any("libpq" in part["name"] for part in driver["components"])
    needs = {each["ref"].partition("@")[0]: each["dependsOn"] for each in bill["dependencies"]}
    assert len(needs["pkg:pypi/smalls"]) == len(
        [each for each in requires("smalls") or () if "extra ==" not in each]
    )


def test_no_line_names_a_machine() -> None:
    """The Dockerfile and what it runs build on any architecture."""
    named = re.compile(r"amd64|x86|arm64|aarch64|TARGETARCH|uname -m|dpkg --print", re.IGNORECASE)
    for name in ("Dockerfile", "entrypoint.sh", "docker/sbom.py"):
        assert named.findall((ROOT / name).read_text()) == []


def test_the_lock_has_what_smalls_needs() -> None:
    """Every dependency of smalls is pinned; a wheel that differs by machine has a hash for each."""
    wanted = {re.split(r"[^\w-]", line)[0].lower() for line in requires("smalls") or () if "extra ==" not in line}
    found = pins("requirements")
    assert wanted <= {pin.partition("==")[0] for pin in found}
    for pin, hashes in found.items():
        assert hashes == (len(MACHINES) if pin.startswith("psycopg2-binary==") else 1), pin


@pytest.mark.parametrize("machine", MACHINES)
def test_the_locks_are_whole(machine: str, tmp_path: Path) -> None:
    """On each machine pip finds every wheel, each with a hash of the lock, and needs nothing besides."""
    target = [f"--platform={MACHINES[machine]}", "--python-version=3.13", "--implementation=cp"]
    target += [
        f"--platform=manylinux_2_{version}_{MACHINES[machine].partition('_')[2]}" for version in (17, 28, 34)
    ]
    for lock in LOCKS:
        words = ["download", "--quiet", "--require-hashes", "--only-binary=:all:", f"--dest={tmp_path / lock}"]
        requirements = f"--requirement={ROOT}/docker/{lock}.lock"
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, *target, requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / lock).iterdir())) == len(pins(lock))
