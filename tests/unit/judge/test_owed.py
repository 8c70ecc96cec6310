"""Which ticks must have a run, which may, and which must not: times in seconds of the run, ticks every 10 s."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import Fault, Record
from harness.judge.owed import Owed, Room, match
from harness.judge.scheduled import read
from harness.records import Schedule
from harness.schedule.ticks import Tick, moment
from harness.slo import Bound
from tests.unit.builders import at, dag_run, meta
from tests.unit.judge.airflow_times import ASKED, Dag, Run, listed, probe, scheduled, wall, whole

GRACE = 30.0
HIT, OVER = 60.0, 80.0


def owed(
    runs: dict[float, float], fault: bool = False, triggered: tuple[float, float] | None = None, **fields: Any
) -> Owed:
    """What becomes of a DAG whose runs, by their ticks, were made at these times; each lasts 1 s. A run of another was
    `triggered` at the first time, and began at the second."""
    dag = Dag("d", catchup=False)
    schedule = Schedule(**{**dag.schedule().model_dump(), "kind": "cron", "expression": "* * * * * */10", **fields})
    made = [Run(dag, tick, tick + 10, t, ended=t + 1) for tick, t in runs.items()]
    target = {"kind": "Pod", "name": "scheduler", "uid": "u"}
    hits = ((HIT, "injected"), (OVER, "ended"))
    faults = [Fault(t=at(t), id="f", action="kill_pods", phase=phase, target=target) for t, phase in hits if fault]  # type: ignore[arg-type]
    records: list[Record] = [
        meta({}, schedules={"d": schedule}),
        *(probe(t, "clock", "offset", wall=wall(t), error_ns=0) for t in (1, 190)),
        *faults,
        *(dag_run("r", triggered[0], triggered[1], triggered[1] + 1) if triggered else ()),
        listed("invoke", "d", 0),
        *(scheduled(run) for run in made),
        listed("ok", "d", 2, runs=len(made)),
    ]
    late = Bound("schedule.late", GRACE, "s", "a promise")
    book = read(whole(records), {late.name: late})
    assert book.clock is not None
    return match(book, book.listings["d"], book.clock)


def at_once(*left_out: float) -> dict[float, float]:
    """Every tick's run made half a second after it was due, but those left out."""
    return {float(t): t + 10.5 for t in range(0, int(ASKED) - 10, 10) if t not in left_out}


def seconds(ticks: Iterable[Tick]) -> list[float]:
    return [(tick.logical - moment(wall(0))) / at(1) for tick in ticks]


@given(st.lists(st.floats(0, 100), max_size=12), st.integers(1, 4))
def test_there_is_room_once_all_but_few_have_ended(ends: list[float], most: int) -> None:
    room = Room(most)
    for end in ends:
        room.take(end)
    free = [t for t in [-math.inf, *ends] if sum(end > t for end in ends) < most]
    assert room.since == min(free)


@pytest.mark.parametrize("catchup", [True, False])
def test_one_that_is_left_out_though_nothing_was_in_the_way_is_missed(catchup: bool) -> None:
    found = owed(at_once(50), catchup=catchup)
    assert seconds(found.missed) == [50]
    assert found.extra == ()


def test_what_no_fault_reached_is_missed_beside_one() -> None:
    assert seconds(owed(at_once(30), fault=True).missed) == [30]
    assert seconds(owed(at_once(90), fault=True).missed) == [90]


def test_what_was_superseded_before_schedulers_were_back_may_stay_away_and_the_newest_may_not() -> None:
    # Ticks 50, 60 and 70 are due at 60, 70 and 80; the first run after the fault is made at 81.
    back = {70.0: 81.0}
    assert seconds(owed(at_once(50, 60) | back, fault=True).missed) == []
    assert seconds(owed(at_once(50, 60) | back, fault=True, catchup=True).missed) == [50, 60]
    never_back = {tick: t for tick, t in at_once().items() if tick < 50}
    assert seconds(owed(never_back, fault=True).missed) == [160]  # the newest that may not be late any more


def test_schedulers_are_back_when_they_begin_what_was_triggered_since() -> None:
    # Nothing else of this DAG comes until 110: by itself, it does not say when it could.
    gap = at_once(50, 60, 70, 80, 90)
    assert seconds(owed(gap, fault=True).missed) == []
    assert seconds(owed(gap, fault=True, triggered=(OVER + 2, OVER + 4)).missed) == [70, 80, 90]
    assert seconds(owed(gap, fault=True, triggered=(OVER - 2, OVER + 4)).missed) == []  # queued before the fault


def test_what_was_superseded_as_the_run_before_was_made_must_stay_away() -> None:
    # 40 is made when 50 and 60 were due as well, so 60 comes next, and 50 not at all.
    late = at_once() | {40.0: 74.5, 50.0: 75.0, 60.0: 75.5}
    assert [why for _, why in owed(late).extra] == ["older than one that was due when the run before it was made"]
    assert owed(late, catchup=True).extra == ()
    without = {tick: t for tick, t in late.items() if tick != 50}
    assert (owed(without).extra, owed(without).missed) == ((), ())


def test_what_may_still_come_is_not_missed() -> None:
    # Asked at 200, what was due after 170 may come; a run that came after it says that it does not.
    found = owed({t: made for t, made in at_once().items() if t < 170})
    assert (seconds(found.missed), seconds(found.after)) == ([], [170, 180, 190, 200, 210, 220])
    assert seconds(owed({t: made for t, made in at_once().items() if t < 160}).missed) == [160]
    assert seconds(owed(at_once(170), catchup=True).missed) == [170]


def test_nothing_is_owed_before_it_is_unpaused_but_the_newest() -> None:
    later = {t: made for t, made in at_once().items() if t >= 60}
    assert seconds(owed(later, unpaused=wall(65)).missed) == [50]
    assert seconds(owed(later | {50.0: 65.5}, unpaused=wall(65)).missed) == []
    assert owed(later | {30.0: 65.5, 50.0: 66.0}, unpaused=wall(65)).extra == ()


def test_of_two_runs_of_a_tick_the_later_is_extra() -> None:
    found = owed(at_once() | {41.0: 51.0})
    assert [why for _, why in found.extra] == ["of no tick"]
