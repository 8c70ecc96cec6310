"""How long do running tasks live on when nobody hears them? Airflow's tasks need an api-server for their heartbeats.

Long tasks say every second that they are at work (event `alive`). A task that fell silent without an end died then; one
that ended, or still spoke shortly before the history ends, lived at least that long.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.history import NS, History
from harness.judge.checks import measured, unknown, when
from harness.judge.faults import fault_time, targets
from harness.judge.observers import MARKS, unseen
from harness.judge.runs import signs_of_life
from harness.outcome import Check
from harness.slo import Bound

NAME = "tasks.survival"
HEARD = "api-server"
SILENT = 10 * NS  # far longer than the second between two signs, so it is no hitch
HITCH = 2 * NS  # a sign of life may be this late


@dataclass(frozen=True)
class _Life:
    """One attempt that was under way when the last server went; `last` is when it was last known to be at work."""

    last: int
    died: bool


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bound if it is set."""
    return (_survival(history, bounds[NAME]),) if NAME in bounds else ()


def _survival(history: History, bound: Bound) -> Check:
    gone = [target.gone for target in targets(history) if target.component == HEARD]
    times = [t for t in gone if t is not None]
    if not times or len(times) < len(gone):
        return unknown(bound, f"It was not seen when the last {HEARD} went")
    going, away = min(times) - HITCH, max(times)
    if unseen(history, MARKS, going, history.last_t):
        return unknown(bound, f"The ledger could not be read all the time after the last {HEARD} went")
    begun = [mark for mark in history.marks if mark.mark == "start" and mark.t <= away]
    signs, ends = signs_of_life(history), {m.ti: m.t for m in history.marks if m.mark == "end" and m.ti}
    lives = (_life(history, signs.get(mark.ti, going), ends.get(mark.ti), going, away) for mark in begun)
    under_way = [life for life in lives if life]
    if not under_way:
        return unknown(bound, f"No task that says that it lives was under way when the last {HEARD} went")
    dead = [life for life in under_way if life.died]
    first = min(dead or under_way, key=lambda life: life.last)
    count = f"Of {len(under_way)} tasks under way when the last {HEARD} went, {len(dead)} died;"
    what = "the first of them had lived on for" if dead else "each lived on for at least"
    after = f", until {when(first.last, fault_time(history))}"
    # Tasks that did not die lived longer than was seen: short of the limit, that says nothing.
    if not dead and not bound.holds((first.last - away) / NS):
        return unknown(bound, f"{count} {what} {(first.last - away) / NS:.1f} s{after}")
    return measured(bound, (first.last - away) / NS, f"{count} {what}", after)


def _life(history: History, sign: int, end: int | None, going: int, away: int) -> _Life | None:
    """None if it was over before the servers went. One that fell silent as they went lived on for no time."""
    last = sign if end is None else max(sign, end)
    if last <= (going if end is None else away):
        return None
    return _Life(max(last, away), died=end is None and history.last_t - last > SILENT)
