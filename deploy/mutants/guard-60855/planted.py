"""Takes back apache/airflow#60855: starting a task that already runs is an error like any other."""

from __future__ import annotations


def take_back(module):
    guarded = module.TaskInstanceOperations.start

    def start(self, *args, **kwargs):
        try:
            return guarded(self, *args, **kwargs)
        except module.TaskAlreadyRunningError as running:
            raise running.__cause__ from None

    module.TaskInstanceOperations.start = start


def look_often(module):
    """Kombu looks for messages not acknowledged in time in every tenth of its 10 s rounds; here in each of them."""
    seldom = module.QoS.restore_visible

    def restore_visible(self, start=0, num=10, interval=10):
        return seldom(self, start=start, num=num, interval=1)

    module.QoS.restore_visible = restore_visible


PATCHES = {"airflow.sdk.api.client": take_back, "kombu.transport.redis": look_often}
