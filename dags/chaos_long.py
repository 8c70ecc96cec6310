"""The DAG whose tasks work for longer than an outage is to last, and say every second that they are still at work.

The ledger must show, for each run: work[0], work[1].
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from dags_version import TAGS
from ledger_marks import alive, attempt

# The shorter one ends while nobody is there to hear it; the longer one is longer than any task survives unheard.
PARTS_S = (30, 80)


@dag(
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    tags=TAGS,
)
def chaos_long() -> None:
    @task
    def work(seconds: int) -> None:
        context = get_current_context()
        with attempt(context):
            for _ in range(seconds):
                alive(context)
                time.sleep(1)

    work.expand(seconds=list(PARTS_S))


chaos_long()
