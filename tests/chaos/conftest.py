"""The marks that experiments bear, whatever this call asks for."""

from __future__ import annotations

import pytest

from harness.testing.plugin import register_marks


def pytest_configure(config: pytest.Config) -> None:
    register_marks(config)
