"""Several experiments: each is looked at before the first begins, and the worst verdict is the end of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import ground
from harness.campaigns import series
from harness.campaigns.repeat import refuse
from harness.errors import UsageError
from harness.outcome import Outcome, Verdict
from harness.progress.show import Planned, Showing
from harness.run import Opened, Result
from harness.settings import Settings
from tests.unit.plans import experiment
from tests.unit.test_run import no_bound, no_stack, settings

__all__ = ["settings"]


def outcome(verdict: Verdict) -> Outcome:
    return Outcome(run_id="r", experiment="e", stack="s", verdict=verdict, checks=())


class Runs:
    """What would come of one run after the other; None is one that is refused."""

    def __init__(self, *verdicts: Verdict | None, interrupted: int = -1) -> None:
        self._verdicts = list(verdicts)
        self._interrupted = interrupted
        self.remade: list[str] = []

    def conduct(self, path: Path, settings: Settings, remade: str, opened: Opened) -> Result:
        number = len(self.remade)
        self.remade.append(remade)
        verdict = self._verdicts[number]
        if verdict is None:
            raise UsageError("the stack is not up")
        return Result(Path(), outcome(verdict), interrupted=number == self._interrupted)


def run(monkeypatch: pytest.MonkeyPatch, settings: Settings, runs: Runs, count: int) -> tuple[list[Result], list[str]]:
    said: list[str] = []
    monkeypatch.setattr(series, "conduct", runs.conduct)
    monkeypatch.setattr(ground, "ensure", lambda *_: "rebuilt")
    display: Any = None
    paths = [Path(f"{number}.json") for number in range(count)]
    return series.run(paths, settings, Showing(None, [], settings.reports), display, said.append), said


def test_after_what_is_no_pass_the_steady_state_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    runs = Runs(Verdict.PASS, Verdict.FAIL, Verdict.INVALID, Verdict.PASS)
    results, said = run(monkeypatch, settings, runs, 4)
    assert (len(results), said) == (4, [])
    assert runs.remade == ["", "", "rebuilt", "rebuilt"]
    assert series.verdict(results, 4) is Verdict.FAIL


def test_a_refusal_ends_the_series_and_is_no_pass(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    results, said = run(monkeypatch, settings, Runs(Verdict.PASS, None, Verdict.PASS), 3)
    assert len(results) == 1
    assert said == ["1.json was not run, nor any after it: the stack is not up"]
    assert series.verdict(results, 3) is Verdict.INVALID
    with pytest.raises(UsageError, match="the stack is not up"):
        run(monkeypatch, settings, Runs(None, Verdict.PASS), 2)


def test_an_interruption_ends_the_series_and_is_no_pass(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    results, _ = run(monkeypatch, settings, Runs(Verdict.INVALID, Verdict.PASS, interrupted=0), 2)
    assert len(results) == 1
    assert series.verdict(results, 2) is Verdict.INVALID


@given(st.lists(st.sampled_from(Verdict), max_size=5), st.integers(0, 3))
def test_the_end_is_the_worst_and_a_pass_only_where_all_were_run(verdicts: Sequence[Verdict], missing: int) -> None:
    results = [Result(Path(), outcome(verdict)) for verdict in verdicts]
    found = series.verdict(results, len(results) + missing)
    assert (found is Verdict.PASS) == (bool(verdicts) and not missing and set(verdicts) == {Verdict.PASS})
    assert (found is Verdict.FAIL) == (Verdict.FAIL in verdicts)


def test_each_is_looked_at_before_the_first_begins(settings: Settings, tmp_path: Path) -> None:
    good = no_stack(tmp_path)
    (planned,) = series.planned([good], settings)
    assert isinstance(planned, Planned)
    assert (planned.experiment.name, planned.stack) == ("small", "celery")
    assert len(series.planned([good], settings, repeat=3)) == 3
    wrong = tmp_path / "wrong.json"
    raw = experiment()
    raw["method"][0]["provider"]["func"] = "kill_postman"
    wrong.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(UsageError, match=r"wrong\.json: .*kill_postman"):
        series.planned([good, wrong], settings)
    with pytest.raises(UsageError, match=r"has no bound tasks\.lost"):
        series.planned([no_bound(tmp_path)], settings)


def test_several_runs_are_of_one_experiment() -> None:
    refuse(100, 1)
    refuse(1, 7)
    for count, experiments in ((0, 1), (101, 1), (2, 2)):
        with pytest.raises(UsageError, match=f"--repeat {count}: "):
            refuse(count, experiments)
