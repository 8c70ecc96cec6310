"""A scheduled run that is due at a full minute gets a twin, with an id of its own and a logical date 1 s later, since
the database allows no date twice (`dag_run_dag_id_logical_date_key`)."""

from __future__ import annotations

from datetime import timedelta

LATER = timedelta(seconds=1)


def plant(module):
    whole = module.SerializedDAG.create_dagrun

    def create_dagrun(self, *, run_id, run_type, run_after, logical_date=None, **kwargs):
        made = whole(self, run_id=run_id, run_type=run_type, run_after=run_after, logical_date=logical_date, **kwargs)
        if run_type == "scheduled" and run_after.second == 0 and logical_date:
            twin = {"run_id": f"{run_id}_twin", "logical_date": logical_date + LATER}
            whole(self, run_type=run_type, run_after=run_after, **twin, **kwargs)
        return made

    module.SerializedDAG.create_dagrun = create_dagrun


PATCHES = {"airflow.serialization.definitions.dag": plant}
