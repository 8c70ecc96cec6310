"""No DAG catches up. Both the scheduler that made the last run and the DAG processor that has read the file work out
the next one, so it is planted in both: either would make up for the other."""

from __future__ import annotations


def plant(module):
    restriction = module.SerializedDAG._time_restriction.func
    forgetful = property(lambda self: restriction(self)._replace(catchup=False))
    module.SerializedDAG._time_restriction = forgetful


PATCHES = {"airflow.serialization.definitions.dag": plant}
