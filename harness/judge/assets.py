"""Did each update of an asset lead to one run, and only one, of every DAG that waits for it?

Airflow merges updates: however often an asset was updated since the last run, it makes one run for them all (one row
per asset and DAG, `_queue_dagruns` in `assets/manager.py` of Airflow 3.3.2). So an update need not have a run of its
own, but it must be among those that a run was made for. A DAG that waits for several assets needs an update of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.history import NS, History
from harness.judge.checks import measured, some, unknown
from harness.judge.owed import PROMPT
from harness.judge.scheduled import Book, read
from harness.outcome import Check, Verdict, Window
from harness.schedule.listed import Listing
from harness.schedule.ticks import moment
from harness.slo import Bound

UNCONSUMED, TWICE = "assets.unconsumed", "assets.consumed_twice"
TRIGGERED = "asset_triggered"


@dataclass(frozen=True)
class Update:
    """An asset was updated by a run's task that ended at `t`."""

    asset: str
    dag: str
    dag_run: str
    t: int

    @property
    def source(self) -> tuple[str, str, str]:
        return self.asset, self.dag, self.dag_run

    def __str__(self) -> str:
        return f"{self.asset} by {self.dag}/{self.dag_run}"


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bounds that are set. Raises `HistoryError` if the record of a run is malformed."""
    wanted = {name: judge for name, judge in ((UNCONSUMED, _unconsumed), (TWICE, _twice)) if name in bounds}
    if not wanted:
        return ()
    book = read(history, bounds)
    return tuple(judge(book, bounds[name]) for name, judge in wanted.items())


def _unconsumed(book: Book, bound: Bound) -> Check:
    consumers, updates = _consumers(book), list(_updates(book))
    lost = [(one, update) for one in consumers for update in _lost(book, one, updates)]
    names = f" ({some(f'{update} for {one.dag}' for one, update in lost)})" if lost else ""
    last = book.history.last_t
    windows = [Window(start=u.t, end=last, what=f"{u}: no run of {one.dag}") for one, u in lost]
    watched = sum(update.asset in one.schedule.consumes for one in consumers for update in updates)
    before = f"Of {watched} updates that were waited for, those that no run was made for:"
    found = measured(bound, len(lost), before, names, windows=windows)
    return _sure(book, found, bound, watched)


def _twice(book: Book, bound: Bound) -> Check:
    """Count runs made for nothing, too: another run had consumed their updates."""
    consumers = _consumers(book)
    runs = [run for one in consumers for run in one.runs if run.run_type == TRIGGERED and run.consumed is not None]
    times = Counter((run.dag, asset, number) for run in runs for number, asset, _, _ in run.consumed or ())
    again = [f"{asset} for {dag}" for (dag, asset, _), count in times.items() for _ in range(count - 1)]
    idle = [f"{run} for nothing" for run in runs if not run.consumed]
    names = f" ({some(again + idle)})" if again or idle else ""
    before = f"Of {len(times)} updates that runs were made for, times beyond one each, and runs for nothing:"
    return _sure(book, measured(bound, len(again) + len(idle), before, names), bound, len(times))


def _sure(book: Book, found: Check, bound: Bound, count: int) -> Check:
    untold = [str(r) for one in _consumers(book) for r in one.runs if r.run_type == TRIGGERED and r.consumed is None]
    told = f"It is not recorded what {some(untold)} was made for" if untold else None
    nothing = None if count else "No asset was updated, so nothing was at stake"
    doubts = (book.unasked, book.unread, told, nothing)
    why = next((why for why in doubts if why), None)
    return unknown(bound, why) if why and (found.verdict is Verdict.PASS or untold) else found


def _consumers(book: Book) -> list[Listing]:
    return [one for one in book.known if one.schedule.consumes]


def _updates(book: Book) -> Iterator[Update]:
    """An asset is updated if the task that updates it succeeded: its run did, and the task signed its end."""
    for listing in book.known:
        for asset, task in listing.schedule.produces.items():
            for run in (run for run in listing.runs if run.state == "success"):
                ends = [m.t for m in book.marks.get(run.key, ()) if m.mark == "end" and m.task == task]
                if ends:
                    yield Update(asset, run.dag, run.dag_run, max(ends))


def _lost(book: Book, consumer: Listing, updates: list[Update]) -> list[Update]:
    """Updates older than one that was consumed; and those still waiting, if one of each asset is."""
    consumed = {(asset, dag, run) for made in consumer.runs for _, asset, dag, run in made.consumed or ()}
    since = book.clock.here(moment(consumer.schedule.unpaused)) if book.clock else 0
    left_behind, waiting = [], {}
    for asset in consumer.schedule.consumes:
        mine = [u for u in updates if u.asset == asset and u.t > since + NS]
        # When tasks end at nearly the same time, Airflow may hear of the later one first.
        last = max((u.t for u in mine if u.source in consumed), default=0) - PROMPT
        open_ = [u for u in mine if u.source not in consumed and u.t + book.grace <= consumer.asked]
        left_behind += [u for u in open_ if u.t < last]
        waiting[asset] = [u for u in open_ if u.t >= last]
    together = all(waiting.values())
    return left_behind + [u for every in waiting.values() for u in every if together]
