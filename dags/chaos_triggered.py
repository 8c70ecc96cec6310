"""The DAG whose writes put triggerers to work: its task begins and ends in one of them, and costs no worker anything.

It writes nothing to the ledger: no code of ours runs in it. It shows which triggerers take triggers at all.
"""

from __future__ import annotations

from airflow.sdk import DAG
from dags_version import TAGS
from triggered_wait import Wait

with DAG(
    dag_id="chaos_triggered",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    tags=TAGS,
):
    Wait(task_id="wait")
