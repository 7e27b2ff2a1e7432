"""The pages hold together: what they link to is there."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import smalls
from smalls import errors
from smalls.cli.main import COMMANDS
from smalls.events import EVENTS
from smalls.specs import SPECS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading in it if it names one."""
    broken = [link for link in LINK.findall(page.read_text()) if "://" not in link and not _leads(page, link)]
    assert broken == []


def _leads(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as code hosts make them."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ---- the pages tell what the code does


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def _error_classes() -> list[type[errors.SmallsError]]:
    """Give every class of error of the package, in whatever module."""
    for module in pkgutil.walk_packages(smalls.__path__, "smalls."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [errors.SmallsError]
    for each in found:
        found += [sub for sub in each.__subclasses__() if sub not in found and sub.__module__.startswith("smalls.")]
    return found


def test_every_setting_stands_in_the_settings_page() -> None:
    """Each variable of the table of settings is in the page's table, and no other is."""
    table = [line.split("|")[1] for line in _page("settings.md").splitlines() if line.startswith("| `SMALLS_")]
    told = {name for cell in table for name in re.findall(r"SMALLS_[A-Z_]+", cell)}
    assert told == {spec.variable for spec in SPECS.values()} | {"SMALLS_CONFIG"}


def test_every_exit_code_stands_in_its_page_with_whether_a_retry_helps() -> None:
    """The page's table has each code of the code's own table, and says of each whether to retry."""
    rows = re.findall(r"^\| (\d+) \|.*\| (yes|no)?\s*\|$", _page("exit-codes.md"), re.MULTILINE)
    told = {int(code): word == "yes" for code, word in rows}
    assert told == {int(code): code.retryable for code in errors.Exit}


def test_every_error_code_has_its_place_in_troubleshooting() -> None:
    """Each code has a section, which begins with its exit code; there is no section for a code that is not."""
    sections = re.findall(r"^## (SML-[A-Z-]+)\n\nExit (\d+)\.", _page("troubleshooting.md"), re.MULTILINE)
    assert {code: int(number) for code, number in sections} == {
        each.code: int(each.exit_code) for each in _error_classes()
    }


def test_every_error_says_what_to_do() -> None:
    """No class of error is without a hint of its own making or its parent's."""
    assert [each.__name__ for each in _error_classes() if not each.hint.endswith((".", "`", ")"))] == []


def test_every_command_has_a_page_that_the_index_names() -> None:
    """There is a page for each command, and the index links to it."""
    index = _page("commands/README.md")
    assert [name for name in COMMANDS if f"({name}.md)" not in index] == []
    pages = {path.stem for path in (ROOT / "docs/commands").glob("*.md")} - {"README"}
    assert pages == set(COMMANDS)


def test_every_event_stands_in_the_events_page() -> None:
    """The page's table has each event of the catalogue with its level, meaning and fields."""
    rows = {
        name: f"| `{name}` | {spec.level} | {spec.meaning} | "
        + ", ".join(f"`{field}`" for field in (*spec.fields, *spec.sometimes))
        + " |"
        for name, spec in EVENTS.items()
    }
    page = _page("events.md")
    assert [name for name, row in rows.items() if row not in page] == []
