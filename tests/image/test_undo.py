"""An image of a release before takes back what a newer image applied, in real containers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.databases import Database
from tests.image.conftest import build
from tests.running import Result
from tests.servers import at_end, run_folder
from tests.undo.images import KEY, digest_of, fill, forget_what_is_lost, images, look

DOCKERFILE = "FROM {image}\nCOPY migrations/ /app/migrations/\nENV SMALLS_VERSION={version}\n"


@pytest.mark.parametrize("database", ["sqlite", "postgres17", "mariadb11", "mysql9"], indirect=True)
def test_there_and_back_and_there_again(
    image: str, container: Callable[..., Result], database: Database, tmp_path: Path
) -> None:
    """Each image brings its own files and its version; the key comes from outside."""
    names = {}
    for version, project in zip(("1.0", "2.0"), images(tmp_path), strict=True):
        (project.path / "Dockerfile").write_text(DOCKERFILE.format(image=image, version=version))
        names[version] = f"{run_folder().name}-undo:{version}"
        at_end(f"undo-{version}", "image", "rm", "--force", names[version])
        build(names[version], project.path)
    env = database.env | {"SMALLS_HISTORY_KEY": KEY}
    options: tuple[str, ...] = ()
    if database.family == "sqlite":
        folder = Path(database.name).parent
        folder.chmod(0o777)  # the container's user is nobody here
        options = (f"--volume={folder}:{folder}",)

    def run(version: str, *arguments: str) -> Result:
        return container(*arguments, env=env, options=options, of=names[version])

    assert run("1.0", "migrate").code == 0
    fill(database)
    first = look(database)
    assert run("2.0", "migrate").code == 0
    second = look(database)
    assert run("1.0", "migrate").code == 9
    asked = run("1.0", "undo", "--to-image")
    assert asked.code == 13
    done = run("1.0", "undo", "--to-image", "--plan-digest", digest_of(asked.stdout))
    assert done.code == 0, done.stderr
    forget_what_is_lost(database)
    assert look(database) == first
    assert run("1.0", "migrate").code == 0
    assert run("2.0", "magic").code == 0
    assert look(database) == second
