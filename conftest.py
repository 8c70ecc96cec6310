"""Options and fixtures only. `pytest -m chaos` and `-m stack` need a standing stack (`make up`)."""

from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis

from harness.settings import Settings
from harness.testing.plugin import add_options

# How long an example takes says nothing on a machine that is shared.
hypothesis.register_profile("patient", deadline=None)
hypothesis.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Here the options of the package's plugin have short names too."""
    add_options(parser, "--")


@pytest.fixture(scope="session")
def settings(chaos_settings: Settings) -> Settings:
    """The settings of the standing stack, as every command reads them."""
    return chaos_settings
