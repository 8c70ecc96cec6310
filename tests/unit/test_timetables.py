"""The table of what runs by itself can be judged, whatever the window."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from harness.observe.backfill import before
from harness.records import NS, Schedule
from harness.schedule.ticks import moment, ticks
from harness.stack.window import GRID_S
from harness.timetables import PATH, table

TABLE = table()
START = datetime(2026, 6, 1, 12, 0, 20, tzinfo=UTC)
TIMED = [name for name, one in TABLE.dags.items() if one.kind != "asset"]


def owed(name: str) -> Schedule:
    (one,) = TABLE.window([name], START.isoformat(), (START + timedelta(hours=1)).isoformat()).values()
    return one.model_copy(update={"unpaused": (START + timedelta(seconds=10)).isoformat()})


@pytest.mark.parametrize("name", TIMED)
def test_each_timetable_has_ticks_and_none_is_seldom(name: str) -> None:
    due = [tick.due for tick in ticks(owed(name), moment(START.isoformat()) + 600 * NS)]
    assert all(10 * NS <= later - earlier <= 60 * NS for earlier, later in pairwise(due))
    assert len(due) >= 9


@pytest.mark.parametrize("name", TABLE.dags)
def test_what_a_dag_is_made_of_is_there(name: str) -> None:
    one = TABLE.dags[name]
    tasks = {task for task, _ in one.tasks}
    assert tasks
    assert {*one.pools, *one.produces.values(), *one.deferred} <= tasks
    assert {task for _, task in one.callbacks} <= tasks | {""}
    assert set(one.pools.values()) <= TABLE.pools.keys()
    assert set(one.consumes) <= {asset for other in TABLE.dags.values() for asset in other.produces}
    assert one.catchup or not one.every_s or GRID_S % one.every_s == 0


def test_what_is_told_when_a_run_is_late_is_told_of_every_run() -> None:
    """Each is at work for longer than its deadline, so that all are late for it."""
    said = json.loads(PATH.read_text(encoding="utf-8"))["dags"]
    late = {name for name, one in TABLE.dags.items() if ("deadline", "") in one.callbacks}
    assert late == {name for name, one in said.items() if "deadline_s" in one}
    assert all(said[name]["deadline_s"] < said[name]["work_s"] for name in late)
    assert late


def test_a_backfill_is_of_several_runs_that_the_timetable_itself_never_makes() -> None:
    (name,) = (name for name, one in TABLE.dags.items() if one.backfill_s)
    one = owed(name)
    first, last = (moment(edge) for edge in before(one))
    within = one.model_copy(update={"start": before(one)[0], "end": before(one)[1], "catchup": True})
    count = len(ticks(within, moment(START.isoformat())))
    assert 4 <= count <= 6
    assert first < last < min(tick.logical for tick in ticks(one, moment(START.isoformat()) + 600 * NS))
    # After one before its start, a trigger's timetable would go on from there (`timetables/trigger.py`, Airflow 3.3.2).
    assert one.interval
    assert one.catchup


def test_only_the_pools_that_are_used_are_made() -> None:
    assert TABLE.pools_of([]) == {}
    assert TABLE.pools_of(TABLE.dags) == TABLE.pools
