"""The DAGs that run by themselves, as `schedules.json` has them; the harness reads the same table to know what is owed.

They begin with the window that the harness has put into the ledger, or without one in a year that never comes. So a run
that is made anew owes nothing of the time before it, and a harness that was killed leaves nothing that runs for ever.
The ledger must show, for each run of a DAG, its `tasks`.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    BaseOperator,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
    DeltaDataIntervalTimetable,
    DeltaTriggerTimetable,
)
from ledger_marks import attempt, window

TABLE: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("schedules.json").read_text(encoding="utf-8"))[
    "dags"
]
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
WINDOW = window()


class Work(BaseOperator):
    """At work for so many seconds."""

    def __init__(self, *, seconds: float, **said: Any) -> None:
        super().__init__(**said)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        with attempt(context, scheduled=WINDOW.get("run", "")):
            time.sleep(self.seconds)


def timetable(said: dict[str, Any]) -> Any:
    if said["kind"] == "cron":
        kind = CronDataIntervalTimetable if said["interval"] else CronTriggerTimetable
        return kind(said["expression"], timezone="UTC")
    delta = timedelta(seconds=said["every_s"])
    return DeltaDataIntervalTimetable(delta) if said["interval"] else DeltaTriggerTimetable(delta)


def moment(name: str) -> datetime | None:
    return datetime.fromisoformat(WINDOW[name]) if name in WINDOW else None


def make(dag_id: str, said: dict[str, Any]) -> DAG:
    with DAG(
        dag_id=dag_id,
        schedule=timetable(said),
        start_date=moment("start") or NEVER,
        end_date=moment("end"),
        catchup=said["catchup"],
        is_paused_upon_creation=True,
        max_active_runs=said.get("max_active_runs", 16),
        max_active_tasks=64,
        default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
        tags=["airflow-chaos", "scheduled"],
    ) as dag:
        Work(task_id="work", seconds=said["work_s"])
    return dag


for name, entry in TABLE.items():
    make(name, entry)
