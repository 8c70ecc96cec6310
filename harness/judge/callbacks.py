"""Was each end of a run called back, and only once? Each callback signs the ledger.

Schedulers that do not lock their rows see the same run end, and each has it called back: no task shows that. Airflow
promises neither at least once nor at most once. It takes a callback out of its table before calling it (Airflow 3.3.2,
`_fetch_callbacks_from_db` in `dag_processing/manager.py`), so a DAG processor that dies in between loses it. A missed
deadline is called back by a trigger, and so at least once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from harness.history import History
from harness.judge.checks import measured, some, unknown
from harness.judge.observers import unread_ledger
from harness.judge.runs import runs
from harness.judge.scheduled import Book, read
from harness.outcome import Check, Verdict, Window
from harness.schedule.listed import OVER, Listing, Made
from harness.slo import Bound

NAME = "callbacks.doubled"
LOST = "callbacks.lost"
PLACE = "run/"
STATES = {"success": frozenset({"success"}), "failure": frozenset({"failed"}), "deadline": OVER}
# Two schedulers each look every 1.1 s and hold a run for 0.05 s of that. Without locks, both hold it at once in one
# case in 11: for at least one of 32 runs, with 95 % probability.
FEWEST = 32


class Call(NamedTuple):
    """One callback of a run, or of one of its tasks."""

    dag: str
    dag_run: str
    task: str
    kind: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` as `runs` and `read` do."""
    found = [_again(history, bounds[NAME])] if NAME in bounds else []
    return (*found, *([_lost(read(history, bounds), bounds[LOST])] if LOST in bounds else []))


def _again(history: History, bound: Bound) -> Check:
    """It takes many triggered runs to catch two schedulers at it; scheduled ones are judged however few they are."""
    accepted = {name for name, run in history.once(runs).items() if run.accepted}
    told = Counter(e.object.removeprefix(PLACE) for e in history.seen("job") if e.what == "told")
    known = {run: times for run, times in told.items() if run in accepted}
    called = Counter(map(str, _calls(history)))
    if len(known) < FEWEST and not called:
        return unknown(bound, f"Only {len(known)} runs told of their success, of {FEWEST} at least")
    known |= called
    again = {run: times - 1 for run, times in known.items() if times > 1}
    names = f" ({some(sorted(again))})" if again else ""
    before = f"Of {len(known)} runs that told of their {'end' if called else 'success'}, times beyond one each:"
    found = measured(bound, sum(again.values()), before, names)
    partial = unread_ledger(history) or (called and history.problem)
    if partial and found.verdict is Verdict.PASS:
        return unknown(bound, "Not all of the ledger was read")
    return found


def _lost(book: Book, bound: Bound) -> Check:
    """Count only runs that were over long enough before Airflow was asked."""
    heard = set(_calls(book.history))
    owed = [(call, t) for one in book.known for run in one.runs for call, t in _owed(book, one, run)]
    lost = [(call, t) for call, t in owed if call not in heard]
    names = f" ({some(str(call) for call, _ in lost)})" if lost else ""
    last = book.history.last_t
    windows = [Window(start=t, end=last, what=f"{call} was not called") for call, t in lost]
    before = f"Of {len(owed)} callbacks that were owed, never made:"
    found = measured(bound, len(lost), before, names, windows=windows)
    nothing = None if owed else "No run ended that owed a callback, so nothing was at stake"
    doubt = book.unread or (found.verdict is Verdict.PASS and (book.unasked or nothing))
    return unknown(bound, doubt) if doubt else found


def _owed(book: Book, listing: Listing, run: Made) -> Iterator[tuple[Call, int]]:
    if book.clock is None or run.ended is None or not book.witnessed(run):
        return
    ended = book.clock.here(run.ended)
    for kind, task in listing.schedule.callbacks:
        if run.state in STATES.get(kind, ()) and ended + book.grace <= listing.asked:
            yield Call(run.dag, run.dag_run, task, kind), ended


def _calls(history: History) -> Iterator[Call]:
    for event in history.seen("job"):
        if event.what == "called":
            dag, run, task, kind = (str(event.value.get(name, "")) for name in ("dag", "dag_run", "task", "kind"))
            yield Call(dag, run, task, kind)
