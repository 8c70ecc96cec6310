"""A task that waits for a trigger goes on, or is lost."""

from __future__ import annotations

import pytest

from harness.history import Mark, Record
from harness.judge.deferred import NAME, check
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import at
from tests.unit.judge.airflow_times import Dag, life, recount, whole

BOUNDS = {NAME: Bound(NAME, 0, "count", "a promise"), "schedule.late": Bound("schedule.late", 20, "s", "a promise")}
LIVED = life(Dag("patient", period=20, deferred=True, length=5.0))


def look(records: list[Record]) -> Check:
    (found,) = check(whole(records), BOUNDS)
    return found


def without_end(due: float) -> list[Record]:
    run = next(run for run in LIVED.runs if run.due == due)
    lost = (run.name, "wait", "end")
    return recount([r for r in LIVED.records() if not (isinstance(r, Mark) and (r.dag_run, r.task, r.mark) == lost)])


def test_all_that_came_back_pass() -> None:
    assert look(LIVED.records()).verdict is Verdict.PASS


def test_one_that_did_not_is_named() -> None:
    found = look(without_end(60.0))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)
    assert "patient/scheduled__" in found.because


def test_one_that_may_still_wait_is_nothing_yet() -> None:
    assert look(without_end(180.0)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    "records",
    [
        [r for r in LIVED.records() if not (isinstance(r, Mark) and r.t > at(150))],
        life(Dag("impatient")).records(),
    ],
    ids=["marks lost", "nobody waits"],
)
def test_what_is_not_known_is_invalid(records: list[Record]) -> None:
    assert look(records).verdict is Verdict.INVALID
