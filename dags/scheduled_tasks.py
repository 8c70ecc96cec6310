"""The tasks of DAGs that run by themselves. Each writes its DAG and its window into its marks in the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, BaseSensorOperator
from ledger_marks import URL_VARIABLE, attempt, mark_fields, write

Said = dict[str, Any]
POKE_S = 8.0


class Work(BaseOperator):
    """Works for `seconds`; then the first `fails` tries fail. Returns a list of `width` entries for the next task."""

    def __init__(self, *, seconds: float, window: str, fails: int = 0, width: int = 0, **said: Any) -> None:
        super().__init__(**said)
        self.seconds, self.window, self.fails, self.width = seconds, window, fails, width

    def execute(self, context: Any) -> list[float]:
        with attempt(context, scheduled=self.window):
            time.sleep(self.seconds)
            if context["ti"].try_number <= self.fails:
                raise RuntimeError("this try fails on purpose")
        return [self.seconds] * self.width


class Patient(BaseSensorOperator):
    """Gives its worker up between two looks, until its run is `seconds` old. Each look writes a start mark."""

    def __init__(self, *, seconds: float, window: str, **said: Any) -> None:
        super().__init__(mode="reschedule", poke_interval=POKE_S, timeout=300, **said)
        self.seconds, self.window = seconds, window

    def poke(self, context: Any) -> bool:
        write(mark_fields(context, "start", scheduled=self.window), os.environ.get(URL_VARIABLE))
        over = bool(context["dag_run"].start_date + timedelta(seconds=self.seconds) <= datetime.now(UTC))
        if over:
            write(mark_fields(context, "end", scheduled=self.window), os.environ.get(URL_VARIABLE))
        return over


class Deferred(BaseOperator):
    """Deferred between its two marks."""

    def __init__(self, *, seconds: float, window: str, **said: Any) -> None:
        super().__init__(**said)
        self.seconds, self.window = seconds, window

    def execute(self, context: Any) -> None:
        write(mark_fields(context, "start", scheduled=self.window), os.environ.get(URL_VARIABLE))
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="resume")

    def resume(self, context: Any, event: Any = None) -> None:
        write(mark_fields(context, "end", resumed=True, scheduled=self.window), os.environ.get(URL_VARIABLE))


def work(task: str, said: Said, window: str, of_task: Said) -> None:
    Work(task_id=task, seconds=said["work_s"], window=window, fails=said.get("fails", 0), **of_task)


def waiting(kind: Any) -> Callable[[str, Said, str, Said], None]:
    def make(task: str, said: Said, window: str, of_task: Said) -> None:
        kind(task_id=task, seconds=said["work_s"], window=window, **of_task)

    return make


def mapped(task: str, said: Said, window: str, of_task: Said) -> None:
    """One task for each entry of what `width` returns. Both are made when `width` is asked for."""
    if task == "width":
        count = sum(name == "work" for name, _ in said["tasks"])
        width = Work(task_id=task, seconds=said["work_s"], window=window, width=count, **of_task)
        Work.partial(task_id="work", window=window, **of_task).expand(seconds=width.output)


def asks(task: str, said: Said, window: str, of_task: Said) -> None:
    """Works only once a run of another DAG, which it asked for, is a success."""
    asking = TriggerDagRunOperator(
        task_id="ask", trigger_dag_id=said["asks"], wait_for_completion=True, poke_interval=2
    )
    asking >> Work(task_id=task, seconds=said["work_s"], window=window, **of_task)


SHAPES: dict[str, Callable[[str, Said, str, Said], None]] = {
    "work": work,
    "sensor": waiting(Patient),
    "deferred": waiting(Deferred),
    "mapped": mapped,
    "asks": asks,
}
