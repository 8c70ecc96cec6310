"""The DAG that is under way while faults happen: three steps, one of them mapped, every attempt in the ledger.

The ledger must show, for each run: extract, transform[0], transform[1], load.
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from dags_version import TAGS
from ledger_marks import attempt

SHORT_S = 1.0
LONG_S = 12.0  # longer than the time from one run to the next, so that at any moment some task is at work
PARTS = 2


@dag(
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    tags=TAGS,
)
def chaos_workload() -> None:
    @task
    def extract() -> list[int]:
        with attempt(get_current_context()):
            time.sleep(SHORT_S)
        return list(range(PARTS))

    @task
    def transform(part: int) -> int:
        with attempt(get_current_context()):
            time.sleep(LONG_S)
        return part * part

    @task
    def load(parts: list[int]) -> int:
        with attempt(get_current_context()):
            time.sleep(SHORT_S)
        return sum(parts)

    load(transform.expand(part=extract()))


chaos_workload()
