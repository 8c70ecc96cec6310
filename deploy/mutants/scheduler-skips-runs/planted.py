"""One run in 50 is looked at and left alone, whichever scheduler looks."""

from __future__ import annotations

ONE_IN = 50


def plant(module):
    whole = module.SchedulerJobRunner._schedule_dag_run

    def schedule(self, dag_run, *args, **kwargs):
        return None if dag_run.id % ONE_IN == 0 else whole(self, dag_run, *args, **kwargs)

    module.SchedulerJobRunner._schedule_dag_run = schedule


PATCHES = {"airflow.jobs.scheduler_job_runner": plant}
