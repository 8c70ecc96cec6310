"""What is printed says what was measured, and how sure that is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness import console
from harness.judge.repeated import summed_up
from harness.outcome import Check, Outcome, Verdict
from harness.trend import Drift


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Console:
    recording = Console(record=True, width=80, file=io.StringIO())
    monkeypatch.setattr(console, "out", recording)
    return recording


def run(measure: float) -> Outcome:
    check = Check(
        name="[b]rollback.time", verdict=Verdict.PASS, measure=measure, limit=9, unit="s", origin="", because=""
    )
    return Outcome(run_id="r", experiment="e", stack="s", verdict=Verdict.PASS, checks=(check,))


def test_several_runs_show_their_spread_and_what_the_verdict_rests_on(said: Console) -> None:
    console.show_repeated(summed_up([run(1.25), run(2.5), run(4)], range(3), 5, "e", "s"), Path("somewhere"))
    text = said.export_text()
    row = next(line.split() for line in text.splitlines() if "rollback.time" in line)
    assert row == ["[b]rollback.time", "1.25", "2.5", "1.25", "to", "4", "4", "9", "s"]
    assert "Of 3 runs, the true median lies where it is said to with 75 %" in text
    assert "INVALID e on s: It rests on 3 of 5 runs: 3 PASS. somewhere" in text


def test_drifts_are_shown_by_experiment(said: Console) -> None:
    drifts = [Drift(e, "s", "rollback.time", "s", 0, None, None, None, None, 1.5) for e in ("one", "two")]
    console.show_drifts(drifts)
    text = said.export_text()
    assert "one on s" in text
    assert "two on s" in text
    assert text.count("1.5 s") == 2
