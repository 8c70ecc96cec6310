"""Takes back apache/airflow#64052: Celery is told that a task has failed which runs elsewhere."""

from __future__ import annotations


def take_back(module):
    from airflow.sdk.exceptions import TaskAlreadyRunningError

    guarded = module.BaseExecutor.run_workload

    def run_workload(*args, **kwargs):
        try:
            return guarded(*args, **kwargs)
        except TaskAlreadyRunningError as running:
            raise RuntimeError(str(running)) from running

    module.BaseExecutor.run_workload = staticmethod(run_workload)


PATCHES = {"airflow.providers.celery.executors.celery_executor_utils": take_back}
