"""One DAG run in 100 is made, answered for, and rolled back. Its number was taken all the same, so the next goes on."""

from __future__ import annotations

ONE_IN = 100


def plant(module):
    whole = module.SerializedDAG.create_dagrun

    def create_dagrun(self, *args, session, **kwargs):
        made = whole(self, *args, session=session, **kwargs)
        if made.id % ONE_IN == 0:
            session.commit = session.rollback
        return made

    module.SerializedDAG.create_dagrun = create_dagrun


PATCHES = {"airflow.serialization.definitions.dag": plant}
