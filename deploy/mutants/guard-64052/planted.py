"""Takes back apache/airflow#64052: Celery is told that a task has failed although it runs elsewhere."""

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


def look_often(module):
    """Kombu looks for messages not acknowledged in time in every tenth of its 10 s rounds; here in each of them."""
    seldom = module.QoS.restore_visible

    def restore_visible(self, start=0, num=10, interval=10):
        return seldom(self, start=start, num=num, interval=1)

    module.QoS.restore_visible = restore_visible


PATCHES = {"airflow.providers.celery.executors.celery_executor_utils": take_back, "kombu.transport.redis": look_often}
