"""The DAG whose writes put triggerers to work: its task begins and ends in one of them, and costs no worker anything.

It signs no ledger: no code of ours runs in it. What it shows is which triggerers take triggers at all.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

WAIT_S = 1.0


class Wait(BaseOperator):
    """Deferred by the scheduler itself, and ended by its trigger."""

    start_trigger_args = StartTriggerArgs(
        trigger_cls="airflow.providers.standard.triggers.temporal.TimeDeltaTrigger",
        trigger_kwargs={"delta": timedelta(seconds=WAIT_S), "end_from_trigger": True},
        next_method="never",
        next_kwargs=None,
        timeout=None,
    )
    start_from_trigger = True

    def execute(self, context: Any) -> None:
        raise RuntimeError("the scheduler hands this task to a triggerer, and a worker never sees it")


with DAG(
    dag_id="chaos_triggered",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    tags=["airflow-chaos"],
):
    Wait(task_id="wait")
