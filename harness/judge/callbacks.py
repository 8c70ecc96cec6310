"""Was each run's success told once? Its DAG's callback says in the ledger that it was called.

Schedulers that do not keep off each other's rows see the same run end, and each has its DAG told: no task shows it.
"""

from __future__ import annotations

from collections import Counter

from harness.history import History
from harness.judge.checks import measured, some, unknown
from harness.judge.observers import unread_ledger
from harness.judge.runs import runs
from harness.outcome import Check, Verdict
from harness.slo import Bound

NAME = "callbacks.doubled"
PLACE = "run/"
# Two schedulers look every 1.1 s each and have a run in hand for 0.05 s of it. Where neither keeps off, both have it at
# once in one case of 11: with 95 %, for one at least of 32 runs.
FEWEST = 32


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Raises `HistoryError` as `runs` does."""
    bound = bounds.get(NAME)
    return (_again(history, bound),) if bound else ()


def _again(history: History, bound: Bound) -> Check:
    accepted = {name for name, run in runs(history).items() if run.accepted}
    told = Counter(e.object.removeprefix(PLACE) for e in history.events if e.source == "job" and e.what == "told")
    known = {run: times for run, times in told.items() if run in accepted}
    if len(known) < FEWEST:
        return unknown(bound, f"Only {len(known)} runs told of their success, of {FEWEST} at least")
    again = {run: times - 1 for run, times in known.items() if times > 1}
    names = f" ({some(sorted(again))})" if again else ""
    before = f"Of {len(known)} runs that told of their success, times beyond one each:"
    found = measured(bound, sum(again.values()), before, names)
    if unread_ledger(history) and found.verdict is Verdict.PASS:
        return unknown(bound, "Not all of the ledger was read")
    return found
