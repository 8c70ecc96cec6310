"""What cannot have been: records that contradict each other say that the record is wrong, not what the truth is."""

from __future__ import annotations

import math

from harness.history import NS, History
from harness.judge.runs import Run, runs, work

EARLY_NS = NS // 20  # a timer may fire a little early
SLOW = 2  # so many times the time that a request is given, and an answer must have been given up
REFUSED = 400
LATER_NS = 5 * NS  # a task's mark and its run's end are seen within a second of each other


def contradictions(history: History) -> list[str]:
    """Each in a few words. Raises `HistoryError` as `runs` does."""
    asked = runs(history)
    return [*_samples(history), *_run_ends(history, asked), *_late_tasks(history, asked)]


def _samples(history: History) -> list[str]:
    given = history.meta.probe.get("timeout_s") if history.meta else None
    most_s = SLOW * given if isinstance(given, int | float) else math.inf
    found = []
    for series, column in history.samples.columns.items():
        impossible = (column.end < column.t) | (column.t < column.due - EARLY_NS)
        if count := int(impossible.sum()):
            found.append(f"{count} samples of {series} began before they were due, or ended before they began")
        refused = ~column.bad & (column.status >= REFUSED)
        if count := int(refused.sum()):
            found.append(f"{count} samples of {series} were answered well by a status of {REFUSED} or more")
        slow = ~column.bad & (column.end - column.t > most_s * NS)
        if not series.write and (count := int(slow.sum())):  # a write may have to log in first
            found.append(f"{count} samples of {series} were answered well after more than {most_s:g} s")
    return found


def _run_ends(history: History, asked: dict[str, Run]) -> list[str]:
    """A run ends once, in one way, and after it was asked for."""
    ways: dict[object, set[object]] = {}
    for op in history.ops:
        if op.f == "run" and op.type in ("ok", "fail"):
            ways.setdefault(op.value.get("dag_run"), set()).add((op.type, op.value.get("state")))
    twice = [f"{name} ended in two ways" for name, ends in ways.items() if len(ends) > 1]
    early = [
        f"{run.dag_run} ended before it was asked for"
        for run in asked.values()
        if run.ended is not None and run.ended < run.invoked
    ]
    return twice + early


def _late_tasks(history: History, asked: dict[str, Run]) -> list[str]:
    """Airflow calls a run a success once its tasks have ended, and no task of it ends for the first time after that."""
    found = []
    for task, done in work(history.marks).items():
        run = asked.get(task.dag_run)
        ends = [attempt.end for attempt in done.attempts if attempt.end is not None]
        if run and run.state == "success" and run.ended is not None and ends and min(ends) > run.ended + LATER_NS:
            found.append(f"{task} ended {(min(ends) - run.ended) / NS:.1f} s after its run had")
    return found
