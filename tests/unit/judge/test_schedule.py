"""What is said of scheduled runs, and each way not to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import HistoryError
from harness.history import Mark, Op, Record
from harness.judge.schedule import check
from harness.judge.verdict import judge
from harness.outcome import Check, Verdict
from harness.records import Schedule
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import at, healthy, meta
from tests.unit.judge.airflow_times import Dag, Life, life, probe, recount, rename, wall, whole

LIMITS = {"schedule.late": 45.0, "schedule.caught_up": 60.0}
BOUNDS = {
    name: Bound(name, LIMITS.get(name, 0), CATALOGUE[name].unit, "a promise")
    for name in CATALOGUE
    if name.startswith("schedule.")
}
LIVED = life(
    Dag("even", period=10, most=1),
    Dag("sparse", period=20, kind="cron", interval=False, catchup=False),
    away=[(60, 85)],
)
GOOD = LIVED.records()


def look(records: list[Record]) -> dict[str, Check]:
    return {found.name: found for found in check(whole(records), BOUNDS)}


def verdicts(records: list[Record]) -> dict[str, Verdict]:
    return {name.removeprefix("schedule."): found.verdict for name, found in look(records).items()}


def said(name: str, records: list[Record]) -> str:
    return look(records)[f"schedule.{name}"].because


def drop(records: list[Record], which: Callable[[Any], bool]) -> list[Record]:
    return [record for record in records if not which(record)]


def value(records: list[Record], run: str, **fields: Any) -> list[Record]:
    """What Airflow says of one run, changed."""
    return rename(records, lambda op: {**op.value, **fields} if op.value["dag_run"].endswith(run) else op.value)


def is_op(f: str, type_: str) -> Callable[[Any], bool]:
    return lambda r: isinstance(r, Op) and (r.f, r.type) == (f, type_) and r.value["dag"] == "even"


def test_good_runs_pass_and_say_how_late_they_were() -> None:
    assert set(verdicts(GOOD).values()) == {Verdict.PASS}
    assert "the median of 29 is 0.5 s; the clocks agree to 0.01 s" in said("late", GOOD)
    assert "Of 29 runs that were due, never made 0" in said("missed", GOOD)


def test_how_long_it_took_to_catch_up_is_told_from_the_fault() -> None:
    found = look(GOOD)["schedule.caught_up"]
    assert found.measure is not None
    assert 28 < found.measure < 40
    assert "even/" in found.because
    quiet = life(Dag("even", period=10), away=[(60.1, 60.2)]).records()
    assert look(quiet)["schedule.caught_up"].measure == 0


ASKED_FOR = {"missed", "extra", "late", "order", "caught_up"}
BY_MARKS = {"missed", "extra", "order", "overlap", "doubled"}
ALL = ASKED_FOR | BY_MARKS
GOOD_MARK = next(record for record in GOOD if isinstance(record, Mark))


def _one_less() -> list[Record]:
    gone = next(r for r in GOOD if isinstance(r, Op) and r.f == "scheduled")
    return drop(GOOD, lambda r: r is gone)


def _away_at_the_end() -> list[Record]:
    return sorted([*GOOD, probe(199, "ledger", "error", of="stream", error="away")], key=lambda r: r.t)


def _clock(t: float) -> Callable[[Any], bool]:
    return lambda r: getattr(r, "object", "") == "clock" and r.t > at(t)


DOUBTS: dict[str, tuple[Callable[[], list[Record]], set[str]]] = {
    "Airflow was not asked": (lambda: drop(GOOD, is_op("listed", "invoke")), ASKED_FOR),
    "Airflow did not answer": (lambda: drop(GOOD, is_op("listed", "ok")), ASKED_FOR),
    "a listed run is not there": (_one_less, ASKED_FOR),
    "the clock was read once": (lambda: drop(GOOD, _clock(2)), ALL),
    "the clock jumped": (lambda: [*GOOD, probe(100, "clock", "offset", wall=wall(101.1), error_ns=0)], ALL),
    "marks were lost": (lambda: drop(GOOD, lambda r: isinstance(r, Mark) and r.t > at(195)), BY_MARKS),
    "the ledger was blind to the end": (_away_at_the_end, BY_MARKS),
    "an unknown DAG": (lambda: recount([*GOOD, GOOD_MARK.model_copy(update={"dag": "other"})]), {"extra"}),
    "nothing was broken": (lambda: life(Dag("even", most=1)).records(), {"caught_up"}),
    "no DAG runs by itself": (lambda: [meta({}), *GOOD[1:]], ALL),
    "no DAG may have one run at work": (lambda: life(Dag("even"), away=[(60, 61)]).records(), {"order", "overlap"}),
    "nothing was due": (lambda: life(Dag("even", period=5000), away=[(60, 61)]).records(), ALL),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_what_is_not_known_is_invalid(name: str) -> None:
    make, doubtful = DOUBTS[name]
    found = verdicts(make())
    assert {check for check, verdict in found.items() if verdict is Verdict.INVALID} == doubtful, look(make())
    assert Verdict.FAIL not in found.values()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"state": "failed"}, "failed"),
        ({"state": "running", "end_date": None}, "never ended"),
    ],
)
def test_a_run_that_was_made_and_not_done_is_missed(fields: dict[str, Any], why: str) -> None:
    records = value(GOOD, "12:00:40+00:00", **fields)
    assert verdicts(records)["missed"] is Verdict.FAIL
    assert f"12:00:40+00:00 {why}" in said("missed", records)


def test_a_success_of_which_a_task_never_ended_is_missed() -> None:
    def end(r: Any) -> bool:
        return isinstance(r, Mark) and (r.task, r.mark) == ("work", "end") and "12:00:40" in r.dag_run

    records = recount(drop(GOOD, end))
    assert "ended without all of its tasks" in said("missed", records)
    assert verdicts(records)["missed"] is Verdict.FAIL


def test_a_run_that_is_meant_to_fail_is_not_missed() -> None:
    records = value(GOOD, "12:00:40+00:00", state="failed")
    first: Any = records[0]
    schedules = {n: s.model_copy(update={"callbacks": (("failure", ""),)}) for n, s in first.schedules.items()}
    assert verdicts([first.model_copy(update={"schedules": schedules}), *records[1:]])["missed"] is Verdict.PASS


def test_a_run_that_airflow_does_not_know_is_extra() -> None:
    records = recount(sorted([*GOOD, GOOD_MARK.model_copy(update={"dag_run": "ghost"})], key=lambda r: r.t))
    assert verdicts(records)["extra"] is Verdict.FAIL
    assert "ghost, unknown to Airflow" in said("extra", records)


def test_a_task_that_finished_twice_is_doubled() -> None:
    end = next(r for r in GOOD if isinstance(r, Mark) and r.mark == "end")
    records = recount([*GOOD, end.model_copy(update={"try_": 2})])
    assert {n for n, verdict in verdicts(records).items() if verdict is Verdict.FAIL} == {"doubled"}
    assert f"({end.dag}/{end.dag_run}/{end.task})" in said("doubled", records)


def test_a_run_of_no_tick_is_extra_and_its_tick_is_missed() -> None:
    records = value(GOOD, "12:00:40+00:00", logical_date=wall(33.5), run_after=wall(43.5))
    assert {n for n, verdict in verdicts(records).items() if verdict is Verdict.FAIL} == {"missed", "extra"}


def test_runs_that_somebody_asked_for_are_nobodys_tick() -> None:
    asked: Record = next(r for r in GOOD if isinstance(r, Op) and r.f == "scheduled")
    assert isinstance(asked, Op)
    manual = asked.model_copy(update={"value": {**asked.value, "dag_run": "manual", "run_type": "manual"}})
    assert set(verdicts(recount([*GOOD, manual])).values()) == {Verdict.PASS}


def test_what_is_not_made_before_the_end_is_missed_once_it_may_not_be_late_any_more() -> None:
    def after(t: float) -> list[Record]:
        late = {r.name for r in LIVED.runs if r.dag.name == "even" and r.due >= t}
        rest = drop(GOOD, lambda r: isinstance(r, Mark) and r.dag == "even" and r.dag_run in late)
        return rename(rest, lambda op: None if op.value["dag"] == "even" and op.value["dag_run"] in late else op.value)

    assert verdicts(after(156))["missed"] is Verdict.PASS
    assert verdicts(after(150))["missed"] is Verdict.FAIL


def test_a_run_that_has_not_begun_is_late_by_what_was_seen() -> None:
    def began(r: Any) -> bool:
        return isinstance(r, Mark) and "12:02:00" in r.dag_run and r.dag == "even"

    records = recount(drop(GOOD, began))
    assert verdicts(records)["late"] is Verdict.FAIL
    assert "came never" not in said("late", records)
    blind = [
        *records,
        probe(140, "ledger", "error", of="stream", error="away"),
        probe(204, "ledger", "recovered", of="stream"),
    ]
    assert verdicts(sorted(blind, key=lambda r: r.t))["late"] is Verdict.INVALID


def test_without_knowing_when_runs_were_made_what_was_left_out_is_not_known() -> None:
    lived = life(Dag("free", period=10, catchup=False), away=[(60, 95)])
    assert verdicts(lived.records())["missed"] is Verdict.PASS
    unknown = rename(lived.records(), lambda op: {**op.value, "queued_at": None})
    assert verdicts(unknown)["missed"] is Verdict.INVALID


@pytest.mark.parametrize(
    "broken",
    [
        lambda: value(GOOD, "12:00:40+00:00", logical_date="yesterday"),
        lambda: [*GOOD, Op(t=at(201), process="schedule", f="scheduled", type="ok", value={"dag": "even"})],
        lambda: [*GOOD, probe(100, "clock", "offset", wall=wall(100), error_ns=-1)],
        lambda: [meta({}, schedules={"even": Schedule(kind="cron", expression="never", unpaused=wall(0))}), *GOOD[1:]],
    ],
    ids=["no date", "no id", "no error", "no timetable"],
)
def test_what_is_damaged_is_an_error(broken: Callable[[], list[Record]]) -> None:
    with pytest.raises(HistoryError):
        look(broken())


def test_a_run_of_two_may_wait_for_the_one_before() -> None:
    """Runs of 13 s every 10 s, one at a time, are each later after their tick, and none is late."""
    slow: Life = life(Dag("slow", period=10, length=13.0, most=1), away=[(60, 61)])
    found = look(slow.records())
    assert {check.verdict for check in found.values()} == {Verdict.PASS}
    assert (found["schedule.late"].measure or 0) < 2


def test_a_verdict_knows_them_where_a_run_has_bounds_for_them() -> None:
    first: Any = GOOD[0]
    slo = {name: bound.to_json() for name, bound in BOUNDS.items()}
    outcome = judge(whole([first.model_copy(update={"slo": slo}), *GOOD[1:]]))
    assert {check.name for check in outcome.checks if check.name in BOUNDS and check.verdict is Verdict.PASS} == set(
        BOUNDS
    )


def test_a_verdict_never_raises_for_a_schedule_that_is_none() -> None:
    first: Any = GOOD[0]
    slo = {name: bound.to_json() for name, bound in BOUNDS.items()}
    schedules = {"even": Schedule(kind="cron", expression="never", unpaused=wall(0))}
    outcome = judge(whole([first.model_copy(update={"slo": slo, "schedules": schedules}), *GOOD[1:]]))
    (crashed,) = [check for check in outcome.checks if check.name == "schedule"]
    assert crashed.verdict is Verdict.INVALID
    assert "'never' in 'UTC' is no cron timetable" in crashed.because
    unjudged = {check.name for check in outcome.checks if check.verdict is Verdict.INVALID}
    assert {name for name in BOUNDS if name.startswith("schedule.")} <= unjudged


def test_what_nobody_asked_for_contradicts_nothing_and_is_no_task_of_a_run() -> None:
    """To checkers of what was asked for, a history with scheduled runs is as one without."""
    asked = healthy()
    beside = sorted([*asked, *(r for r in GOOD if isinstance(r, Mark | Op))], key=lambda r: r.t)
    plain, both = judge(whole(asked)), judge(whole(beside))
    assert [(c.name, c.verdict, c.measure) for c in plain.checks] == [
        (c.name, c.verdict, c.measure) for c in both.checks
    ]
