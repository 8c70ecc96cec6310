"""A run whose success is told twice is found by what its DAG says, and by nothing that its tasks do."""

from __future__ import annotations

import pytest

from harness.history import Event, Record
from harness.judge.callbacks import FEWEST, NAME, check
from harness.outcome import Check, Verdict
from harness.slo import bound_of
from tests.unit.builders import at, meta, op, whole

BOUND = bound_of(NAME, {"limit": 0, "unit": "count", "origin": "a promise"}, "here")


def told(name: str, t: float) -> Event:
    return Event(t=at(t), source="job", object=f"run/{name}", what="told", value={"hostname": "dag-processor"})


def done(count: int) -> list[Record]:
    return [
        r
        for n in range(count)
        for r in (
            op(n, "trigger", "invoke", f"r{n}", tasks=[]),
            op(n + 0.1, "trigger", "ok", f"r{n}"),
            told(f"r{n}", n + 3),
        )
    ]


def read_to_the_end(complete: bool) -> Event:
    return Event(t=at(90), source="probe", object="ledger", what="stopped", value={"marks": 0, "complete": complete})


def look(*records: Record) -> Check:
    (found,) = check(whole([meta({}), *records]), {NAME: BOUND})
    return found


def test_each_success_that_is_told_once_passes() -> None:
    found = look(*done(FEWEST), read_to_the_end(True))
    assert (found.verdict, found.measure) == (Verdict.PASS, 0)


@pytest.mark.parametrize("complete", [True, False])
def test_each_time_beyond_one_counts(complete: bool) -> None:
    found = look(*done(FEWEST), told("r3", 50), told("r3", 51), told("r9", 52), read_to_the_end(complete))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 3)
    assert "(r3, r9)" in found.because


def test_too_few_runs_know_nothing() -> None:
    assert look(*done(FEWEST - 1), told("r3", 50)).verdict is Verdict.INVALID


def test_runs_of_others_do_not_count() -> None:
    found = look(*done(FEWEST), told("steady-1", 50), told("steady-1", 51))
    assert found.verdict is Verdict.PASS


def test_a_ledger_that_was_not_read_to_its_end_hides_what_was_told_twice() -> None:
    assert look(*done(FEWEST), read_to_the_end(False)).verdict is Verdict.INVALID


def test_without_a_bound_it_is_nobodys_matter() -> None:
    assert check(whole([meta({}), *done(FEWEST)]), {}) == ()
