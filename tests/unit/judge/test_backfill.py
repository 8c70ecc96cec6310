"""A backfill that was accepted owes each of its runs once, beside what the timetable owes; and what is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history import Mark, Op, Record
from harness.judge.schedule import check
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import at
from tests.unit.judge.airflow_times import ASKED, Dag, Life, Run, asked_for, life, recount, rename, whole

LIMITS = {"schedule.late": 20.0, "schedule.caught_up": 60.0, "tasks.run_duration": 30.0}
BOUNDS = {
    name: Bound(name, LIMITS.get(name, 0), CATALOGUE[name].unit, "a promise")
    for name in (*(n for n in CATALOGUE if n.startswith("schedule.")), "tasks.run_duration")
}
DAG = Dag("filled", period=30, backfill=6, most=1, length=4.0)
LIVED = life(DAG, away=[(40, 70)])
GOOD = LIVED.records()


def look(records: list[Record]) -> dict[str, Check]:
    return {found.name.removeprefix("schedule."): found for found in check(whole(records), BOUNDS)}


def wrong(records: list[Record]) -> dict[str, Verdict]:
    return {name: one.verdict for name, one in look(records).items() if one.verdict is not Verdict.PASS}


def filled(life: Life = LIVED) -> list[Run]:
    return [run for run in life.runs if run.filled]


def of(run: Run) -> Callable[[Any], bool]:
    return lambda record: (
        record.dag_run == run.name
        if isinstance(record, Mark)
        else isinstance(record, Op) and record.value.get("dag_run") == run.name
    )


def without(which: Callable[[Any], bool], records: list[Record] = GOOD) -> list[Record]:
    return recount([record for record in records if not which(record)])


def value(run: Run, **fields: Any) -> list[Record]:
    return rename(GOOD, lambda op: {**op.value, **fields} if op.value["dag_run"] == run.name else op.value)


def is_step(*types: str) -> Callable[[Any], bool]:
    return lambda record: isinstance(record, Op) and record.f == "backfill" and record.type in types


def answered(answer: Any, records: list[Record] = GOOD) -> list[Record]:
    rest = without(is_step("invoke", "ok"), records)
    return sorted([*rest, *asked_for(DAG, answer)], key=lambda record: record.t)


def test_runs_of_a_backfill_pass_beside_those_of_the_timetable() -> None:
    assert wrong(GOOD) == {}
    own = sum(not run.filled and run.made < ASKED for run in LIVED.runs)
    assert f"Of {own + DAG.backfill} runs that were due, never made 0" in look(GOOD)["missed"].because
    assert f"Of {own} runs of DAGs that may have one at work" in look(GOOD)["order"].because


@settings(max_examples=30, deadline=None)
@given(st.integers(0, DAG.backfill - 1))
def test_one_that_never_came_is_missed_and_is_told_when_it_was_asked_for(number: int) -> None:
    records = without(of(filled()[number]))
    assert wrong(records) == {"missed": Verdict.FAIL}
    (window,) = look(records)["missed"].windows
    assert (window.start, window.end) == (at(0.5), at(ASKED))
    assert "never made" in window.what


@settings(max_examples=30, deadline=None)
@given(st.integers(0, DAG.backfill - 1))
def test_a_second_one_of_the_same_date_is_extra(number: int) -> None:
    run = filled()[number]
    again = [
        record.model_copy(update={"value": {**record.value, "dag_run": "backfill__again"}})
        for record in GOOD
        if isinstance(record, Op) and of(run)(record)
    ]
    records = recount(sorted([*GOOD, *again], key=lambda record: record.t))
    found = wrong(records)
    assert found["extra"] is Verdict.FAIL
    assert "a second one of the same tick" in look(records)["extra"].because


def test_one_of_a_date_that_nobody_asked_for_is_extra() -> None:
    late = value(filled()[0], logical_date="2026-06-01T12:00:00+00:00")
    assert wrong(late) == {"missed": Verdict.FAIL, "extra": Verdict.FAIL}
    assert "of no tick" in look(late)["extra"].because


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"state": "failed"}, "failed"), ({"state": "running", "end_date": None}, "never ended")],
)
def test_one_that_is_made_and_not_done_is_missed(fields: dict[str, Any], why: str) -> None:
    records = value(filled()[-1], **fields)
    assert wrong(records) == {"missed": Verdict.FAIL}
    assert why in look(records)["missed"].because


def test_one_whose_task_ended_twice_is_doubled() -> None:
    end = next(r for r in GOOD if isinstance(r, Mark) and of(filled()[1])(r) and r.mark == "end")
    records = recount(sorted([*GOOD, end], key=lambda record: record.t))
    assert wrong(records) == {"doubled": Verdict.FAIL}


def test_what_is_still_to_come_is_neither_missed_nor_passed() -> None:
    """It waits for those before it, however long that takes, and not for itself."""
    long = life(Dag("filled", period=30, backfill=9, length=22.0))
    (going,) = (run for run in filled(long) if run.began and (run.ended is None or run.ended >= ASKED))
    assert ASKED - going.made > 150
    found = look(long.records())["missed"]
    assert found.verdict is Verdict.INVALID
    assert "was not over when Airflow was asked, and may be still to come" in found.because


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (answered("fail"), "The backfill of filled was refused"),
        (answered("info"), "It is not known whether Airflow took the backfill of filled"),
        (without(is_step("ok")), "It is not known whether Airflow took the backfill of filled"),
        (without(is_step("invoke", "ok")), "No backfill of filled was asked for"),
    ],
)
def test_what_may_not_be_owed_is_invalid_and_nothing_of_it_is_missed(records: list[Record], why: str) -> None:
    for some in (records, without(of(filled()[2]), records)):
        assert wrong(some) == {"missed": Verdict.INVALID}
        assert why in look(some)["missed"].because


def test_an_answer_to_what_was_never_asked_is_damage() -> None:
    with pytest.raises(Exception, match="answered and never asked for"):
        check(whole(without(is_step("invoke"))), BOUNDS)


def test_a_backfill_that_is_none_of_ours_is_not_judged() -> None:
    other = life(Dag("even", period=10), away=[(60, 61)])
    extra = next(r for r in other.records() if isinstance(r, Op) and r.f == "scheduled")
    theirs = {**extra.value, "dag_run": "backfill__x", "run_type": "backfill", "logical_date": None}
    records = recount([*other.records(), extra.model_copy(update={"value": theirs})])
    assert wrong(sorted(records, key=lambda r: r.t)) == {"order": Verdict.INVALID, "overlap": Verdict.INVALID}
