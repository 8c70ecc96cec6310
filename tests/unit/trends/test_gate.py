"""The newest runs are compared with earlier ones on the same machine, and too few of them are no answer."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.judge.regression import Finding
from harness.outcome import Verdict
from harness.trends.gate import BESIDE_MAIN, Change, changes, exit_code
from harness.trends.trend import Kept

PASS, INVALID, FAIL = Verdict
MAIN = "tasks.run_duration"
FAILS = "runs that are FAIL"


def kept(
    number: int,
    measure: float | None = 1.0,
    verdict: Verdict = PASS,
    experiment: str = "e",
    stack: str = "celery",
    machine: str = "m",
    name: str = MAIN,
) -> Kept:
    wall = f"2026-01-01T{number:06}"
    measures = {} if measure is None else {name: measure}
    return Kept(f"{experiment}-{number}", wall, machine, "1", experiment, stack, verdict, 60.0, (), (), measures)


def series(values: Sequence[float], **fields: str) -> list[Kept]:
    return [kept(number, value, **fields) for number, value in enumerate(values)]  # type: ignore[arg-type]


def one(found: list[Change], name: str) -> Change:
    (change,) = [change for change in found if change.compared.name == name]
    return change


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from("mn")), min_size=1, max_size=30), st.integers(1, 10))
def test_newest_and_earlier_are_all_runs_of_the_machine_that_ran_last(runs: list[tuple[float, str]], cut: int) -> None:
    here = [value for value, machine in runs if machine == runs[-1][1]]
    fresh, old = here[-cut:], here[:-cut]
    found = changes([kept(n, value, machine=where) for n, (value, where) in enumerate(runs)], cut, 0.95)
    change = one(found, MAIN)
    assert (change.compared.newest, change.compared.earlier) == (len(fresh), len(old))
    assert change.newest == median(fresh)
    assert change.earlier == (median(old) if old else None)
    assert one(found, FAILS).newest == 0


@given(st.integers(1, 30), st.integers(1, 12), st.sampled_from([0.9, 0.95, 0.99]))
def test_as_many_more_runs_as_are_said_can_tell_and_fewer_cannot(count: int, cut: int, confidence: float) -> None:
    more = one(changes(series([1.0] * count), cut, confidence), MAIN).more
    enough = one(changes(series([1.0] * (count + more)), cut, confidence), MAIN)
    assert (enough.finding, enough.more) == (Finding.AS_BEFORE, 0)
    if more > 1:
        assert one(changes(series([1.0] * (count + more - 1)), cut, confidence), MAIN).finding is Finding.UNKNOWN


@pytest.mark.parametrize(
    ("newest", "code", "finding"),
    [(9.0, 1, Finding.REGRESSION), (1.0, 0, Finding.AS_BEFORE), (0.1, 0, Finding.AS_BEFORE)],
)
def test_what_got_worse_is_a_regression_and_what_got_better_is_none(newest: float, code: int, finding: Finding) -> None:
    found = changes(series([1.0] * 20 + [newest] * 5), 5, 0.95)
    assert one(found, MAIN).finding is finding
    assert exit_code(found) == code


def test_a_measure_that_must_be_large_got_worse_where_it_fell() -> None:
    runs = [kept(n, 1.0 if n < 20 else 0.5, name="scaling.gain") for n in range(25)]
    assert one(changes(runs, 5, 0.95, everything=True), "scaling.gain").finding is Finding.REGRESSION
    risen = [kept(n, 1.0 if n < 20 else 2.0, name="scaling.gain") for n in range(25)]
    assert one(changes(risen, 5, 0.95, everything=True), "scaling.gain").finding is Finding.AS_BEFORE


@pytest.mark.parametrize(("everything", "found"), [(False, [FAIL]), (True, [FAIL, INVALID])])
def test_verdicts_that_became_more_frequent_are_a_regression(everything: bool, found: list[Verdict]) -> None:
    for bad in (FAIL, INVALID):
        runs = [kept(n, verdict=PASS if n < 30 else bad) for n in range(40)]
        told = changes(runs, 10, 0.95, everything=everything)
        red = [change.compared.name for change in told if change.finding is Finding.REGRESSION]
        assert red == ([f"runs that are {bad}"] if bad in found else [])


def test_what_an_invalid_run_measured_is_compared_with_nothing() -> None:
    runs = series([1.0] * 20) + [kept(20 + n, 99.0, INVALID) for n in range(5)]
    change = one(changes(runs, 5, 0.95), MAIN)
    assert (change.compared.newest, change.compared.earlier, change.newest) == (0, 20, None)
    assert change.finding is Finding.UNKNOWN
    assert exit_code(changes(runs, 5, 0.95)) == 2


def test_only_what_an_experiment_is_about_is_compared_unless_all_is_asked_for() -> None:
    measures = {"recovery.first_new_task": 1.0, BESIDE_MAIN: 1.0, MAIN: 1.0, "strange": 1.0}
    runs = [Kept("r", "", "", "", "e", "s", PASS, None, (), (), measures)]
    names = [change.compared.name for change in changes(runs, 5, 0.95)]
    assert names == [FAILS, "recovery.first_new_task", BESIDE_MAIN]
    names = [change.compared.name for change in changes(runs, 5, 0.95, everything=True)]
    assert names == [FAILS, "runs that are INVALID", MAIN, "recovery.first_new_task", BESIDE_MAIN]


def test_a_planted_defect_is_no_change_of_the_stack() -> None:
    runs = [*series([1.0] * 3), kept(9, 9.0, stack="celery-mutant-slow"), kept(9, stack="celery-defaults")]
    found = changes(runs, 5, 0.95)
    assert {(change.stack, change.compared.newest) for change in found} == {("celery", 3), ("celery-defaults", 1)}


def test_experiments_are_chosen_by_name_or_file() -> None:
    runs = [*series([1.0] * 3), *series([1.0] * 3, experiment="f")]
    assert {change.experiment for change in changes(runs, 5, 0.95)} == {"e", "f"}
    for named in ("f", "experiments/f.json"):
        assert {change.experiment for change in changes(runs, 5, 0.95, [named])} == {"f"}
    with pytest.raises(UsageError, match="there is no judged run yet"):
        changes([], 5, 0.95)
    with pytest.raises(UsageError, match="there is no run of g; there are runs of: e, f"):
        changes(runs, 5, 0.95, ["e", "g"])


@pytest.mark.parametrize(
    ("newest", "confidence", "said"),
    [(0, 0.95, "--newest 0"), (101, 0.95, "--newest 101"), (5, 0.4, "--confidence 0.4"), (5, 1.0, "--confidence 1.0"),
     (5, float("nan"), "--confidence nan")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(newest: int, confidence: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        changes(series([1.0]), newest, confidence)
