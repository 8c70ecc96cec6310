"""The DAG whose runs schedulers compete for: many tasks at once that no worker sees, so that schedulers alone are busy.

If a scheduler works on rows that another one has in hand, both call the run a success, and its DAG is told twice
(`on_success_callback`); the ledger shows each time.
"""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from dags_version import TAGS
from ledger_marks import told
from triggered_wait import Wait

AT_ONCE = 20

with DAG(
    dag_id="chaos_race",
    schedule=None,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=64,
    max_active_tasks=64,
    on_success_callback=told,
    tags=TAGS,
):
    every = [EmptyOperator(task_id=f"nothing_{number}") for number in range(AT_ONCE)]
    EmptyOperator(task_id="first") >> [*every, Wait(task_id="wait")] >> EmptyOperator(task_id="last")
