"""The DAG whose runs outnumber what workers have room for: it has one task, so its wait is that of the queue.

The ledger must show, for each run: work.
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from dags_version import TAGS
from ledger_marks import attempt

WORK_S = 14.0


@dag(
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=128,
    max_active_tasks=128,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    tags=TAGS,
)
def chaos_backlog() -> None:
    @task
    def work() -> None:
        with attempt(get_current_context()):
            time.sleep(WORK_S)

    work()


chaos_backlog()
