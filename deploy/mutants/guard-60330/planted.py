"""Takes back apache/airflow#60330: a task that is to be scheduled is, whatever its state by now."""

from __future__ import annotations


def take_back(module):
    from airflow.utils.state import TaskInstanceState

    guarded = module.DagRun.schedule_tis

    def schedule_tis(self, *args, **kwargs):
        states = module.SCHEDULEABLE_STATES
        module.SCHEDULEABLE_STATES = frozenset({None, *TaskInstanceState})
        try:
            return guarded(self, *args, **kwargs)
        finally:
            module.SCHEDULEABLE_STATES = states

    module.DagRun.schedule_tis = schedule_tis


PATCHES = {"airflow.models.dagrun": take_back}
