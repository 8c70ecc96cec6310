"""What the promises of scheduled work truly came to, each as the least and the most that it may be measured as.

Nothing here calls the judge. Counted is what Airflow owes by its own rules, as `scheduler.py` has them; what was
planted breaks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.worlds.life import END
from benchmarks.worlds.timed.dags import POOL, Dag, Tick
from benchmarks.worlds.timed.scheduler import Made
from benchmarks.worlds.timed.seen import (
    ASKED,
    READ_FROM,
    Sight,
    began,
    called_over,
    ended,
    free,
    left,
    marked,
    over,
    witnessed,
)

NEAR = 5_000  # what comes so shortly after each other may be heard of in another order
APART = 2_000  # schedulers' clocks may be


@dataclass(frozen=True)
class Range:
    """The least and the most; `moot` that there was nothing at stake, or None where that cannot be told."""

    low: float
    high: float
    moot: bool | None = False

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


def exactly(count: float, *, moot: bool | None = False) -> Range:
    return Range(count, count, moot)


def counts(sight: Sight, grace: int, lasting: int) -> dict[str, Range]:
    """All that is counted. `grace` is how late what is due may be, `lasting` how long a run may take, in ms."""
    return {
        "schedule.missed": _missed(sight, grace, lasting),
        "schedule.extra": _extra(sight),
        "schedule.doubled": _doubled(sight),
        "schedule.order": _order(sight),
        "schedule.overlap": _overlap(sight),
        "pools.exceeded": _exceeded(sight),
        "assets.unconsumed": _unconsumed(sight, grace),
        "assets.consumed_twice": _twice(sight),
        "deferred.lost": _deferred(sight, grace),
        "callbacks.doubled": _called_again(sight),
        "callbacks.lost": _uncalled(sight, grace),
    }


def surely(ms: float, eps: float) -> Range:
    """One where more than no time has gone by, none where less, and nobody knows near to it."""
    return Range(int(ms > eps), int(ms > -eps))


def _missed(sight: Sight, grace: int, lasting: int) -> Range:
    total, due = exactly(0), 0
    for dag in sight.timed:
        pairs = sight.pairs(dag)
        made = {tick for tick, _ in pairs}
        for tick in dag.ticks:
            if tick not in made and tick.due <= ASKED:
                total += (found := _never(sight, dag, tick, pairs, grace))
                due += found.high > 0
        for _, run in pairs:
            total += _undone(sight, run, grace, lasting)
        due += len(pairs)
    return Range(total.low, total.high, moot=not due)


def _never(sight: Sight, dag: Dag, tick: Tick, pairs: list[tuple[Tick, Made]], grace: int) -> Range:
    """One that no run was made for. Without catch-up, Airflow leaves out all but the newest that is due when it makes
    a run; so one is missed where that was planted, or where none was ever made again."""
    later = bool(pairs) and pairs[-1][0].due > tick.due
    planted = not dag.catchup and tick in sight.life.skipped
    if later and not planted:
        return exactly(int(dag.catchup))
    before = [run for other, run in pairs if other.due < tick.due]
    if planted:
        sure = all(left(run) < tick.due for run in before)
        return Range(int(sure and later), 1)
    waited = ASKED - grace - max(tick.due, dag.unpaused, free(before, dag.room, called_over))
    if dag.catchup:
        return surely(waited, sight.eps)
    if tick.following <= max([dag.unpaused, *(run.made for run in before)]):
        return exactly(0)
    newest = tick.following - (ASKED - grace)
    unsure = Range(0, int(waited > -sight.eps and newest > -APART - sight.eps))
    return exactly(1) if waited > sight.eps and newest > APART + sight.eps else unsure


def _undone(sight: Sight, run: Made, grace: int, lasting: int) -> Range:
    """Whether a run is not done that should be."""
    if run.state == "failed" and over(run):
        return exactly(int(not run.dag.fails))
    if not witnessed(run) or any(a.task in run.dag.waits and ended(a) is None for a in marked(run)):
        return exactly(0)
    if not over(run):
        took = [r.ended - r.made for r in sight.runs(run.dag) if over(r) and r.ended is not None]
        return surely(ASKED - run.made - max([*took, lasting]) - grace, sight.eps)
    return exactly(int(not set(run.dag.tasks) <= {a.task for a in marked(run) if ended(a) is not None}))


def _extra(sight: Sight) -> Range:
    total, made = exactly(0), 0
    for dag in sight.plan.dags:
        unknown = [r for r in sight.life.timed if r.dag is dag and not r.known and began(r) is not None]
        total += exactly(len(unknown))
        if dag.consumes:
            made += len(unknown)
            continue
        pairs = sight.pairs(dag)
        others = len(sight.runs(dag)) - len(pairs)
        total += exactly(others)
        made += len(pairs) + others + len(unknown)
        for number, (tick, _) in enumerate(pairs[1:], 1):
            if not dag.catchup:  # to be left out, if the next was due when the run before was made
                past = max(run.made for _, run in pairs[:number]) - APART - tick.following
                total += surely(past, APART + 2 * sight.eps)
    return Range(total.low, total.high, moot=not made)


def _doubled(sight: Sight) -> Range:
    ends: dict[tuple[int, str], int] = {}
    for run in sight.life.timed:
        for attempt in run.attempts:
            if ended(attempt) is not None:
                ends[id(run), attempt.task] = ends.get((id(run), attempt.task), 0) + 1
    return exactly(sum(count > 1 for count in ends.values()), moot=not ends)


def _order(sight: Sight) -> Range:
    total = count = 0
    for dag in (dag for dag in sight.timed if dag.most == 1):
        starts = [start for _, run in sight.pairs(dag) if (start := began(run)) is not None]
        count += len(starts)
        total += sum(a > b for a, b in pairwise(starts))
    return exactly(total, moot=not count)


def _overlap(sight: Sight) -> Range:
    total = count = 0
    for dag in (dag for dag in sight.plan.dags if dag.most == 1):
        spans = [_span(run) for run in sight.life.timed if run.dag is dag and began(run) is not None]
        count += len(spans)
        total += sum(any(b is not a and b[0] < a[0] < b[1] for b in spans) for a in spans)
    return exactly(total, moot=not count)


def _span(run: Made) -> tuple[int, int]:
    """From its first start to the last of the first ends of its tasks."""
    ends: dict[str, int] = {}
    for attempt in run.attempts:
        if (end := ended(attempt)) is not None:
            ends[attempt.task] = min(end, ends.get(attempt.task, end))
    start = began(run) or 0
    return start, max(ends.values(), default=start)


def _exceeded(sight: Sight) -> Range:
    """What died held its slot for nobody knows how long, so it is known to have been there as it began."""
    held = [a for r in sight.life.timed for a in marked(r) if r.dag.pools.get(a.task) == POOL]
    spans = [(a.start, a.start if (end := ended(a)) is None else end) for a in held]
    beside = [sum(b is not a and b[0] <= a[0] < b[1] for b in spans) for a in spans]
    full = any(n + 1 >= sight.plan.slots for n in beside)
    return exactly(sum(n >= sight.plan.slots for n in beside), moot=not full)


def _updates(sight: Sight, asset: str) -> list[tuple[int, Made]]:
    """Ends of the task that updates it, in runs that were a success."""
    found = []
    for run in (r for dag in sight.timed for r in sight.runs(dag) if r.state == "success" and over(r)):
        task = run.dag.produces.get(asset)
        ends = [e for a in run.attempts if a.task == task and (e := ended(a)) is not None]
        if ends:
            found.append((max(ends), run))
    return found


def _unconsumed(sight: Sight, grace: int) -> Range:
    total, watched = exactly(0), 0
    for dag in (dag for dag in sight.plan.dags if dag.consumes):
        waiting: list[list[Range]] = []
        had = {(update.asset, id(update.source)) for run in sight.runs(dag) for update in run.consumed}
        for asset in dag.consumes:
            updates = _updates(sight, asset)
            watched += len(updates)
            last = max((t for t, run in updates if (asset, id(run)) in had), default=-END)
            open_ = [(t, run) for t, run in updates if (asset, id(run)) not in had and t > dag.unpaused + 1_000]
            each = [(t, surely(ASKED - grace - t, sight.eps)) for t, _ in open_]
            for t, due in each:  # others that came later were consumed
                total += due if t < last - NEAR - sight.eps else exactly(0)
            waiting.append([due for t, due in each if t >= last - NEAR - sight.eps])
        total += _together(waiting)
    return Range(total.low, total.high, moot=not watched)


def _together(waiting: list[list[Range]]) -> Range:
    """Where one of each asset waits, all do in vain."""
    least = [sum(due.low for due in each) for each in waiting]
    most = [sum(due.high for due in each) for each in waiting]
    return Range(sum(least) if all(least) else 0, sum(most) if all(most) else 0)


def _twice(sight: Sight) -> Range:
    total, seen = 0, 0
    for dag in (dag for dag in sight.plan.dags if dag.consumes):
        runs = sight.runs(dag)
        had = [update.number for run in runs for update in run.consumed]
        total += len(had) - len(set(had)) + sum(not run.consumed for run in runs)
        seen += len(set(had))
    return exactly(total, moot=not seen)


def _deferred(sight: Sight, grace: int) -> Range:
    total, judged = exactly(0), exactly(0)
    for run in sight.life.timed:
        for task, waits in run.dag.waits.items():
            starts = [a.start for a in marked(run) if a.task == task]
            done = any(a.task == task and ended(a) is not None for a in run.attempts)
            late = surely(END - 100 - min(starts) - waits - grace, sight.eps + 150) if starts else exactly(0)
            total += exactly(0) if done else late
            judged += exactly(1) if done else late
    return Range(total.low, total.high, moot=True if not judged.high else None if not judged.low else False)


def _calls(sight: Sight) -> Iterator[tuple[Made, str, str]]:
    for run in sight.life.timed:
        for kind, task, t in run.calls:
            if READ_FROM <= t < ASKED + 300:
                yield run, kind, task


def _called_again(sight: Sight) -> Range:
    calls = [(id(run), kind, task) for run, kind, task in _calls(sight)]
    return exactly(len(calls) - len(set(calls)), moot=not calls)


def _uncalled(sight: Sight, grace: int) -> Range:
    heard = {(id(run), kind, task) for run, kind, task in _calls(sight)}
    total, owed = exactly(0), exactly(0)
    for run in (run for dag in sight.plan.dags for run in sight.runs(dag)):
        for kind, task in run.dag.calls:
            meant = over(run) and (kind == "deadline" or (kind == "failure") == (run.state == "failed"))
            if meant and run.ended is not None and witnessed(run):
                due = surely(ASKED - grace - run.ended, sight.eps)
                owed += due
                total += exactly(0) if (id(run), kind, task) in heard else due
    return Range(total.low, total.high, moot=True if not owed.high else None if not owed.low else False)
