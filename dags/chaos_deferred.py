"""The DAG whose task waits in a triggerer: it gives its worker up, and ends on whichever one takes it after the wait.

The ledger must show, for each run: wait.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator
from dags_version import TAGS
from ledger_marks import URL_VARIABLE, mark_fields, write

WAIT_S = 20.0  # longer than the time from one run to the next, so that at any moment some task is deferred


class Wait(BaseOperator):
    """Deferred between its two marks."""

    def execute(self, context: Any) -> None:
        write(mark_fields(context, "start"), os.environ.get(URL_VARIABLE))
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=WAIT_S)), method_name="resume")

    def resume(self, context: Any, event: Any = None) -> None:
        write(mark_fields(context, "end", resumed=True), os.environ.get(URL_VARIABLE))


with DAG(
    dag_id="chaos_deferred",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    tags=TAGS,
):
    Wait(task_id="wait")
