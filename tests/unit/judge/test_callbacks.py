"""A run whose success is told twice is found by what its DAG says, and by nothing that its tasks do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.history import Event, Mark, Op, Record
from harness.judge.callbacks import FEWEST, LOST, NAME, check
from harness.outcome import Check, Verdict
from harness.slo import bound_of
from tests.unit.builders import at, meta, op, whole
from tests.unit.judge import airflow_times
from tests.unit.judge.airflow_times import Dag, life

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


SCHEDULED = life(Dag("left", callbacks=True))
BOTH = {NAME: BOUND, LOST: bound_of(LOST, {"limit": 0, "unit": "count", "origin": "a promise"}, "here")}


def of_schedule(records: list[Record]) -> dict[str, Verdict]:
    return {found.name: found.verdict for found in check(airflow_times.whole(records), BOTH)}


def called(record: Record) -> bool:
    return isinstance(record, Event) and record.what == "called"


def test_scheduled_runs_that_tell_of_their_end_pass() -> None:
    assert of_schedule(SCHEDULED.records()) == {NAME: Verdict.PASS, LOST: Verdict.PASS}


def test_one_that_does_not_is_lost_and_one_that_does_twice_is_doubled() -> None:
    records = SCHEDULED.records()
    call = next(filter(called, records))
    assert of_schedule([r for r in records if r is not call]) == {NAME: Verdict.PASS, LOST: Verdict.FAIL}
    assert of_schedule([*records, call]) == {NAME: Verdict.FAIL, LOST: Verdict.PASS}


def test_none_at_all_is_lost_and_nothing_to_be_doubled() -> None:
    records = [r for r in SCHEDULED.records() if not called(r)]
    assert of_schedule(records) == {NAME: Verdict.INVALID, LOST: Verdict.FAIL}


@pytest.mark.parametrize(
    "drop",
    [
        lambda r: isinstance(r, Op) and r.type == "ok" and r.f == "listed",
        lambda r: isinstance(r, Event) and r.object == "clock",
        lambda r: isinstance(r, Mark) and r.t > at(190),
        lambda r: isinstance(r, Op) and r.f == "scheduled",
    ],
    ids=["not asked", "no clock", "marks lost", "no runs"],
)
def test_what_is_not_known_of_them_is_invalid(drop: Callable[[Record], bool]) -> None:
    assert of_schedule([r for r in SCHEDULED.records() if not drop(r)])[LOST] is Verdict.INVALID
