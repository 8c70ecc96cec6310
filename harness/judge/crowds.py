"""What was at work at the same time, by the ledger alone.

Marks are in the order in which the ledger took them, however late its reader was: a start that comes before another's
end was written while that other was still at work. What never ended is known to have been at work only when it began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.history import History, Mark

Attempt = tuple[str, str, str, int, int, str]


@dataclass(frozen=True)
class Span:
    """Something at work: from the place of its first mark in the ledger to that of its last, with their times."""

    of: str
    name: str
    first: int
    last: int
    start: int
    end: int


@dataclass(frozen=True)
class Crowd:
    """A span that began when there was no room left, and all that were at work then."""

    of: str
    names: str
    start: int
    end: int


def runs(history: History) -> dict[tuple[str, str], Span]:
    """Runs, from the first start of a task to the last of their tasks' first ends: no run is over before that."""
    starts: dict[tuple[str, str], tuple[int, Mark]] = {}
    ends: dict[tuple[str, str], tuple[int, Mark]] = {}
    seen: set[tuple[str, str, str, int]] = set()
    for place, mark in enumerate(history.scheduled_marks):
        key = mark.dag, mark.dag_run
        if mark.mark == "start":
            starts.setdefault(key, (place, mark))
        elif (task := (*key, mark.task, mark.map_index)) not in seen:
            seen.add(task)
            ends[key] = place, mark
    return {key: _span(key[0], key[1], start, ends.get(key, start)) for key, start in starts.items()}


def attempts(history: History, pools: dict[tuple[str, str], str]) -> list[Span]:
    """Attempts of tasks, with the pool whose slot each holds. `pools`: (DAG, task) → pool."""
    open_: dict[Attempt, tuple[int, Mark]] = {}
    found = []
    for place, mark in enumerate(history.scheduled_marks):
        key = (mark.dag, mark.dag_run, mark.task, mark.map_index, mark.try_, mark.executor_host)
        pool = pools.get((mark.dag, mark.task))
        if pool is None:
            continue
        if mark.mark == "start":
            open_[key] = place, mark
        elif begun := open_.pop(key, None):
            found.append(_span(pool, _name(mark), begun, (place, mark)))
    return found + [_span(pools[m.dag, m.task], _name(m), (place, m), (place, m)) for place, m in open_.values()]


def crowded(spans: Iterable[Span], room: int) -> list[Crowd]:
    """Each span that began when as many as there is room for were at work."""
    there: list[Span] = []
    found = []
    for span in sorted(spans, key=lambda span: span.first):
        there = [other for other in there if other.last > span.first] + [span]
        if len(there) > room:
            end = max(span.start, min(other.end for other in there))
            found.append(Crowd(span.of, ", ".join(other.name for other in there), span.start, end))
    return found


def _name(mark: Mark) -> str:
    return f"{mark.dag}/{mark.dag_run}/{mark.task}"


def _span(of: str, name: str, begun: tuple[int, Mark], ended: tuple[int, Mark]) -> Span:
    return Span(of, name, begun[0], ended[0], begun[1].t, ended[1].t)
