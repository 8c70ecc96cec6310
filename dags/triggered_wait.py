"""A task that begins and ends in a triggerer, and costs no worker anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
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
