"""From findings to advice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audit.rule import Finding, Rule, Said, Word
from harness.audit.rules import EVERY
from harness.audit.sarif import sarif
from harness.audit.shown import FRESH, Run, State, advise, explanations
from harness.commands.auditing import OURS
from harness.errors import UsageError
from harness.report import audit as page
from harness.settings import ROOT
from harness.tables import compose

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def rule(experiment: str = "scheduler-kill") -> Rule:
    return Rule("a-rule", "A rule", "An outage", "a: change", experiment, (), lambda _: ())


def finding(word: Word, experiment: str = "scheduler-kill") -> Finding:
    return Finding(rule(experiment), Said("here", word, "something"))


def run(days: float, passed: bool = True, experiment: str = "scheduler-kill") -> Run:
    return Run(experiment, (NOW - timedelta(days=days)).isoformat(), passed)


def state(found: Finding, *runs: Run) -> State:
    return advise([found], runs, {}, NOW)[0].state


def test_what_holds_is_shown_by_a_run_that_passed_and_stale_after_thirty_days() -> None:
    good = finding(Word.HOLDS)
    assert state(good) is State.TO_BE_SHOWN
    assert state(good, run(29)) is State.SHOWN
    assert state(good, run(31)) is State.STALE
    assert state(good, run(1, experiment="null")) is State.TO_BE_SHOWN
    assert state(finding(Word.HOLDS, "")) is State.HOLDS


def test_the_newest_run_counts_whatever_earlier_ones_came_to() -> None:
    assert state(finding(Word.HOLDS), run(1, passed=False), run(5)) is State.TO_BE_SHOWN
    assert state(finding(Word.HOLDS), run(5, passed=False), run(1)) is State.SHOWN


@given(days=st.floats(0, 400), passed=st.booleans())
def test_no_run_shows_what_is_broken_or_unknown(days: float, passed: bool) -> None:
    assert state(finding(Word.BROKEN), run(days, passed)) is State.TO_DO
    assert state(finding(Word.UNKNOWN), run(days, passed)) is State.UNKNOWN
    shown = state(finding(Word.HOLDS), run(days, passed))
    assert (shown is State.SHOWN) == (passed and timedelta(days=days) <= FRESH)


def test_an_explanation_stands_where_the_finding_was_and_explains_nothing_else() -> None:
    why = {"a-rule": "It is meant to be so."}
    assert advise([finding(Word.BROKEN)], [], why, NOW)[0].state is State.EXPLAINED
    assert advise([finding(Word.HOLDS)], [], why, NOW)[0].state is State.TO_BE_SHOWN


def test_our_explanations_name_rules_that_are_there() -> None:
    names = {one.name for one in EVERY}
    assert compose(OURS) is not None
    for folder in (ROOT / "deploy" / "overlays").iterdir():
        assert set(explanations(OURS, folder.name)) <= names


def test_a_file_that_explains_nothing_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "why.yaml"
    file.write_text("celery: [a-rule]")
    with pytest.raises(UsageError, match=r"why\.yaml: celery"):
        explanations(file, "celery")
    with pytest.raises(UsageError, match="there is no file"):
        explanations(tmp_path / "none.yaml", "celery")


def test_sarif_has_a_result_for_what_is_to_do_or_unknown() -> None:
    advice = advise([finding(word) for word in Word], [], {}, NOW)
    found = sarif(advice, "1")["runs"][0]
    assert [one["level"] for one in found["results"]] == ["error", "warning"]
    assert {one["ruleId"] for one in found["results"]} == {one["id"] for one in found["tool"]["driver"]["rules"]}


def test_the_page_tells_all_of_it_and_runs_none_of_it() -> None:
    nasty = Finding(rule(), Said("<script>alert(1)</script>", Word.BROKEN, "</td>"))
    drawn = page.page("airflow", advise([nasty, finding(Word.HOLDS)], [run(1)], {}, NOW))
    assert "<script>" not in drawn
    assert "to do" in drawn
    assert "shown" in drawn
