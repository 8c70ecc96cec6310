"""When the plugin offers experiments: where they are asked for by their mark, and not twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.settings import ROOT
from harness.testing.plugin import asked_for


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("chaos", True),
        ("chaos and nightly", True),
        ("chaos and nightly and not worker", True),
        ("slow or chaos", True),
        ("chaos and celery-ha", True),
        ("not (slow or not chaos)", True),
        ("", False),
        ("slow", False),
        ("not slow", False),
        ("not chaos", False),
        ("not (chaos or slow)", False),
        ("not stack and not chaos", False),
        ("chaos-mesh", False),
        ("chaotic", False),
        ("chaos and", False),
        ("a and b and c and d and e and f and g and h and i and chaos", True),
        ("a and b and c and d and e and f and g and h and i and not chaos", False),
        ("a and b and c and d and e and f and g and h and i and j and k and l and chaos", True),
    ],
)
def test_what_asks_for_experiments(expression: str, asked: bool) -> None:
    assert asked_for(expression) is asked


def called(*words: str) -> subprocess.CompletedProcess[str]:
    """With no folder named, as in `pytest -m chaos`, but over fewer tests."""
    call = [sys.executable, "-m", "pytest", "-o", "testpaths=tests/chaos", "--collect-only", "-q", "-m", "chaos"]
    return subprocess.run(
        [*call, "-p", "no:cacheprovider", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("words", "where"), [((), "tests/chaos/test_experiments.py"), (("tests/unit/clock.py",), "")])
def test_this_repository_offers_its_own_and_the_plugin_no_others(words: tuple[str, ...], where: str) -> None:
    said = called(*words)
    found = [line for line in said.stdout.splitlines() if "::test_experiment[" in line]
    assert bool(found) is bool(where), said.stdout + said.stderr
    assert len(found) == len(set(found))
    assert all(line.startswith(f"{where}::") for line in found)


def test_where_its_own_cannot_be_offered_the_plugin_does_not_step_in() -> None:
    said = called("--stack", "nonesuch")
    assert said.returncode != 0
    assert said.stdout.count("ERROR tests/chaos/test_experiments.py") == 1, said.stdout + said.stderr
    assert "ERROR experiments" not in said.stdout
