"""Throughput at each level, by what the ledger shows of the runs that were asked for there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import Fault, History, Mark, Op, Record
from harness.judge.scaling import GAIN, Level, check, levels
from harness.outcome import Check, Verdict
from harness.slo import Bound
from tests.unit.builders import at

BOUND = Bound(GAIN, 2.0, "times", "origin")


def level(value: int, since: float, until: float, tasks: int, lasts: float | None = None) -> list[Record]:
    """One run of `tasks` tasks, asked for at `since`; the last of them ends after `lasts` seconds."""
    run, each = f"run-{value}-{since}", [["t", i] for i in range(tasks)]
    last = (until - since) / 2 if lasts is None else lasts
    said = {"dag_run": run}
    ends = [at(since + last * (i + 1) / tasks) for i in range(tasks)]
    return [
        Op(t=at(since), process="workload", f="trigger", type="invoke", value={**said, "tasks": each}),
        Op(t=at(since), process="workload", f="trigger", type="ok", value=said),
        *(
            Mark(t=end, dag_run=run, task="t", map_index=i, try_=1, mark=edge, executor_host="h")
            for i, end in enumerate(ends)
            for edge in ("start", "end")
        ),
        Op(t=max(ends), process="workload", f="run", type="ok", value={**said, "state": "success"}),
        ended(value, since, until),
    ]


def ended(value: object, since: float, until: float) -> Fault:
    evidence = {"level": value, "since": at(since), "until": at(until)}
    return Fault(t=at(until), id=f"f-{since}", action="load_at", phase="ended", evidence=evidence)


def judged(*records: Record) -> Check:
    (found,) = check(History.of(sorted(records, key=lambda r: r.t)), {GAIN: BOUND})
    return found


def test_without_a_bound_nothing_is_judged() -> None:
    assert check(History.of(level(2, 0, 10, 4)), {}) == ()


def test_the_gain_is_that_of_the_best_level_over_the_least() -> None:
    found = judged(*level(8, 20, 30, 4, 2), *level(2, 0, 10, 4, 8), *level(4, 40, 50, 4, 4))
    assert (found.verdict, found.measure) == (Verdict.PASS, 4)
    assert found.because.startswith("Throughput at its best over that of the least level: 4 times (tasks: ")
    assert "0.50/s at 2, 1.00/s at 4, 2.00/s at 8" in found.because
    assert found.curve == ((2, 0.5), (4, 1.0), (8, 2.0))
    assert [(w.start, w.end) for w in found.windows] == [(0, at(8)), (at(40), at(44)), (at(20), at(22))]


def test_too_little_gain_fails() -> None:
    assert judged(*level(2, 0, 10, 4, 4), *level(4, 20, 30, 4, 3)).verdict is Verdict.FAIL


def test_more_of_it_may_bring_less_and_the_least_is_still_what_is_compared_with() -> None:
    found = judged(*level(2, 0, 10, 4, 4), *level(4, 20, 30, 4, 8))
    assert (found.verdict, found.measure) == (Verdict.FAIL, 1)


@pytest.mark.parametrize("count", [0, 1])
def test_one_level_is_no_curve(count: int) -> None:
    found = judged(*[record for i in range(count) for record in level(2, 0, 10, 4)])
    assert (found.verdict, found.measure) == (Verdict.INVALID, None)
    assert found.because.startswith("The load was not asked for at two levels or more;")


def broken(how: str) -> list[Record]:
    records = level(4, 20, 30, 4)
    if how == "a task":
        return [r for r in records if not (isinstance(r, Mark) and r.map_index == 3 and r.mark == "end")]
    if how == "the run":
        return [r for r in records if not (isinstance(r, Op) and r.f == "run")]
    return [r for r in records if isinstance(r, Fault)]


@pytest.mark.parametrize("how", ["a task", "the run", "all"])
def test_a_level_that_did_not_end_is_not_judged(how: str) -> None:
    found = judged(*level(2, 0, 10, 4), *level(8, 40, 50, 4), *broken(how))
    assert (found.verdict, found.measure) == (Verdict.INVALID, None)
    assert "Of 3 levels, 1 did not see" in found.because


def test_a_level_whose_work_took_no_time_is_none() -> None:
    found = judged(*level(2, 0, 10, 4), *level(4, 20, 30, 4, 0))
    assert "Of 2 levels, 1 did not see" in found.because


def test_other_faults_are_no_levels() -> None:
    other = Fault(t=at(50), id="o", action="kill_pods", phase="ended", evidence={"unproved": {}})
    begun = Fault(t=at(1), id="b", action="load_at", phase="begin", evidence={"level": 16})
    assert judged(*level(2, 0, 10, 4), *level(4, 20, 30, 4), other, begun).verdict is not Verdict.INVALID


def test_what_was_asked_for_elsewhere_does_not_count() -> None:
    alone = level(2, 0, 10, 4)
    assert levels(History.of([*alone, *level(9, 10, 20, 4)[:-1]])) == levels(History.of(alone)) != ()


@pytest.mark.parametrize("value", ["many", None, [2]])
def test_a_level_that_is_none_is_named(value: object) -> None:
    with pytest.raises(HistoryError, match="a level must say level, since and until"):
        judged(ended(value, 0, 1), ended(2, 1, 2))


@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0.5, 9)), min_size=2, max_size=6))
def test_throughput_is_tasks_over_time(shape: list[tuple[int, float]]) -> None:
    records = [r for n, (tasks, lasts) in enumerate(shape) for r in level(n + 1, n * 10, n * 10 + 10, tasks, lasts)]
    found = levels(History.of(sorted(records, key=lambda r: r.t)))
    assert [one.level for one in found] == list(range(1, len(shape) + 1))
    for one, (tasks, lasts) in zip(found, shape, strict=True):
        assert one.tasks == tasks
        assert one.throughput == pytest.approx(tasks / lasts, rel=1e-3)
    rates = [tasks / lasts for tasks, lasts in shape]
    assert judged(*records).measure == pytest.approx(max(rates) / rates[0], rel=1e-3)


def test_a_level_says_what_it_is() -> None:
    assert str(Level(level=4, tasks=6, since=0, until=at(4))) == "1.50/s at 4"
