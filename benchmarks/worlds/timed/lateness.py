"""How late scheduled runs truly began, and when after the fault none waited any more. Seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator

from benchmarks.worlds.life import END, HIT
from benchmarks.worlds.timed.dags import Dag
from benchmarks.worlds.timed.promises import Range
from benchmarks.worlds.timed.seen import ASKED, Sight, began, free, left, witnessed

USUAL = 5_000  # nobody calls it waiting
SEEN_LATE = 0.03


def late(sight: Sight) -> Range:
    """The worst of all that began."""
    worst = max((took for _, took, _ in _begun(sight)), default=None)
    if worst is None:
        return Range(0, 0, moot=True)
    error = SEEN_LATE + sight.eps / 1000
    return Range(max(0.0, worst / 1000 - error), max(0.0, worst / 1000) + error)


def waiting(sight: Sight, grace: int) -> Range:
    """Those that have not begun, and may no longer be late when Airflow is asked."""
    found = [ASKED - grace - ready for _, _, ready in _not_begun(sight)]
    return Range(sum(ms > sight.eps for ms in found), sum(ms > -sight.eps for ms in found))


def told(dag: Dag) -> bool:
    """Whether its tasks tell how late it is: those that wait for slots of a pool do not."""
    return not all(task in dag.pools for task in dag.tasks)


def _begun(sight: Sight) -> Iterator[tuple[Dag, float, float]]:
    for dag in filter(told, sight.timed):
        for _, run, ready in sight.could(dag):
            if witnessed(run) and (start := began(run, dag.pools)) is not None:
                yield dag, start - ready, ready


def _not_begun(sight: Sight) -> Iterator[tuple[Dag, None, float]]:
    for dag in filter(told, sight.timed):
        for _, run, ready in sight.could(dag):
            if witnessed(run) and began(run, dag.pools) is None:
                yield dag, None, ready


def caught_up(sight: Sight) -> tuple[Range, bool]:
    """From the fault until no run waits longer than usual, nor does any that is due within the longest time between two
    after that. And whether that is sure: what waits for nearly as long as usual may be called either."""
    if sight.world.fault == "none" or sight.world.way("proof") == 7:  # nothing was hit, or nothing says so
        return Range(0, 0, moot=True), True
    spans, period, after, unsure = [], 0, False, False
    for dag in sight.timed:
        pairs = sight.pairs(dag)
        period = max([period, *(tick.following - tick.due for tick, _ in pairs)])
        for since, until, sure in _waits(sight, dag):
            after |= since[0] > HIT
            from_ = since[1] + USUAL
            unsure |= not sure or abs(until - from_) < 2 * sight.eps + 100
            if until > max(HIT, from_):
                spans.append((from_, until))
    if not after:
        return Range(0, 0, moot=True), True
    last: float = HIT
    for begin, until in sorted(spans):
        unsure |= abs(begin - USUAL - last - period) < 4 * sight.eps
        if begin - USUAL > last + period:
            break
        last = max(last, until)
    error = SEEN_LATE + sight.eps / 1000
    seconds = (last - HIT) / 1000
    if last >= END:
        return Range((END - HIT) / 1000 - 1, math.inf), not unsure
    return Range(max(0, seconds - error), seconds + error if seconds else 0.0), not unsure


def _waits(sight: Sight, dag: Dag) -> Iterator[tuple[tuple[float, float], float, bool]]:
    """When each was due, from when on it waits, and until when. Where a DAG was behind before the fault, or has no time
    to spare, its runs wait for each other, which is nothing to catch up with."""
    if not told(dag):
        return
    every = [
        (tick, run, max(tick.due, dag.unpaused), ready, began(run, dag.pools))
        for tick, run, ready in sight.could(dag)
        if witnessed(run)
    ]
    before = [one for one in every if one[4] is not None and one[4] <= HIT]
    behind, sure = not before, True
    for tick, run, due, _, start in before:
        assert start is not None
        tight = left(run) - start + USUAL - (tick.following - tick.due) if dag.most == 1 else -END
        late_ = start - due - USUAL
        behind |= tight > 0 or late_ > 0
        sure &= min(abs(tight), abs(late_)) > 2 * sight.eps
    for _, _, due, ready, start in every:
        yield (due, ready if behind else due), END if start is None else start, sure
    runs = [run for _, run in sight.pairs(dag)]
    made = [tick.due for tick, _ in sight.pairs(dag)]
    for tick in dag.ticks:
        if max([-END, *made]) < tick.due <= END:  # not made, or not yet: nothing newer of this DAG was
            due = max(tick.due, dag.unpaused)
            yield (due, max(due, free(runs, dag.room)) if behind else due), END, sure
