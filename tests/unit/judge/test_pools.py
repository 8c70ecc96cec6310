"""A pool is judged by what its tasks wrote, where it was full at least once."""

from __future__ import annotations

import pytest

from harness.history import Mark, Record
from harness.judge.pools import NAME, check
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import at, changed, meta
from tests.unit.judge.airflow_times import POOL, Dag, life, whole

BOUND = Bound(NAME, 0, "count", "a promise")
LIVED = life(Dag("left", pooled=True, length=3.0), Dag("right", pooled=True, length=3.0))
SCHEDULES = {dag.name: dag.schedule() for dag in LIVED.dags}


def look(records: list[Record]) -> Check:
    (found,) = check(whole(records), {NAME: BOUND})
    return found


def test_contenders_that_take_turns_pass() -> None:
    found = look(LIVED.records())
    assert (found.verdict, found.measure) == (Verdict.PASS, 0)


def test_two_at_work_in_a_pool_of_one_are_named() -> None:
    second = next(run for run in LIVED.runs if run.dag.name == "right")

    def starts(record: Mark) -> bool:
        return (record.dag, record.dag_run, record.task, record.mark) == ("right", second.name, "work", "start")

    records = changed(LIVED.records(), Mark, starts, lambda r: {"t": r.t - at(1)})
    found = look(records)
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert f"right/{second.name}/work" in found.because
    assert found.windows


@pytest.mark.parametrize(
    "records",
    [
        [r for r in LIVED.records() if not (isinstance(r, Mark) and r.t > at(150))],
        life(Dag("left"), Dag("right")).records(),
        [meta({}, schedules=SCHEDULES, pools={}), *LIVED.records()[1:]],
        [meta({}, schedules=SCHEDULES, pools={POOL: 9}), *LIVED.records()[1:]],
    ],
    ids=["marks lost", "nobody in it", "no slots said", "never full"],
)
def test_what_is_not_known_is_invalid(records: list[Record]) -> None:
    assert look(records).verdict is Verdict.INVALID


def test_without_a_bound_it_is_nobodys_matter() -> None:
    assert check(whole(LIVED.records()), {}) == ()
