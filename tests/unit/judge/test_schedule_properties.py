"""Whatever the timetables and outages are: what a good scheduler did passes, and one planted defect is found by its
check alone. A history that was cut short neither passes nor fails."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.history import Event, History, Mark, Op, Record
from harness.judge import assets, callbacks, deferred, pools, schedule
from harness.outcome import Check, Verdict
from harness.slo import CATALOGUE, Bound
from tests.unit.builders import at
from tests.unit.judge.airflow_times import ASKED, ASSET, Dag, Life, Run, life, recount, rename, wall, whole

LATE_S, BACK_S = 45.0, 150.0
LIMITS = {"schedule.late": LATE_S, "schedule.caught_up": BACK_S, "tasks.run_duration": 40.0}
NAMES = [
    *(n for n in CATALOGUE if n.startswith(("schedule.", "pools.", "assets.", "deferred.", "callbacks."))),
    "tasks.run_duration",
]
BOUNDS = {name: Bound(name, LIMITS.get(name, 0), CATALOGUE[name].unit, "a promise") for name in NAMES}
CHECKERS = (schedule.check, pools.check, assets.check, callbacks.check, deferred.check)
SLOW = settings(max_examples=12, deadline=None)


def judged(history: History) -> dict[str, Check]:
    return {check.name: check for checker in CHECKERS for check in checker(history, BOUNDS)}


def broken(records: list[Record]) -> dict[str, str]:
    """What does not pass, and why."""
    found = judged(whole(records)).values()
    return {check.name: f"{check.verdict}: {check.because}" for check in found if check.verdict is not Verdict.PASS}


def only(name: str, records: list[Record]) -> str:
    """What is said of the one thing that does not pass, which is a failure."""
    found = broken(records)
    assert found.keys() == {name}, found
    assert found[name].startswith("FAIL"), found
    return found[name]


periods = st.sampled_from([10, 12, 15, 20, 30])


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Always something at stake for each check, beside a timetable of any kind."""
    catchup = draw(st.booleans())
    kind = draw(st.sampled_from(["cron", "delta"] if catchup else ["cron"])) if draw(st.booleans()) else "delta"
    free = Dag(
        "free",
        period=draw(periods),
        kind=kind,  # type: ignore[arg-type]
        interval=True if kind == "delta" and not catchup else draw(st.booleans()),
        catchup=catchup,
        most=draw(st.sampled_from([None, 1])),
        length=draw(st.sampled_from([1.0, 2.0, 13.0])),
        unpaused=draw(st.sampled_from([0.0, 3.0, 16.5])),
    )
    since = draw(st.floats(40, 60))
    away = (round(since, 1), round(since + draw(st.floats(0.5, 38)), 1))
    return life(
        free,
        Dag("single", period=draw(periods), length=2.0, most=1, catchup=True),
        Dag("left", period=20, pooled=True, interval=False, kind="cron", callbacks=True, length=3.0),
        Dag("right", period=20, pooled=True, interval=False, kind="cron", length=3.0),
        Dag("maker", period=draw(periods), length=1.0, produces=True),
        Dag("reader", period=0, kind="asset"),
        Dag("patient", period=20, deferred=True, length=5.0),
        Dag("filled", period=30, backfill=draw(st.integers(3, 8)), length=draw(st.sampled_from([2.0, 7.0]))),
        away=[away],
    )


def of(life: Life, dag: str, since: float = 0.0, until: float = ASKED - LATE_S - 10) -> list[Run]:
    """Its runs that are done, and were due long enough before the end to be judged."""
    return [r for r in life.runs if r.dag.name == dag and since <= r.due < until and r.ended is not None]


def calm(life: Life, dag: str) -> list[Run]:
    """Those before the fault, where nothing excuses anything."""
    return of(life, dag, until=life.away[0][0] - 8)


def of_run(run: Run) -> Callable[[Record], bool]:
    def mine(record: Record) -> bool:
        if isinstance(record, Mark):
            return (record.dag, record.dag_run) == (run.dag.name, run.name)
        value = record.value if isinstance(record, Op | Event) else {}
        return (value.get("dag"), value.get("dag_run")) == (run.dag.name, run.name)

    return mine


def without(records: list[Record], run: Run) -> list[Record]:
    return recount([record for record in records if not of_run(run)(record)])


def moved(records: list[Record], run: Run, by: float, *edges: tuple[str, str]) -> list[Record]:
    """The marks of a run come later: those of (task, edge), or all."""
    return sorted(
        (
            r.model_copy(update={"t": r.t + at(by)})
            if isinstance(r, Mark) and of_run(run)(r) and (not edges or (r.task, r.mark) in edges)
            else r
            for r in records
        ),
        key=lambda r: r.t,
    )


def renamed(records: list[Record], run: Run, name: str) -> list[Record]:
    """The records of a run once more, under another id."""
    again: list[Record] = []
    for r in filter(of_run(run), records):
        if isinstance(r, Mark):
            again.append(r.model_copy(update={"dag_run": name}))
        elif isinstance(r, Op | Event):
            again.append(r.model_copy(update={"value": {**r.value, "dag_run": name}}))
    return again


@SLOW
@given(lives())
def test_what_a_good_scheduler_did_passes(life: Life) -> None:
    assert broken(life.records()) == {}


@SLOW
@given(lives(), st.floats(0, 1))
def test_what_was_cut_short_neither_passes_nor_fails(life: Life, share: float) -> None:
    records = life.records()
    cut = History.of(records[: int(share * len(records))])
    assert {check.verdict for check in judged(cut).values()} == {Verdict.INVALID}


@SLOW
@given(lives(), st.data())
def test_a_run_that_was_skipped_is_missed(life: Life, data: st.DataObject) -> None:
    dag = data.draw(st.sampled_from(["free", "single", "left", "patient"]))
    runs = calm(life, dag) if dag == "free" else of(life, dag)
    run = data.draw(st.sampled_from(runs[1:] or runs)) if runs else None
    assume(run is not None and not (run.dag.most == 1 and run.dag.length > run.dag.period))
    assert run is not None
    only("schedule.missed", without(life.records(), run))


@SLOW
@given(lives(), st.data())
def test_a_run_that_was_made_twice_is_extra(life: Life, data: st.DataObject) -> None:
    run = data.draw(st.sampled_from(of(life, "left")))
    records = life.records()
    again = [r for r in renamed(records, run, "again") if not (isinstance(r, Mark) and r.task == "work")]
    # Its task in the pool ran when there was room.
    pooled = [r for r in renamed(records, run, "again") if r not in again]
    task = [r.model_copy(update={"t": at(204.7 + n / 10)}) for n, r in enumerate(pooled)]
    only("schedule.extra", recount(sorted([*records, *again, *task], key=lambda r: r.t)))


@SLOW
@given(lives(), st.data(), st.floats(LATE_S + 1, LATE_S + 9))
def test_a_run_that_began_late_is_late(life: Life, data: st.DataObject, by: float) -> None:
    runs = of(life, "patient", since=life.away[0][1] + 25)
    assume(runs)
    run = data.draw(st.sampled_from(runs))
    assert run.name in only("schedule.late", moved(life.records(), run, by))


@SLOW
@given(lives())
def test_runs_that_begin_out_of_turn_are_found(life: Life) -> None:
    runs = of(life, "single")
    swapped = next(((a, b) for a, b in pairwise(runs) if a.began is not None and b.due < a.began), None)
    assume(swapped is not None)
    assert swapped is not None
    names = {swapped[0].name: swapped[1].name, swapped[1].name: swapped[0].name}
    records = [
        r.model_copy(update={"dag_run": names.get(r.dag_run, r.dag_run)})
        if isinstance(r, Mark) and r.dag == "single"
        else r
        for r in life.records()
    ]
    only("schedule.order", records)


@SLOW
@given(lives(), st.data())
def test_runs_at_work_beside_each_other_are_found(life: Life, data: st.DataObject) -> None:
    runs = of(life, "single")
    first, second = data.draw(st.sampled_from(list(pairwise(runs))))
    assert first.done is not None
    assert second.began is not None
    records = moved(life.records(), first, second.began - first.done + 0.1, ("work", "end"))
    only("schedule.overlap", records)


@SLOW
@given(lives(), st.data())
def test_a_pool_that_was_exceeded_is_found(life: Life, data: st.DataObject) -> None:
    runs = sorted((r for r in life.runs if r.dag.pooled and r.ended is not None), key=lambda r: r.worked or 0)
    first, second = data.draw(st.sampled_from(list(pairwise(runs))))
    assert first.done is not None
    assert second.worked is not None
    records = moved(life.records(), first, second.worked - first.done + 0.1, ("work", "end"))
    only("pools.exceeded", records)


@SLOW
@given(lives(), st.data(), st.sampled_from(["lost", "doubled"]))
def test_callbacks_that_are_lost_or_come_twice_are_found(life: Life, data: st.DataObject, how: str) -> None:
    records = life.records()
    judged_ends = {run.name for run in of(life, "left") if run.ended is not None and run.ended < ASKED - LATE_S - 1}
    calls = [r for r in records if isinstance(r, Event) and r.what == "called" and r.value["dag_run"] in judged_ends]
    one = data.draw(st.sampled_from(calls))
    changed = [r for r in records if r is not one] if how == "lost" else [*records, one]
    only(f"callbacks.{how}", changed)


@SLOW
@given(lives(), st.data())
def test_a_task_that_does_not_come_back_from_its_trigger_is_lost(life: Life, data: st.DataObject) -> None:
    run = data.draw(st.sampled_from(of(life, "patient")))
    lost = (run.name, "wait", "end")
    kept = [r for r in life.records() if not (isinstance(r, Mark) and (r.dag_run, r.task, r.mark) == lost)]

    def waits(op: Op) -> dict[str, object]:
        return {**op.value, "state": "running", "end_date": None} if of_run(run)(op) else op.value

    only("deferred.lost", rename(kept, waits))


@SLOW
@given(lives(), st.data())
def test_an_update_that_no_run_was_made_for_is_unconsumed(life: Life, data: st.DataObject) -> None:
    run = data.draw(st.sampled_from(of(life, "reader", until=ASKED - LATE_S - 5)))
    only("assets.unconsumed", without(life.records(), run))


@SLOW
@given(lives(), st.data(), st.booleans())
def test_an_update_that_two_runs_were_made_for_is_found(life: Life, data: st.DataObject, idle: bool) -> None:
    a, b = data.draw(st.sampled_from(list(pairwise(of(life, "reader")))))
    more = [[round(r.due * 4), ASSET, r.dag.name, r.name] for r in a.consumed]

    def again(op: Op) -> dict[str, object]:
        return {**op.value, "consumed": [*op.value["consumed"], *more]} if of_run(b)(op) else op.value

    records = rename(life.records(), again)
    if idle:
        records = life.records()
        extra = [
            r.model_copy(update={"value": {**r.value, "consumed": []}}) if isinstance(r, Op) else r
            for r in renamed(records, b, "for-nothing")
        ]
        records = recount(sorted([*records, *extra], key=lambda r: r.t))
    only("assets.consumed_twice", records)


@SLOW
@given(st.sampled_from([10, 12]), st.booleans(), st.floats(40, 60), st.floats(3.05, 3.6))
def test_what_does_not_catch_up_after_schedulers_were_away_is_left_out_and_must_not_be_made(
    period: int, interval: bool, since: float, periods_away: float
) -> None:
    """What a scheduler that ignores `catchup=False` makes is extra; and of two that ticked while it was away, it made
    none too few."""
    away = (round(since, 1), round(since + periods_away * period, 1))
    assume(away[1] % period > 4)  # no tick is so near that clocks could tell either way
    dag = Dag("free", period=period, kind="cron", interval=interval, catchup=False)
    left_out = life(dag, away=[away])
    assert {
        n: w for n, w in broken(left_out.records()).items() if n.startswith("schedule.") and "INVALID" not in w
    } == {}
    made = life(Dag("free", period=period, kind="cron", interval=interval, catchup=True), away=[away])
    records = [made.records()[0], *made.records()[1:]]
    records[0] = left_out.meta()
    missing = len(of(made, "free")) - len(of(left_out, "free"))
    assume(missing > 0)
    assert {n for n, why in broken(records).items() if why.startswith("FAIL")} == {"schedule.extra"}


@SLOW
@given(periods, st.booleans(), st.booleans(), st.floats(25, 60))
def test_a_scheduler_that_comes_back_must_make_the_newest_run(
    period: int, interval: bool, catchup: bool, away_for: float
) -> None:
    away = (40.0, round(40 + away_for, 1))
    dag = Dag("free", period=period, kind="cron", interval=interval, catchup=catchup)
    lived = life(dag, away=[away])
    newest = max((r for r in of(lived, "free") if r.due <= away[1]), key=lambda r: r.due)
    stays_away = [r for r in of(lived, "free") if r.due >= newest.due]
    records = lived.records()
    for run in [r for r in lived.runs if r.due >= newest.due]:
        records = without(records, run)
    assume(stays_away)
    assert broken(records)["schedule.missed"].startswith("FAIL")


@pytest.mark.parametrize("seconds", [-7200.5, 0.0, 1234.25])
def test_the_clocks_may_differ_by_anything_that_stays(seconds: float) -> None:
    lived = life(Dag("free", kind="cron"), away=[(40, 70)])
    shifted = [
        r.model_copy(update={"value": {**r.value, "wall": wall(r.t / at(1) + seconds)}})
        if isinstance(r, Event) and r.object == "clock"
        else r
        for r in lived.records()
    ]
    found = judged(whole(shifted))
    assert (found["schedule.missed"].verdict is Verdict.PASS) == (abs(seconds) < LATE_S)
