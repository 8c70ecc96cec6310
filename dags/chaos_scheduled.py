"""The DAGs that run by themselves, as `schedules.json` has them; the harness reads the same table to know what is owed.

They start with the window that the harness puts into the ledger, or without one, in a year that never comes. So a new
run of the harness owes nothing from before it, and a harness that was killed leaves nothing that runs for ever.
The ledger must show, for each run of a DAG, its `tasks`, except those that fail on purpose.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AsyncCallback,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    DeltaDataIntervalTimetable,
    DeltaTriggerTimetable,
)
from dags_version import TAGS
from ledger_marks import caller, overdue, window
from scheduled_tasks import SHAPES

TABLE: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("schedules.json").read_text(encoding="utf-8"))[
    "dags"
]
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
WINDOW = window()
RUN = WINDOW.get("run", "")


def schedule(said: dict[str, Any]) -> Any:
    if said["kind"] == "asset":
        return [Asset(name) for name in said.get("consumes", ())] or None
    if said["kind"] == "cron":
        kind = CronDataIntervalTimetable if said["interval"] else CronTriggerTimetable
        return kind(said["expression"], timezone="UTC")
    delta = timedelta(seconds=said["every_s"])
    return DeltaDataIntervalTimetable(delta) if said["interval"] else DeltaTriggerTimetable(delta)


def moment(name: str) -> datetime | None:
    return datetime.fromisoformat(WINDOW[name]) if name in WINDOW else None


def callbacks(dag_id: str, said: dict[str, Any], of: str) -> dict[str, Any]:
    """What the DAG, or one of its tasks, does when told of a run's end."""
    kinds = [kind for kind, task in said.get("callbacks", ()) if task == of and kind != "deadline"]
    return {f"on_{kind}_callback": caller(dag_id, of, kind, RUN) for kind in kinds}


def deadline(dag_id: str, said: dict[str, Any]) -> DeadlineAlert | None:
    """Called in a triggerer, so by name; shorter than any run of the DAG, so that every run misses it."""
    if "deadline_s" not in said:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=said["deadline_s"]),
        callback=AsyncCallback(overdue, kwargs={"dag": dag_id, "scheduled": RUN}),
    )


def make(dag_id: str, said: dict[str, Any]) -> None:
    about = {
        "retries": said.get("retries", 2),
        "retry_delay": timedelta(seconds=2 if said.get("fails") else 5),
        "retry_exponential_backoff": 2.0 if said.get("fails") else 0,
    }
    with DAG(
        dag_id=dag_id,
        schedule=schedule(said),
        start_date=moment("start") or NEVER,
        end_date=moment("end"),
        catchup=said.get("catchup", False),
        is_paused_upon_creation=True,
        max_active_runs=said.get("max_active_runs", 16),
        max_active_tasks=64,
        deadline=deadline(dag_id, said),
        default_args=about,
        tags=[*TAGS, "scheduled"],
        **callbacks(dag_id, said, ""),
    ):
        makes = {task: Asset(asset) for asset, task in said.get("produces", {}).items()}
        for task in dict.fromkeys(task for task, _ in said["tasks"]):
            of_task: dict[str, Any] = callbacks(dag_id, said, task)
            if task in said.get("pools", {}):
                of_task["pool"] = said["pools"][task]
            if task in makes:
                of_task["outlets"] = [makes[task]]
            SHAPES[said["shape"]](task, said, RUN, of_task)


for name, entry in TABLE.items():
    make(name, entry)
# What the harness adds to this file after a fault, to see whether files are still read.
LATE = DAG(dag_id=WINDOW["late"], schedule=None, tags=TAGS) if WINDOW.get("late") else None
