"""Takes back apache/airflow#60855: that a task runs already is no error of its own."""

from __future__ import annotations


def take_back(module):
    guarded = module.TaskInstanceOperations.start

    def start(self, *args, **kwargs):
        try:
            return guarded(self, *args, **kwargs)
        except module.TaskAlreadyRunningError as running:
            raise running.__cause__ from None

    module.TaskInstanceOperations.start = start


PATCHES = {"airflow.sdk.api.client": take_back}
