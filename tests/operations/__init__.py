"""Every kind of change on every engine: forward, back and forward again on real databases with rows in them."""

import pytest

pytest.register_assert_rewrite("tests.operations.harness")
