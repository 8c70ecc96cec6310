"""What is printed says what was measured, and how sure that is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.commands import console
from harness.judge.calibration import Calibration, Row
from harness.judge.regression import Compared, Finding
from harness.judge.repeated import summed_up
from harness.outcome import Check, Outcome, Verdict
from harness.trends.counts import Count
from harness.trends.gate import Change
from harness.trends.trend import Drift


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
    assert "With 3 runs, the true median lies in this interval with 75 %" in text
    assert "INVALID e on s: It rests on 3 of 5 runs: 3 PASS. somewhere" in text


def test_drifts_are_shown_by_experiment(said: Console) -> None:
    drifts = [Drift(e, "s", "rollback.time", "s", 0, None, None, None, None, 1.5) for e in ("one", "two")]
    console.show_drifts(drifts)
    text = said.export_text()
    assert "one on s" in text
    assert "two on s" in text
    assert text.count("1.5 s") == 2


def test_comparisons_are_shown_with_what_is_found_and_how_many_runs_it_takes(said: Console) -> None:
    slow = Compared("rollback.time", 5, 20, 0.0001)
    changes = [
        Change("one", "s", slow, "s", 9.5, 1.25, Finding.REGRESSION),
        Change("two", "s", Compared("[b]runs that are FAIL", 1, 0, 1.0), "%", 0.0, None, Finding.UNKNOWN, 12),
    ]
    console.show_changes(changes, 0.95)
    lines = [line.split() for line in said.export_text().splitlines()]
    assert ["rollback.time", "9.5", "s", "1.25", "s", "5,", "20", "0.0001", "regression"] in lines
    told = ["[b]runs", "that", "are", "FAIL", "0", "%", "1,", "0", "1", "cannot", "tell;", "12", "more"]
    assert any(line[: len(told)] == told for line in lines)
    text = " ".join(word for line in lines for word in line)
    assert "2 comparisons: 1 regression, 1 cannot tell; the chance of any false alarm is at most 5 %." in text


def test_counts_are_shown_by_stack_with_what_they_are_sure_of(said: Console) -> None:
    console.show_counts([Count("one", "celery", 58, 1, 0, 0), Count("two", "local", 0, 0, 1, 1)])
    lines = [line.split() for line in said.export_text().splitlines()]
    assert ["one", "59", "58", "1", "0", "0", "5.0", "%", "7.8", "%", "95.2", "%"] in lines
    assert ["two", "2", "0", "0", "1", "1", "97.5", "%", "77.6", "%", "9.8", "%"] in lines
    assert ["celery"] in lines
    text = " ".join(word for line in lines for word in line)
    assert "Of 61 runs, 1 are unexplained FAILs and 1 are INVALID; with 95 %, the true shares are at most" in text


ERRORS: dict[str, Any] = {"kind": "hang", "conn": "new", "outages": 14, "least_ms": -14.51, "median_ms": 0.0}


@pytest.mark.parametrize(("most", "verdict"), [(25.0, "PASS"), (25.1, "INVALID")])
def test_a_calibration_says_how_far_from_the_truth_it_was(said: Console, most: float, verdict: str) -> None:
    row = Row(**ERRORS, most_ms=most, unfounded=3)
    console.show_calibration(Calibration(wall="", machine="", interval_ms=20.0, stated_ms=25.0, rows=[row]))
    shown = said.export_text()
    assert f"{verdict} measured minus true is at most {most} ms; stated is 25 ms" in shown
    assert ("every run here is INVALID" in shown) is (verdict == "INVALID")
    assert "hang" in shown
    assert "-14.5 ms" in shown
