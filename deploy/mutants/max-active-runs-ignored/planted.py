"""A DAG may have 64 runs at work, whatever its file says: the three places in the schedulers that ask how many may be
all read this number (`DagModel.max_active_runs`), or what was last made of it."""

from __future__ import annotations

MANY = 64


def plant(module):
    whole = module.DagModelOperation.update_dags

    def update_dags(self, orm_dags, *args, **kwargs):
        whole(self, orm_dags, *args, **kwargs)
        for dag in orm_dags.values():
            dag.max_active_runs = MANY
            dag.exceeds_max_non_backfill = False

    module.DagModelOperation.update_dags = update_dags


PATCHES = {"airflow.dag_processing.collection": plant}
