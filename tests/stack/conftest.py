"""The standing stack, for tests that call a part of the harness by itself."""

from __future__ import annotations

import pytest

from harness.kube import Kube
from harness.settings import Settings
from harness.stack.access import Access, open_access


@pytest.fixture(scope="session")
def kube(settings: Settings) -> Kube:
    return Kube(settings)


@pytest.fixture(scope="session")
def access(settings: Settings, kube: Kube) -> Access:
    return open_access(settings, kube)
