"""Text from a database on a terminal."""

from smalls.visible import indented, visible


def test_nothing_steers_the_terminal():
    """Escapes, bells, and what turns the direction of writing are shown; text of any language stays as it is."""
    assert visible("é 漢字 🎉\n\ta") == "é 漢字 🎉\n\ta"
    assert visible("\x1b[2J\a\x7f\u202e") == r"\x1b[2J\x07\x7f\u202e"


def test_a_line_within_a_line_stays_within_it():
    """It begins further right."""
    assert indented("  a\nDigest: b\u2028c") == "  a\n    Digest: b\n    c"
    assert indented("") == ""
