"""What cannot be true: records that contradict each other show that the record is wrong, not what the truth is.

All times come from one clock, that of the machine that runs the harness, so no effect is seen before its cause. The
only allowance is for a thread of the harness held up between seeing and recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.errors import HistoryError
from harness.history import NS, History
from harness.judge.observers import MARKS, unseen
from harness.judge.runs import Run, Task, Work, known, runs, work
from harness.samples import Column, Flags
from harness.schedule.listed import LISTER

CLOCK_NS = NS // 20  # a timer may fire a little early
HELD_UP_NS = NS  # on a busy machine
WAITS = 6  # a trigger waits to connect and for an answer; if its login has expired, it logs in and asks again
GOOD = (200, 299)
NEWS = {"trigger": "was answered", "run": "ended"}


def contradictions(history: History) -> list[str]:
    """Each in a few words. Raises `HistoryError` as `runs` does."""
    asked, done = history.once(runs), work(history.marks)
    return [
        *_samples(history),
        *_after_the_end(history),
        *_run_ends(history, asked),
        *_early(history, asked),
        *_late_tasks(history, asked, done),
        *_other_tasks(history, asked),
    ]


def _samples(history: History) -> list[str]:
    probe = history.meta.probe if history.meta else {}
    given, probed = probe.get("timeout_s"), probe.get("targets")
    found = []
    for series, column in history.samples.columns.items():
        triggers = series.write and not (isinstance(probed, dict) and series.target in probed)
        most_s = _most_s(given, WAITS if triggers else 1)
        kinds = {
            "began before they were due, or ended before they began": (column.end < column.t)
            | (column.t < column.due - CLOCK_NS),
            f"were answered well by no status of {GOOD[0]} to {GOOD[1]}": ~column.bad
            & ((column.status < GOOD[0]) | (column.status > GOOD[1])),
            "were answered well, and say what went wrong": ~column.bad & _with_errors(column),
            f"took more than {most_s:g} s, where a wait ends after {given} s": column.end - column.t > most_s * NS,
        }
        found += [f"{count} samples of {series} {what}" for what, which in kinds.items() if (count := int(which.sum()))]
    return found


def _most_s(given: object, waits: int) -> float:
    """How long a request that waits so many times can have taken."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return math.inf
    return waits * given + HELD_UP_NS / NS


def _with_errors(column: Column) -> Flags:
    said = column.bad & False
    said[list(column.errors)] = True
    return said


def _after_the_end(history: History) -> list[str]:
    """The end is written last, and no record names a time later than its own."""
    found = []
    if history.ended is not None:
        records = (*history.ops, *history.marks, *history.scheduled_marks, *history.faults, *history.events)
        told = [record.t for record in (*records, *history.phases)]
        told += [int(c.end.max()) for c in history.samples.columns.values() if len(c)]
        if (after := max(told, default=0) - history.ended) > CLOCK_NS:
            found.append(f"it goes on for {after / NS:.1f} s after its end")
    for fault in history.faults:
        for name, t in fault.evidence.items():
            if name.endswith("_t") and isinstance(t, int) and t > fault.t + CLOCK_NS:
                what = f"the {fault.phase} of {fault.target.get('name')}"
                found.append(f"{what} gives {name} {(t - fault.t) / NS:.1f} s ahead of its own time")
    return found


def _run_ends(history: History, asked: dict[str, Run]) -> list[str]:
    """A run ends once, in one way, and only if it was not refused."""
    ways: dict[object, set[object]] = {}
    for op in history.ops:
        if op.f == "run" and op.type in ("ok", "fail"):
            ways.setdefault(op.value.get("dag_run"), set()).add((op.type, op.value.get("state")))
    twice = [f"{name} ended in two ways" for name, ends in ways.items() if len(ends) > 1]
    refused = [f"{r.dag_run} was refused, and ended" for r in asked.values() if r.answer == "fail" and r.ended]
    return twice + refused


def _early(history: History, asked: dict[str, Run]) -> list[str]:
    """News of a run comes after its trigger, and never of a run that nobody triggered."""
    found: dict[str, None] = {}
    for t, name, what in _news(history):
        if name not in asked:
            found[f"{name} {what}, and nobody triggered it"] = None
        elif t < asked[name].invoked - CLOCK_NS:
            found[f"{name} {what} before it was asked for"] = None
    return list(found)


def _news(history: History) -> Iterator[tuple[int, str, str]]:
    for op in history.ops:
        asked_for = op.process != LISTER and (op.f, op.type) != ("trigger", "invoke")
        if asked_for and isinstance(name := op.value.get("dag_run"), str):
            yield op.t, name, NEWS.get(op.f, "was known")
    for mark in history.marks:
        yield mark.t, mark.dag_run, "had a task at work"


def _late_tasks(history: History, asked: dict[str, Run], done: dict[Task, Work]) -> list[str]:
    """Airflow calls a run a success once its tasks have ended; none of them first ends after that."""
    found = []
    for task, own in done.items():
        run = asked.get(task.dag_run)
        if run is None or run.state != "success" or run.ended is None or not own.attempts:
            continue
        ends = [attempt.end for attempt in own.attempts if attempt.end is not None]
        first = min(ends) if ends else own.attempts[0].start
        # The ledger's reader reads late what it could not see for a while.
        if first > run.ended + HELD_UP_NS and not unseen(history, MARKS, run.ended, first):
            found.append(
                f"{task} {'ended' if ends else 'began'} {(first - run.ended) / NS:.1f} s after its run had ended"
            )
    return found


def _other_tasks(history: History, asked: dict[str, Run]) -> list[str]:
    """For a successful run, Airflow's own record has every task that was asked for, and it tried no other."""
    try:
        listed = known(history)
    except HistoryError as cause:
        return [str(cause)]
    found = []
    for name, tries in listed.items():
        run = asked.get(name)
        if run is None or run.tasks is None or run.state != "success":
            continue
        found += [
            f"Airflow tried {task}, which was not asked for" for task, n in tries.items() if n and task not in run.tasks
        ]
        found += [f"Airflow does not know {task}, which was asked for" for task in sorted(run.tasks - tries.keys())]
    return found
