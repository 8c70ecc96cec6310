"""How late scheduled runs began, and how long after the fault they were late."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from harness.history import NS
from harness.judge.came import NEVER, Coming, judged
from harness.judge.checks import amount, measured, unknown, when
from harness.judge.faults import fault_time
from harness.judge.observers import MARKS
from harness.judge.owed import PROMPT, Owed, room
from harness.judge.runs import Task
from harness.judge.scheduled import Book
from harness.outcome import Check, Verdict, Window
from harness.records import MOST_T
from harness.schedule.listed import Clock, Listing, Made
from harness.schedule.ticks import moment, shown
from harness.slo import Bound


@dataclass(frozen=True)
class Start:
    """A run that is owed; times are `t` of the history, in ns. `due` is its tick, `ready` when it could have begun:
    then, or when earlier runs left room. `began` is when it was seen to; `tight`: it barely ended before the next was
    due."""

    dag: str
    name: str
    due: int
    ready: int
    began: int | None
    tight: bool = False

    @property
    def took(self) -> int:
        assert self.began is not None
        return self.began - self.ready

    def waits_from(self, kept_up: bool) -> int:
        return self.due if kept_up else self.ready


def late(book: Book, starts: list[Start], clock: Clock, bound: Bound) -> Check:
    """The worst of all, and what is usual. A run that has not begun but may still be late does not count yet."""
    asked = {listing.dag: listing.asked for listing in book.known}
    begun = sorted((one for one in starts if one.began is not None), key=lambda one: -one.took)
    waiting = [one for one in starts if one.began is None and one.ready + book.grace < asked[one.dag]]
    if not begun and not waiting:
        return unknown(bound, "No run that was due began, so nothing is known of how late they are")
    usual = f"; the median of {len(begun)} is {amount(median(_s(one.took) for one in begun), 's')}" if begun else ""
    told = f" after it could have{usual}; the clocks agree to {amount(clock.error / NS, 's')}"
    worst: Check | None = None
    for one in (*waiting, *begun):
        coming = Coming(f"The first task of {one.name}", one.ready, _not_before(one, clock), MARKS)
        found = judged(book.history, bound, coming, f"{told}, {when(one.ready, fault_time(book.history))}")
        if worst is None or found.verdict.rank > worst.verdict.rank:
            worst = found
        if found.verdict in (Verdict.FAIL, Verdict.PASS):
            break  # those that follow are less late
    assert worst is not None
    return worst


def caught_up(book: Book, owed: list[Owed], begun: list[Start], clock: Clock, bound: Bound) -> Check:
    """From the fault until no due run waits longer than usual, nor any due within a period after that. A period is the
    longest time between two runs."""
    fault = fault_time(book.history)
    if fault is None:
        return unknown(bound, "Nothing was broken, so there was nothing to catch up with")
    starts = [*begun, *_unmade(book, owed, clock)]
    if not any(one.due > fault for one in starts):
        return unknown(bound, "No run was due after the fault, so nothing was at stake")
    most, last = _until(book, owed, starts, fault, _seen)
    least, _ = _until(book, owed, starts, fault, _surely)
    if last is None:
        return measured(bound, 0.0, f"After the fault no run waited longer than the usual {PROMPT // NS} s:")
    never = last.began is None
    window = Window(start=fault, end=most, what="runs begin late")
    name = f"The last of the runs that waited, {last.name},"
    after = f" after the fault ({when(most, None)})"
    found = measured(
        bound, (most - fault) / NS, f"{name} {NEVER if never else 'came'}", after, whole=not never, windows=[window]
    )
    if found.verdict is not Verdict.FAIL or least == most:
        return found
    if bound.holds((least - fault) / NS):
        return unknown(
            bound, f"{name} was not seen to begin until {when(most, None)}, but the ledger was not read", [window]
        )
    known = f"Runs waited, the last of them {last.name}, before the ledger was not read any more,"
    return measured(bound, (least - fault) / NS, known, " after the fault", whole=False, windows=[window])


def _until(
    book: Book, owed: list[Owed], starts: list[Start], fault: int, seen: Callable[[Book, Start], int]
) -> tuple[int, Start | None]:
    """When the last run that waited began, with `seen` saying when a run begins; and which run that was."""
    until, last = fault, None
    for since, one in _waited(book, starts, fault, seen):
        if since > until + _period(owed):
            break
        if seen(book, one) > until:
            until, last = seen(book, one), one
    return until, last


def _waited(book: Book, starts: list[Start], fault: int, seen: Callable[[Book, Start], int]) -> list[tuple[int, Start]]:
    """Runs that waited longer than usual after the fault, and since when, in order. In DAGs that were behind before it,
    or have no time to spare, runs wait for each other, which is nothing to catch up with."""
    before = [one for one in starts if one.began is not None and one.began <= fault]
    behind = {one.dag for one in before if one.tight or _seen(book, one) > one.due + PROMPT}
    kept_up = {one.dag for one in before} - behind
    since = [(one.waits_from(one.dag in kept_up), one) for one in starts]
    return sorted(
        ((t, one) for t, one in since if seen(book, one) > max(fault, t + PROMPT)), key=lambda waited: waited[0]
    )


def _unmade(book: Book, owed: list[Owed], clock: Clock) -> Iterator[Start]:
    """Runs not made yet, or never made: each has waited since there was room for it."""
    for one in owed:
        listing = book.listings[one.dag]
        at_work, unpaused = room(listing), clock.here(moment(listing.schedule.unpaused))
        for _, run in one.pairs:
            at_work.take(_ended(book, listing, run, clock))
        for tick in one.after if _tells(listing) else ():
            due = max(clock.here(tick.due), unpaused)
            yield Start(one.dag, f"{one.dag} {shown(tick.due)}", due, int(min(max(due, at_work.since), MOST_T)), None)


def _seen(book: Book, one: Start) -> int:
    return book.history.last_t if one.began is None else one.began


def _surely(book: Book, one: Start) -> int:
    """Until when it surely waited: it may have begun as soon as its observer went blind."""
    return Coming(one.name, min(one.due, one.ready), one.began, MARKS).least(book.history)


def _not_before(one: Start, clock: Clock) -> int | None:
    """A run that seems early by no more than the clocks may differ began when it was due."""
    if one.began is None or one.took < -clock.error - NS:
        return one.began
    return max(one.began, one.ready)


def _period(owed: list[Owed]) -> int:
    """The longest time between two runs of a DAG."""
    return max((tick.superseded - tick.due for one in owed for tick, _ in one.pairs), default=0)


def starts_of(book: Book, owed: list[Owed], clock: Clock) -> list[Start]:
    """When each owed run that came could begin, and when it did."""
    return [start for one in owed for start in _of_dag(book, book.listings[one.dag], one, clock)]


def _of_dag(book: Book, listing: Listing, owed: Owed, clock: Clock) -> Iterator[Start]:
    """A run can begin when it is due, its DAG is no longer paused, and fewer runs than are allowed are at work."""
    waits = listing.schedule.pools.keys()
    if not _tells(listing):
        return
    at_work, unpaused = room(listing), clock.here(moment(listing.schedule.unpaused))
    for tick, run in owed.pairs:
        starts = [m.t for m in book.marks.get(run.key, ()) if m.mark == "start" and m.task not in waits]
        began, free = min(starts, default=None), at_work.since
        if began is not None and began < free:
            free = -math.inf  # it did not wait for those that it was to wait for
        due, ended = max(clock.here(tick.due), unpaused), _ended(book, listing, run, clock)
        tight = began is not None and at_work.most == 1 and ended - began + PROMPT > tick.superseded - tick.due
        if book.witnessed(run):
            yield Start(run.dag, str(run), due, int(min(max(due, free), MOST_T)), began, tight)
        at_work.take(ended)


def _tells(listing: Listing) -> bool:
    """Whether its tasks show when it began: if all of them wait for pool slots, they do not."""
    schedule = listing.schedule
    return not schedule.tasks or any(task not in schedule.pools for task, _ in schedule.tasks)


def _ended(book: Book, listing: Listing, run: Made, clock: Clock) -> float:
    """When its last task ended, by the ledger; if that does not show all, when Airflow says that it was over."""
    ends = {Task(m.dag_run, m.task, m.map_index): m.t for m in book.marks.get(run.key, ()) if m.mark == "end"}
    tasks = {Task(run.dag_run, task, index) for task, index in listing.schedule.tasks}
    if tasks and tasks <= ends.keys():
        return max(ends[task] for task in tasks)
    return clock.here(run.ended) if run.over and run.ended is not None else math.inf


def _s(took: int) -> float:
    return max(0, took) / NS
