"""Names that only the server knows, put into statements."""

import pytest

from smalls.sending import _named


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("ALTER TABLE `t` DROP INDEX {name}", "ALTER TABLE `t` DROP INDEX `i`"),
        ("ALTER TABLE `a{name}` DROP INDEX {name}", "ALTER TABLE `a{name}` DROP INDEX `i`"),
        (
            "ALTER TABLE `a``{name}` RENAME INDEX {name} TO `{name}`",
            "ALTER TABLE `a``{name}` RENAME INDEX `i` TO `{name}`",
        ),
    ],
)
def test_a_name_is_put_in_its_place_only(form: str, sent: str):
    """Not into the name of a table that happens to be called so, where its quotes would end that name."""
    assert _named(form, "`i`") == sent
