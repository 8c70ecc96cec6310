"""No DAG catches up. The next run is worked out by the scheduler that made the last one, and by the DAG processor when
it has read the file, so it is planted in both: either would make good what the other leaves out."""

from __future__ import annotations


def plant(module):
    restriction = module.SerializedDAG._time_restriction.func
    forgetful = property(lambda self: restriction(self)._replace(catchup=False))
    module.SerializedDAG._time_restriction = forgetful


PATCHES = {"airflow.serialization.definitions.dag": plant}
