"""Did each task that was deferred come back from its trigger?"""

from __future__ import annotations

from harness.history import NS, History, Mark
from harness.judge.checks import measured, some, unknown
from harness.judge.scheduled import Book, read
from harness.outcome import Check, Window
from harness.slo import Bound

NAME = "deferred.lost"


def check(history: History, bounds: dict[str, Bound]) -> tuple[Check, ...]:
    """Judge the bound if it is set. Raises `HistoryError` if the record of a run is malformed."""
    return (_lost(read(history, bounds), bounds[NAME]),) if NAME in bounds else ()


def _lost(book: Book, bound: Bound) -> Check:
    """Count only tasks that signed their start, and had enough time to wait and to be late."""
    schedules = {dag: one.schedule for dag, one in book.listings.items()}
    began: dict[tuple[str, str, str, int], Mark] = {}
    ended = set()
    for mark in book.history.scheduled_marks:
        key = (mark.dag, mark.dag_run, mark.task, mark.map_index)
        if mark.dag in schedules and mark.task in schedules[mark.dag].deferred:
            began.setdefault(key, mark)
            ended.update([key] if mark.mark == "end" else [])
    last = book.history.last_t
    due = {key: mark.t + book.grace + round(schedules[key[0]].deferred[key[2]] * NS) for key, mark in began.items()}
    lost = [key for key in began if key not in ended and due[key] < last]
    names = f" ({some('/'.join(key[:3]) for key in lost)})" if lost else ""
    windows = [Window(start=began[key].t, end=last, what=f"{'/'.join(key[:3])} waits") for key in lost]
    judged = [key for key in began if key in ended or due[key] < last]
    before = f"Of {len(judged)} tasks that waited for a trigger, those that never went on:"
    found = measured(bound, len(lost), before, names, windows=windows)
    doubt = book.unread or (None if judged else "No task waited for a trigger, so nothing was at stake")
    return unknown(bound, doubt) if doubt else found
