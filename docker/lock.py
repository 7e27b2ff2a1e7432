"""Pin what the image installs, by version and hash: `make lock` writes docker/*.lock anew."""  # noqa: INP001 -- a script, in no package

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = "3.13"
MACHINES = ("x86_64", "aarch64")
GLIBC = ("2014", "_2_17", "_2_28", "_2_34")


def main() -> None:
    """Write a lock file for what smalls runs on, and one for what builds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, wanted in {
        "requirements": project["project"]["dependencies"],
        "build": project["build-system"]["requires"],
    }.items():
        (ROOT / f"docker/{name}.lock").write_text(lock(wanted))


def lock(wanted: list[str]) -> str:
    """Give pip's lock text for requirements, with one hash a machine where wheels differ."""
    hashes: dict[str, set[str]] = {}
    for machine in MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            download(wanted, machine, folder)
            for wheel in Path(folder).iterdir():
                name, version, *_ = wheel.name.split("-")
                pin = f"{name.replace('_', '-').lower()}=={version}"
                hashes.setdefault(pin, set()).add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    title = f"# Written by docker/lock.py for CPython {PYTHON} on {' and '.join(MACHINES)}"
    return "\n".join([title, *(entry(pin, hashes[pin]) for pin in sorted(hashes)), ""])


def entry(pin: str, hashes: set[str]) -> str:
    """Give one requirement with its hashes, as pip reads it."""
    return " \\\n    ".join([pin, *(f"--hash=sha256:{each}" for each in sorted(hashes))])


def download(wanted: list[str], machine: str, folder: str) -> None:
    """Fetch the wheels that pip would install on a machine of that kind."""
    platforms = [f"--platform=manylinux{version}_{machine}" for version in GLIBC]
    target = [f"--python-version={PYTHON}", "--implementation=cp", "--only-binary=:all:", *platforms]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder, *target, *wanted]
    subprocess.run(command, check=True)  # noqa: S603 - our own words


if __name__ == "__main__":
    main()
