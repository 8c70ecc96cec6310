"""The table of what runs by itself can be judged, whatever the window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from harness.records import NS, Schedule
from harness.schedule.ticks import moment, ticks
from harness.stack.window import GRID_S
from harness.timetables import table

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


def test_only_the_pools_that_are_used_are_made() -> None:
    assert TABLE.pools_of([]) == {}
    assert TABLE.pools_of(TABLE.dags) == TABLE.pools
