"""The fixtures of the conformance suite, which holds locks and looks at servers in this process."""

from tests.conformance.conftest import open_run

__all__ = ["open_run"]
