"""One test an experiment: run it on the standing stack, and pass only on a verdict of PASS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from harness.outcome import Outcome, Verdict
from harness.run import conduct
from harness.settings import ROOT, Settings

EXPERIMENTS = sorted((ROOT / "experiments").glob("*.json"))


def marked(path: Path) -> ParameterSet:
    """An experiment's tags say in which sets it runs."""
    smoke = "smoke" in json.loads(path.read_text(encoding="utf-8"))["tags"]
    return pytest.param(path, id=path.stem, marks=[pytest.mark.smoke] if smoke else [])


@pytest.mark.chaos
@pytest.mark.parametrize("path", [marked(path) for path in EXPERIMENTS])
def test_experiment(path: Path, settings: Settings, chaos_results: list[tuple[Path, Outcome]]) -> None:
    result = conduct(path, settings)
    chaos_results.append((result.folder, result.outcome))
    bad = [f"{c.name} {c.verdict}: {c.because}" for c in result.outcome.checks if c.verdict is not Verdict.PASS]
    assert result.outcome.verdict is Verdict.PASS, "\n".join([f"{result.folder}:", *bad])
