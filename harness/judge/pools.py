"""Were more tasks at work than their pool has slots? By what they wrote themselves, not by what Airflow counts.

A task that is deferred, or waits to be rescheduled, holds no slot, so the pools judged here have no such tasks.
"""

from __future__ import annotations

from harness.history import History
from harness.judge.checks import measured, some, unknown
from harness.judge.crowds import attempts, crowded
from harness.judge.scheduled import read
from harness.outcome import Check, Verdict, Window
from harness.slo import Bound

NAME = "pools.exceeded"


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bound if it is set. Raises `HistoryError` if the record of a run is malformed."""
    return (_exceeded(history, bounds[NAME]),) if NAME in bounds else ()


def _exceeded(history: History, bound: Bound) -> Check:
    slots = history.meta.pools if history.meta else {}
    schedules = history.meta.schedules if history.meta else {}
    pools = {(dag, task): pool for dag, one in schedules.items() for task, pool in one.pools.items()}
    if unsaid := sorted(set(pools.values()) - slots.keys()):
        return unknown(bound, f"It is not recorded how many slots {some(unsaid)} has")
    spans = attempts(history, pools)
    crowds = [c for pool in sorted(slots) for c in crowded([s for s in spans if s.of == pool], slots[pool])]
    names = f" ({some(f'{one.of} with {slots[one.of]}: {one.names}' for one in crowds)})" if crowds else ""
    windows = [Window(start=one.start, end=one.end, what=f"{one.of}: {one.names}") for one in crowds]
    before = f"Of {len(spans)} attempts that hold a slot of a pool, those that began when none was left:"
    found = measured(bound, len(crowds), before, names, windows=windows)
    if found.verdict is not Verdict.PASS:
        return found
    if unread := read(history, {}).unread:
        return unknown(bound, unread)
    full = [pool for pool in slots if crowded([s for s in spans if s.of == pool], slots[pool] - 1)]
    return found if full else unknown(bound, "No pool was ever full, so nothing was at stake")
