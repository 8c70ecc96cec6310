"""What each worker did, by the ledger: a bar for each attempt of a task; repeated and simultaneous ones stand out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from harness.history import History, Mark
from harness.report.facts import lasting
from harness.report.lanes import AMBER, BLUE, RED, Band, Bar, Lane, Look, Point
from harness.report.thin import groups, rows

MOST_BARS = 1200  # of ordinary attempts, for all workers together
MOST_ROWS = 12
ONCE = Look(BLUE)
AGAIN = Look(AMBER, over=1)
AT_ONCE = Look(RED, over=2)
OPEN = Look(AMBER, over=3, symbol="triangle-right", size=9)
STRAY = Look(RED, over=3, symbol="x", size=8)
KEY = (("once", ONCE), ("again, or no end", AGAIN), ("two at once", AT_ONCE))
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Attempt:
    """One try of a task. `number` counts the attempts of a task; `end` is None if it never said that it ended."""

    host: str
    task: str
    start: int
    end: int | None
    number: int = 1
    at_once: bool = False

    @property
    def look(self) -> Look:
        if self.at_once:
            return AT_ONCE
        return ONCE if self.number == 1 and self.end is not None else AGAIN

    @property
    def said(self) -> str:
        ran = lasting(self.start, self.end) if self.end is not None else f"from {self.start / 1e9:.2f} s, never ended"
        again = f"\nattempt {self.number}" if self.number > 1 else ""
        return f"{self.task}\n{ran}{again}" + ("\nwhile another attempt of it ran" if self.at_once else "")


def band(history: History) -> Band:
    found, strays = attempts(history.marks)
    hosts = sorted({one.host for one in found} | {mark.executor_host for mark in strays})
    most = max(1, MOST_BARS // max(1, len(hosts) * MOST_ROWS))
    lanes = [
        _lane(host, [a for a in found if a.host == host], [m for m in strays if m.executor_host == host], most)
        for host in hosts
    ]
    return Band("Task attempts", tuple(lanes), KEY)


def attempts(marks: tuple[Mark, ...]) -> tuple[list[Attempt], list[Mark]]:
    """Attempts in the order in which they began; and ends without a start."""
    tasks: dict[Key, list[Mark]] = {}
    for mark in marks:
        tasks.setdefault((mark.dag_run, mark.task, mark.map_index), []).append(mark)
    found: list[Attempt] = []
    strays: list[Mark] = []
    for key, own in tasks.items():
        spans = _paired(own, strays)
        found += [_attempt(key, place, spans) for place in range(len(spans))]
    return sorted(found, key=lambda a: a.start), strays


def _paired(marks: list[Mark], strays: list[Mark]) -> list[tuple[int, int | None, str]]:
    """Ends go with starts of the same try on the same host, first come first served."""
    waiting: dict[tuple[int, str], deque[int]] = {}
    done: list[tuple[int, int | None, str]] = []
    for mark in marks:
        queue = waiting.setdefault((mark.try_, mark.executor_host), deque())
        if mark.mark == "start":
            queue.append(mark.t)
        elif queue:
            done.append((queue.popleft(), mark.t, mark.executor_host))
        else:
            strays.append(mark)
    done += [(start, None, host) for (_, host), queue in waiting.items() for start in queue]
    return sorted(done, key=lambda span: span[0])


def _attempt(key: Key, place: int, spans: list[tuple[int, int | None, str]]) -> Attempt:
    start, end, host = spans[place]
    others = [(s, e) for i, (s, e, _) in enumerate(spans) if i != place]
    return Attempt(
        host=host,
        task=f"{key[0]}/{key[1]}{f'[{key[2]}]' if key[2] >= 0 else ''}",
        start=start,
        end=end,
        number=place + 1,
        at_once=any(_meet((start, end), other) for other in others),
    )


def _meet(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    """One that never ended is known to have run only at its start."""
    (start, end), (begin, finish) = one, other
    return start < (begin + 1 if finish is None else finish) and begin < (start + 1 if end is None else end)


def _lane(host: str, found: list[Attempt], strays: list[Mark], most: int) -> Lane:
    places = rows([(a.start, a.end if a.end is not None else a.start + 1) for a in found], MOST_ROWS)
    bars: list[Bar] = []
    for row in sorted(set(places)):
        here = [a for a, place in zip(found, places, strict=True) if place == row]
        bars += _ordinary([a for a in here if a.look is ONCE], row, most)
        bars += [Bar(a.start, a.end or a.start, a.look, a.said, row) for a in here if a.look is not ONCE]
    points = [Point(a.start, OPEN, a.said, row) for a, row in zip(found, places, strict=True) if a.end is None]
    points += [Point(m.t, STRAY, f"{m.dag_run}/{m.task} ended and was never seen to start") for m in strays]
    return Lane(host, tuple(bars), tuple(points))


def _ordinary(found: list[Attempt], row: int, most: int) -> list[Bar]:
    """Unremarkable attempts; if there are many, the nearest neighbours share one bar."""
    starts = np.array([a.start for a in found], dtype=np.int64)
    ends = np.array([a.end for a in found], dtype=np.int64)
    bars = []
    for i, j in groups(starts, ends, most):
        start, end = found[i].start, int(ends[i : j + 1].max())
        said = found[i].said if i == j else f"{j - i + 1} attempts, {lasting(start, end)}"
        bars.append(Bar(start, end, ONCE, said, row))
    return bars
