"""SHOW GRANTS read for what it means for one database."""

import pytest

from smalls.grants import holds, privileges

TO = "TO `app`@`%`"


@pytest.mark.parametrize(
    ("line", "everywhere", "here"),
    [
        (f"GRANT ALL PRIVILEGES ON *.* {TO} WITH GRANT OPTION", {"ALL PRIVILEGES"}, {"ALL PRIVILEGES"}),
        (f"GRANT USAGE ON *.* {TO} IDENTIFIED BY PASSWORD '*X'", {"USAGE"}, {"USAGE"}),
        (f"GRANT SELECT, LOCK TABLES, INSERT ON `shop`.* {TO}", set(), {"SELECT", "LOCK TABLES", "INSERT"}),
        (f"GRANT CREATE ON `sh%`.* {TO}", set(), {"CREATE"}),
        (f"GRANT CREATE ON `sho_`.* {TO}", set(), {"CREATE"}),
        (rf"GRANT CREATE ON `sho\_`.* {TO}", set(), set()),
        (f"GRANT CREATE ON `other`.* {TO}", set(), set()),
        (f"GRANT CREATE ON `shop`.`one_table` {TO}", set(), set()),
        (f"GRANT SELECT (a, b), INSERT ON `shop`.* {TO}", set(), {"SELECT", "INSERT"}),
        (f"GRANT EXECUTE ON PROCEDURE `shop`.`p` {TO}", set(), set()),
        ("GRANT `writers`@`%` TO `app`@`%`", set(), set()),
        ("SET DEFAULT ROLE `writers` FOR `app`@`%`", set(), set()),
    ],
)
def test_a_line(line, everywhere, here):
    """Of the whole server, of one database by name or by pattern, of neither."""
    assert privileges([line], "shop") == (everywhere, here)


def test_a_backslash_makes_a_pattern_a_name():
    """As MySQL writes a database's name that has a wildcard in it."""
    assert privileges([rf"GRANT DROP ON `my\_shop\%`.* {TO}"], "my_shop%")[1] == {"DROP"}


def test_a_partial_revoke_takes_away():
    """Everywhere but here."""
    lines = [f"GRANT CREATE, DROP ON *.* {TO}", "REVOKE DROP ON `shop`.* FROM `app`@`%`"]
    assert privileges(lines, "shop") == ({"CREATE", "DROP"}, {"CREATE"})


def test_all_is_each():
    """Who has all of them has every one."""
    assert holds(frozenset({"ALL PRIVILEGES"}), "DROP", "ALTER")
    assert holds(frozenset({"DROP", "ALTER"}), "DROP", "ALTER")
    assert not holds(frozenset({"DROP"}), "DROP", "ALTER")
