"""PASS < INVALID < FAIL, in memory and on disk."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.outcome import Check, Outcome, Verdict, Window, worst

VERDICTS = st.sampled_from(list(Verdict))


def check(verdict: Verdict) -> Check:
    window = Window(start=1, end=2, what="it")
    return Check(
        name="a", verdict=verdict, measure=1.5, limit=None, unit="s", origin="", windows=(window,), because="so"
    )


def outcome(*verdicts: Verdict) -> Outcome:
    checks = tuple(map(check, verdicts))
    return Outcome(run_id="r", experiment="e", stack="s", verdict=worst(checks), checks=checks)


def test_exit_codes() -> None:
    assert [(v.value, v.exit_code) for v in Verdict] == [("PASS", 0), ("INVALID", 2), ("FAIL", 1)]


def test_a_failure_is_worse_than_the_unknown_in_any_order() -> None:
    for order in permutations(Verdict):
        assert worst(tuple(map(check, order))) is Verdict.FAIL
    assert worst((check(Verdict.INVALID), check(Verdict.PASS))) is Verdict.INVALID


def test_nothing_judged_is_invalid() -> None:
    assert worst(()) is Verdict.INVALID


@given(st.lists(VERDICTS, min_size=1), VERDICTS)
def test_another_check_never_improves_a_verdict(some: list[Verdict], more: Verdict) -> None:
    before, after = worst(tuple(map(check, some))), worst(tuple(map(check, [*some, more])))
    assert after.rank == max(before.rank, more.rank)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = outcome(*Verdict)
    saved.save(tmp_path / "verdict.json")
    assert Outcome.load(tmp_path / "verdict.json") == saved


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"verdict":"GREAT"}'])
def test_what_is_no_verdict_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="harness report"):
        Outcome.load(path)


def test_a_missing_verdict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Outcome.load(tmp_path / "verdict.json")
