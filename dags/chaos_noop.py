"""The DAG that test writes trigger: a run of it costs the stack next to nothing."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from dags_version import TAGS

with DAG(
    dag_id="chaos_noop",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    tags=TAGS,
):
    EmptyOperator(task_id="nothing")
