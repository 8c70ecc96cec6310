"""Executor × fault: the last runs alone count, each stack has its column, and the floor is that of the same stack."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.outcome import Check, Outcome, Verdict
from harness.report.matrix import LAST_RUNS, Cell, matrix
from harness.slo import CATALOGUE

OUTAGE, WRITES = "availability.read.outage", "availability.write.outage"
NEW_TASK, DURATION = "recovery.first_new_task", "tasks.run_duration"


def check(name: str, measure: float | None, limit: float | None = 10, verdict: Verdict = Verdict.PASS) -> Check:
    unit = CATALOGUE[name].unit
    return Check(name=name, verdict=verdict, measure=measure, limit=limit, unit=unit, origin="", because="")


def run(number: int, *checks: Check, experiment: str = "kill", stack: str = "celery") -> Outcome:
    worst = max((c.verdict for c in checks), key=lambda v: v.rank)
    name = f"{experiment}-{number:04d}"
    return Outcome(run_id=name, experiment=experiment, stack=stack, verdict=worst, checks=checks)


def only(*runs: Outcome) -> Cell:
    (cells,) = [row.cells for row in matrix(runs).rows if row.experiment == "kill"]
    assert cells[0] is not None
    return cells[0]


@pytest.mark.parametrize(
    ("judged", "main"),
    [
        ({OUTAGE, WRITES, DURATION, NEW_TASK}, NEW_TASK),
        ({OUTAGE, WRITES, DURATION}, OUTAGE),
        ({OUTAGE, DURATION}, DURATION),
        (set(), DURATION),
    ],
)
def test_the_measure_is_that_of_what_was_broken(judged: set[str], main: str) -> None:
    cell = only(run(1, *(check(name, 3) for name in sorted(judged)), check("rollback.time", 1)))
    assert cell.name == main
    assert cell.median == (3 if judged else None)


def test_the_last_runs_count_and_no_earlier_ones() -> None:
    early = run(0, check(DURATION, 99, verdict=Verdict.FAIL))
    late = [run(n, check(DURATION, n)) for n in range(1, LAST_RUNS + 1)]
    cell = only(*late, early)
    assert cell.verdicts == ((Verdict.PASS, LAST_RUNS),)
    assert (cell.median, cell.worst, cell.limit) == (3, 5, 10)
    assert cell.used == 0.5


def test_one_failure_makes_the_cell_fail_and_what_was_not_measured_is_left_out() -> None:
    cell = only(
        run(1, check(DURATION, 12, verdict=Verdict.FAIL)), run(2, check(DURATION, None, verdict=Verdict.INVALID))
    )
    assert cell.verdict is Verdict.FAIL
    assert cell.verdicts == ((Verdict.INVALID, 1), (Verdict.FAIL, 1))
    assert (cell.median, cell.used) == (12, 1.0)


def test_the_floor_is_the_same_measure_with_nothing_broken_on_that_stack() -> None:
    nulls = [run(n, check(OUTAGE, n, 0), check(WRITES, 0, 0), experiment="null") for n in (1, 2)]
    other = run(3, check(OUTAGE, 9, 0), experiment="null", stack="local")
    assert only(run(4, check(OUTAGE, 3), check(WRITES, 1)), *nulls, other).floor == 2
    assert only(run(4, check(DURATION, 3)), *nulls).floor is None


def test_stacks_are_in_their_order_and_a_cell_without_a_run_is_empty() -> None:
    found = matrix([run(1, check(DURATION, 1), stack=s) for s in ("zebra", "local", "celery", "ants")])
    assert found.stacks == ("celery", "local", "ants", "zebra")
    found = matrix([run(1, check(DURATION, 1)), run(1, check(DURATION, 1), experiment="b", stack="local")])
    assert [[cell is None for cell in row.cells] for row in found.rows] == [[True, False], [False, True]]
    assert matrix([]).rows == ()


@given(st.floats(0, 1e6), st.one_of(st.none(), st.floats(0, 1e6)))
def test_how_much_of_a_limit_was_used_is_a_share(measure: float, limit: float | None) -> None:
    used = only(run(1, check(DURATION, measure, limit))).used
    assert 0 <= used <= 1
    if limit == 0:
        assert used == float(measure > 0)
