"""An accepted run that others cannot see is found; an answer that is only late is not held against anybody."""

from __future__ import annotations

import pytest

from harness.history import Op, Record
from harness.judge.stale import FEWEST, NAME, check
from harness.outcome import Check, Verdict
from harness.slo import bound_of
from tests.unit.builders import at, meta, op, whole

BOUND = bound_of(NAME, {"limit": 0, "unit": "count", "origin": "a promise"}, "here")


def accepted(name: str, t: float) -> list[Record]:
    return [op(t, "trigger", "invoke", name, tasks=[]), op(t + 0.1, "trigger", "ok", name)]


def saw(name: str, asked: float, kind: str, took: float = 0.05) -> Op:
    return op(asked + took, "look", kind, name, asked=at(asked))  # type: ignore[arg-type]


def seen(count: int, first: int = 0) -> list[Record]:
    return [
        r
        for n in range(first, first + count)
        for r in (*accepted(f"r{n}", n), saw(f"r{n}", n + 0.6, "ok"), saw(f"r{n}", n + 2.6, "ok"))
    ]


def look(*records: Record) -> Check:
    (found,) = check(whole([meta({}), *records]), {NAME: BOUND})
    return found


def test_what_everybody_sees_passes() -> None:
    found = look(*seen(FEWEST))
    assert (found.verdict, found.measure) == (Verdict.PASS, 0)


def test_what_is_not_there_after_two_seconds_fails() -> None:
    found = look(*seen(FEWEST), *accepted("gone", 50), saw("gone", 50.6, "fail"), saw("gone", 52.6, "fail"))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "gone; the first was accepted 50.1 s into the run" in found.because


def test_what_is_seen_and_then_not_fails() -> None:
    found = look(*seen(FEWEST), *accepted("gone", 50), saw("gone", 50.6, "ok"), saw("gone", 52.6, "fail"))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)


def test_what_comes_within_two_seconds_is_in_time() -> None:
    found = look(*seen(FEWEST), *accepted("late", 50), saw("late", 50.6, "fail"), saw("late", 52.6, "ok"))
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("kind", ["ok", "info"])
def test_too_few_looks_know_nothing(kind: str) -> None:
    more = [*accepted("r", 50), saw("r", 52.6, kind)] if kind == "info" else []
    found = look(*seen(FEWEST - 1), *more)
    assert found.verdict is Verdict.INVALID
    assert f"Only {FEWEST - 1} accepted runs" in found.because


def test_a_run_that_was_refused_is_owed_to_nobody() -> None:
    refused = [op(50, "trigger", "invoke", "no", tasks=[]), op(50.1, "trigger", "fail", "no"), saw("no", 52.6, "fail")]
    assert look(*seen(FEWEST), *refused).verdict is Verdict.PASS


def test_without_a_bound_nothing_is_said() -> None:
    assert check(whole([meta({}), *seen(FEWEST)]), {}) == ()
