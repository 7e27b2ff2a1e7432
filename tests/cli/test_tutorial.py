"""The page on auto migrations is true: its commands, run in an empty folder, print what it says."""

from pathlib import Path

from tests.tutorial import matches, plain, steps

PAGE = Path(__file__).parents[2] / "docs" / "auto-migrations.md"


def test_the_page_s_commands_print_what_it_says(tmp_path: Path):
    """File by file and command by command, from the top."""
    found = steps(PAGE.read_text(encoding="utf-8"))
    assert {step.kind for step in found} == {"write", "wrote", "run"}
    for step in found:
        real = step.happens(tmp_path)
        assert matches(step.text, real), f"$ {step.what}\n{plain(real)}"


def test_dots_stand_for_any_lines_and_for_nothing_else():
    """A page may leave lines out, not change them."""
    assert matches("a\n...\nd\n", "a\nb\nc\nd\n")
    assert matches("at 2026-11-21 18:20:02.96\n", "at 2027-01-01 00:00:00\n")
    assert not matches("a\n...\nd\n", "a\nb\n")
    assert not matches("a\n", "a\nb\n")
