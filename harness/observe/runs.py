"""Follows accepted DAG runs to their end: op `run`, invoked when accepted, then ok, fail or info."""

from __future__ import annotations

import threading
import time
from typing import Any, Literal

from harness.airflow import Airflow
from harness.answers import RunState, TaskState, Try
from harness.history import Op, Recorder
from harness.observe.problems import Problems

EVERY_S = 1.0
OVER = ("success", "failed")


class Runs:
    """A thread that asks for news every second while runs are open, so it sees an end up to a second late.

    Only this thread uses `airflow`. With `may_go`, accepted runs may be gone at the end, or under way again: then it
    looks at all runs, until all that still exist are over.
    """

    def __init__(
        self,
        airflow: Airflow,
        recorder: Recorder,
        *,
        dag: str,
        prefix: str,
        process: str,
        with_tasks: bool = False,
        may_go: bool = False,
    ) -> None:
        self._airflow = airflow
        self._recorder = recorder
        self._dag = dag
        self._prefix = prefix
        self._process = process
        self._with_tasks = with_tasks
        self._may_go = may_go
        self._there: frozenset[str] | None = None
        self._open: set[str] = set()
        self._accepted: list[str] = []
        self._over: set[str] = set()
        self._lock = threading.Lock()
        self._problems = Problems(recorder, f"runs of {process}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"runs {prefix}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def accepted(self, run_id: str) -> None:
        """A trigger was accepted: from now on this run must end."""
        self._op("invoke", {"dag_run": run_id})
        with self._lock:
            self._open.add(run_id)
            self._accepted.append(run_id)

    def stop(self, wait_s: float) -> None:
        """Wait until no run is open, `wait_s` seconds at most, then record those that still are as info.

        If there was time to wait, also record what Airflow itself knows of the tasks.
        """
        deadline = time.monotonic() + wait_s
        while self._count() and not self._may_go and time.monotonic() < deadline:
            self._stopping.wait(min(0.1, max(0.0, deadline - time.monotonic())))
        self._stopping.set()
        self._thread.join()
        if self._may_go and wait_s > 0:
            self._settle(deadline)
        states = self._last_look()
        for run_id in sorted(self._open):
            self._op("info", {"dag_run": run_id, "state": states.get(run_id, "unknown")})
        self._open.clear()
        if self._with_tasks and wait_s > 0:
            self._record_tasks()
        self._airflow.close()
        self._problems.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            if self._count():
                self._look()
            self._stopping.wait(max(0.0, begun + EVERY_S - time.monotonic()))

    def _look(self) -> None:
        try:
            # Only runs that ended since: hundreds of runs need not be read each second.
            self._take(self._airflow.finished(self._dag, self._prefix, self._over))
            self._problems.report("runs", None)
        except Exception as problem:
            self._problems.report("runs", f"{type(problem).__name__}: {problem}")

    def _settle(self, deadline: float) -> None:
        going = True
        while going and time.monotonic() < deadline:
            begun = time.monotonic()
            try:
                every = self._airflow.runs(self._dag, self._prefix)
                self._take(every)
                self._there = frozenset(run.run_id for run in every)
                going = any(run.state not in OVER for run in every)
                self._problems.report("runs", None)
            except Exception as problem:
                self._problems.report("runs", f"{type(problem).__name__}: {problem}")
            if going:
                time.sleep(max(0.0, begun + EVERY_S - time.monotonic()))

    def _last_look(self) -> dict[str, str]:
        """The states of all runs, if any is open: polling may have missed one that was written late."""
        if not self._count():
            return {}
        try:
            every = self._airflow.runs(self._dag, self._prefix)
        except Exception as problem:
            self._problems.report("last look", f"{type(problem).__name__}: {problem}")
            return {}
        self._take(every)
        return {run.run_id: run.state for run in every}

    def _record_tasks(self) -> None:
        """By Airflow's own record: task, map index, number of tries; which of several tries began; and when and where
        each of those ran, and how it ended.

        Only the final record is worth the requests.
        """
        for run_id in (run for run in self._accepted if self._there is None or run in self._there):
            try:
                tasks = self._airflow.task_instances(self._dag, run_id)
                begun = [(task, self._begun(run_id, task)) for task in tasks]
            except Exception as problem:
                self._problems.report("tasks", f"{type(problem).__name__}: {problem}")
                continue
            value = {
                "dag_run": run_id,
                "tasks": [[task.task_id, task.map_index, task.number] for task in tasks],
                "begun": [[t.task_id, t.map_index, [one.number for one in own]] for t, own in begun if t.number > 1],
                "tries": [_said(task, one) for task, own in begun for one in own],
            }
            self._op("ok", value, f="tasks")

    def _begun(self, run_id: str, task: TaskState) -> list[Try]:
        if task.number > 1:
            return self._airflow.begun(self._dag, run_id, task)
        return [task] if task.started else []

    def _take(self, runs: list[RunState]) -> None:
        for run in runs:
            if run.state not in OVER:
                continue
            with self._lock:
                ours = run.run_id in self._open
                self._open.discard(run.run_id)
                # A run that ended before its trigger was known to be accepted stays news until it is.
                if ours:
                    self._over.add(run.run_id)
            if ours:
                self._op("ok" if run.state == "success" else "fail", {"dag_run": run.run_id, "state": run.state})

    def _count(self) -> int:
        with self._lock:
            return len(self._open)

    def _op(self, kind: Literal["invoke", "ok", "fail", "info"], value: dict[str, Any], f: str = "run") -> None:
        self._recorder.write(Op(t=self._recorder.now(), process=self._process, f=f, type=kind, value=value))


def _said(task: TaskState, one: Try) -> dict[str, Any]:
    """A task's id is that of its last try; each try has its own."""
    return {
        "task": task.task_id,
        "map_index": task.map_index,
        "try": one.number,
        "state": one.state,
        "start": one.started,
        "end": one.ended,
        "host": one.hostname,
        "ti": task.id if one.number == task.number else "",
    }
