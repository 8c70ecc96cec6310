"""The marks that experiments bear."""

from __future__ import annotations

import pytest

from tests.chaos.selection import cases


def pytest_configure(config: pytest.Config) -> None:
    for name in sorted({name for case in cases() for name in case.marks} - {"chaos", "smoke"}):
        config.addinivalue_line("markers", f"{name}: experiments on or of it")
