"""Each scheduled run has its place in the row of its DAG, and what is missing or wrong stands out as the checks say."""

from __future__ import annotations

from typing import Any

import pytest

from harness.history import NS, Event, History, Mark, Op, Record
from harness.judge.verdict import judge
from harness.outcome import Verdict
from harness.records import Schedule
from harness.report import milestones, schedules
from harness.report.lanes import Band, Bar, Lane, Point
from harness.slo import CATALOGUE
from tests.unit.builders import at, meta
from tests.unit.judge.airflow_times import ASKED, Dag, life, recount, rename, wall, whole

SLO = {name: {"limit": 60, "unit": CATALOGUE[name].unit, "origin": "a promise"} for name in CATALOGUE}
SLO |= {name: {**bound, "limit": 0} for name, bound in SLO.items() if bound["unit"] == "count"}
LIVED = life(
    Dag("even", period=10, most=1),
    Dag("sparse", period=10, kind="cron", interval=False, catchup=False),
    Dag("maker", period=20, length=1.0, produces=True),
    Dag("reader", period=0, kind="asset"),
    away=[(61, 95)],
)
GOOD = [LIVED.meta().model_copy(update={"slo": SLO}), *LIVED.records()[1:]]


def band(records: list[Record]) -> Band:
    history = whole(records)
    return schedules.band(history, judge(history))


def lane(records: list[Record], dag: str = "even") -> Lane:
    (found,) = [one for one in band(records).lanes if one.label == dag]
    return found


def points(lane: Lane, *looks: Any) -> list[Point]:
    return [point for point in lane.points if point.look in looks]


def saying(lane: Lane, text: str) -> list[Bar]:
    return [bar for bar in lane.bars if text in bar.said]


def without(dag: str, moment: str) -> list[Record]:
    """The run of a tick never came."""

    def of_it(record: Record) -> bool:
        if isinstance(record, Mark):
            return record.dag == dag and moment in record.dag_run
        return isinstance(record, Op) and record.value["dag"] == dag and moment in record.value.get("dag_run", "")

    return recount([record for record in GOOD if not of_it(record)])


def test_every_dag_has_a_row_and_every_tick_and_run_its_place() -> None:
    found = band(GOOD)
    assert [one.label for one in found.lanes] == ["even", "sparse", "maker", "reader"]
    assert found.title == "Scheduled runs"
    even = lane(GOOD)
    assert [point.t / NS for point in points(even, schedules.DUE)] == [float(t) for t in range(10, int(ASKED) + 1, 10)]
    runs = [run for run in LIVED.runs if run.dag.name == "even" and run.made < ASKED]
    worked = [bar for bar in even.bars if bar.look is schedules.CAME]
    assert sorted(bar.start for bar in worked) == sorted(at(run.began) for run in runs if run.began is not None)
    assert points(lane(GOOD, "reader"), schedules.DUE) == []
    assert len([bar for bar in lane(GOOD, "reader").bars if bar.look is schedules.CAME]) > 3


def test_how_long_a_run_waited_is_drawn_and_said() -> None:
    (waited, worked) = saying(lane(GOOD), "due 2026-06-01T12:01:10Z")
    assert (waited.look, waited.start, waited.end) == (schedules.WAITED, at(70), worked.start)
    assert worked.start > at(95)
    assert f"began {(worked.start - at(70)) / NS:.2f} s after it was due, which was at 70.00 s" in worked.said
    assert "success" in worked.said
    assert "made, which was at" in lane(GOOD, "reader").bars[0].said


def test_a_run_that_never_came_is_a_cross_and_the_check_says_so() -> None:
    (missed,) = points(lane(without("even", "12:00:40")), *schedules.MISSED.values())
    assert (missed.t, missed.look) == (at(40), schedules.MISSED[Verdict.FAIL])
    assert missed.said == "even, due 2026-06-01T12:00:40Z\nFAIL schedule.missed: never made"
    assert points(lane(GOOD), *schedules.MISSED.values()) == []


def test_what_may_stay_away_is_no_miss() -> None:
    free = points(lane(GOOD, "sparse"), schedules.ABSENT)
    assert {point.t / NS for point in free if point.t < at(100)} == {80}
    assert all("no check calls it missed" in point.said for point in free)


def test_without_a_verdict_of_the_judge_nothing_is_called_missed() -> None:
    unbound = meta({}, schedules=LIVED.meta().schedules)
    found = lane([unbound, *without("even", "12:00:40")[1:]])
    assert points(found, *schedules.MISSED.values()) == []
    assert at(40) in [point.t for point in points(found, schedules.ABSENT)]


def test_a_run_that_no_tick_called_for_stands_out() -> None:
    def odd(op: Op) -> dict[str, Any]:
        mine = op.value["dag"] == "even" and "12:00:40" in op.value["dag_run"]
        return {**op.value, "logical_date": wall(33.5), "run_after": wall(43.5)} if mine else op.value

    wrong = [bar for bar in lane(rename(GOOD, odd)).bars if bar.look is schedules.WRONG[Verdict.FAIL]]
    assert [at(40) < bar.start < at(45) for bar in wrong] == [True]
    assert "even, scheduled, of no tick" in wrong[0].said
    assert "FAIL schedule.extra: of no tick" in wrong[0].said


def test_a_run_that_was_made_and_never_done_stands_out() -> None:
    def failed(op: Op) -> dict[str, Any]:
        return {**op.value, "state": "failed"} if "12:00:40" in op.value["dag_run"] else op.value

    (wrong,) = [bar for bar in lane(rename(GOOD, failed)).bars if bar.look is schedules.WRONG[Verdict.FAIL]]
    assert "FAIL schedule.missed: failed" in wrong.said


def test_a_run_that_airflow_does_not_list_is_drawn_by_the_ledger() -> None:
    mark = next(record for record in GOOD if isinstance(record, Mark) and record.dag == "even")
    ghosts = [mark.model_copy(update={"dag_run": f"ghost-{t}", "t": at(t)}) for t in (33, ASKED + 1)]
    found = lane(recount(sorted([*GOOD, *ghosts], key=lambda r: r.t)))
    (early,), (late,) = saying(found, "ghost-33"), saying(found, "ghost-201")
    assert (early.look, early.start) == (schedules.WRONG[Verdict.INVALID], at(33))
    assert "Airflow does not list it" in early.said
    assert (late.look, "after Airflow had been asked" in late.said) == (schedules.OTHER, True)


def test_a_run_of_which_no_task_began_has_a_sign() -> None:
    records = recount([r for r in GOOD if not (isinstance(r, Mark) and "12:00:40" in r.dag_run and r.dag == "even")])
    (sign,) = points(lane(records), schedules.UNBEGUN)
    assert sign.t == at(40)
    assert "no task of it was seen to begin" in sign.said


def test_without_the_clock_runs_are_drawn_and_nothing_is_said_of_when_they_were_due() -> None:
    blind = [record for record in GOOD if not (isinstance(record, Event) and record.object == "clock")]
    found = band(blind)
    assert found.title == (
        "Scheduled runs, without when they were due: "
        "Airflow's clock was read 0 times, and it takes 2 to hold it against ours"
    )
    assert not [point for one in found.lanes for point in points(one, schedules.DUE)]
    assert len(lane(blind).bars) > 10


@pytest.mark.parametrize("fields", [{"expression": "nonsense", "kind": "cron"}, {"unpaused": "never"}])
def test_a_timetable_that_is_none_leaves_what_the_ledger_shows(fields: dict[str, Any]) -> None:
    table = LIVED.meta().schedules
    odd = {**table, "even": Schedule(**{**table["even"].model_dump(), **fields})}
    records = [meta(SLO, schedules=odd), *GOOD[1:]]
    assert points(lane(records), schedules.DUE) == []
    assert len(lane(records).bars) > 10
    assert points(lane(records, "sparse"), schedules.DUE)


def test_a_record_that_is_damaged_is_said() -> None:
    found = band(rename(GOOD, lambda op: {**op.value, "dag_run": ""}))
    assert found.title.startswith("Scheduled runs; nothing can be said about them: a run of ")


def test_there_is_no_band_where_no_dag_runs_by_itself() -> None:
    assert schedules.band(History.of([]), judge(History.of([]))).lanes == ()
    assert band([meta({})]).lanes == ()


def test_however_many_runs_there_are_those_that_went_wrong_stay() -> None:
    table = LIVED.meta().schedules
    crowd = {f"other-{n}": table["reader"] for n in range(schedules.MOST // 12)}
    gone = without("even", "12:00:40")
    found = lane([meta(SLO, schedules={**table, **crowd}), *gone[1:]])
    assert len(found.bars) + len(found.points) < len(lane(gone).bars)
    assert [point.t for point in points(found, schedules.MISSED[Verdict.FAIL])] == [at(40)]
    assert sum(int(bar.said.split()[0]) for bar in saying(found, " runs, from")) > 10
    assert "the longest wait was 25.50 s" in saying(found, " runs, from")[0].said


def test_catching_up_is_a_phase_of_the_recovery() -> None:
    history = whole(GOOD)
    labels = [one.label for one in milestones.band(history, judge(history)).lanes]
    assert [label for label in labels if label.startswith("schedule caught up ")]
