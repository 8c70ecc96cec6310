"""The same run on a target without a ledger: no mark of any task, and Airflow's own record of each try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.history import Event, History, Mark, Op, Record
from harness.judge.runs import Task
from tests.unit.builders import at

WALL = datetime(2026, 6, 1, 12, tzinfo=UTC)
BY_LEDGER = frozenset({"alive", "told", "called"})


def wall(t: int, ahead: float = 0.0) -> str:
    """What a clock reads at `t` ns of the run that is `ahead` s of Airflow's."""
    return (WALL + timedelta(microseconds=t / 1000, seconds=ahead)).isoformat()


def clock(*seconds: float) -> list[Event]:
    """Readings of Airflow's clock, each exact to 0.01 s."""
    return [
        Event(
            t=at(t),
            source="probe",
            object="clock",
            what="offset",
            value={"wall": wall(at(t)), "error_ns": at(0.01)},
        )
        for t in seconds
    ]


def ledgerless(history: History, *, ahead: float = 0.0, read: bool = True) -> History:
    """`ahead`: by how much the clocks of the hosts are ahead of Airflow's; `read`: whether that is known at all."""
    assert history.meta is not None
    tries = tries_of(history.marks, ahead)
    ops = tuple(_with(op, tries) if (op.f, op.type) == ("tasks", "ok") else op for op in history.ops)
    events = [e for e in history.events if e.object not in ("ledger", "clock") and e.what not in BY_LEDGER]
    events += clock(1.0, 30.0, 55.0) if read else []
    meta = history.meta.model_copy(update={"ledger": False, "schedules": {}, "pools": {}, "slo": _owed(history)})
    kept = tuple(op for op in ops if op.process != "schedule")
    return replace(history, meta=meta, marks=(), scheduled_marks=(), ops=kept, events=tuple(sorted(events, key=_t)))


def tries_of(marks: Iterable[Mark], ahead: float = 0.0) -> dict[Task, dict[int, dict[str, Any]]]:
    """Of each task, what Airflow keeps of each try: when it began last, and its end."""
    found: dict[Task, dict[int, dict[str, Any]]] = {}
    for mark in sorted(marks, key=_t):
        of_task = found.setdefault(Task(mark.dag_run, mark.task, mark.map_index), {})
        if mark.mark == "start":
            said = {"task": mark.task, "map_index": mark.map_index, "try": mark.try_, "ti": mark.ti}
            more = {"state": "failed", "start": wall(mark.t, ahead), "end": None, "host": mark.executor_host}
            of_task[mark.try_] = said | more
        elif mark.try_ in of_task:
            of_task[mark.try_] |= {"state": "success", "end": wall(mark.t, ahead)}
    return found


def _with(op: Op, tries: dict[Task, dict[int, dict[str, Any]]]) -> Op:
    """Airflow knows of no more tries than it counts."""
    name = op.value.get("dag_run")
    listed = [(Task(str(name), str(task), index), count) for task, index, count in op.value.get("tasks") or ()]
    known = [one for task, count in listed for number, one in tries.get(task, {}).items() if number <= count]
    return op.model_copy(update={"value": op.value | {"tries": known}})


def _owed(history: History) -> dict[str, dict[str, Any]]:
    """Scheduled DAGs are not started."""
    assert history.meta is not None
    only = ("schedule.", "pools.", "assets.", "deferred.", "callbacks.")
    left_out = only if history.meta.schedules else ()
    return {name: bound for name, bound in history.meta.slo.items() if not name.startswith(left_out or ("-",))}


def _t(record: Record) -> int:
    return record.t
