"""What Airflow itself knows about scheduled runs at the end; and, all along, how its wall clock compares with ours.

The clock is that of the api-server that creates a run, read from each answer to a trigger (`queued_at`). It is exact
to half the time that the answer took; the `Date` of an answer is exact to a second, and a heartbeat's time is old.
Schedulers go by the clocks of their own nodes and of the database; we assume that the clocks of one cluster agree.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from harness.airflow import Airflow
from harness.answers import ListedRun
from harness.errors import HarnessError
from harness.history import Event, Op, Recorder
from harness.records import NS, Schedule
from harness.schedule.listed import CLOCK, LISTER

ASSET_RUN = "asset_triggered"
TRIES, AGAIN_AFTER_S = 5, 3.0
MOST_ERROR_NS = NS // 5


def offset(began: int, ended: int, made_at: str) -> Event | None:
    """A reading of Airflow's clock, which said `made_at` between two moments; None if they are too far apart."""
    error = (ended - began + 1) // 2
    if not made_at or error > MOST_ERROR_NS:
        return None
    value = {"wall": made_at, "error_ns": error}
    return Event(t=began + error, source="probe", object=CLOCK, what="offset", value=value)


class Schedules:
    """Lists the runs of these DAGs at the end, all or none: a missing page must not look like missing runs."""

    def __init__(self, airflow: Airflow, recorder: Recorder, owed: Mapping[str, Schedule]) -> None:
        self._airflow = airflow
        self._recorder = recorder
        self._owed = owed

    def record(self) -> None:
        """List all runs of each DAG, or record why that failed."""
        for dag, schedule in self._owed.items():
            self._op("invoke", "listed", {"dag": dag})
            why = self._listed(dag, schedule)
            for _ in range(TRIES - 1):
                if why is None:
                    break
                time.sleep(AGAIN_AFTER_S)
                why = self._listed(dag, schedule)
            if why is not None:
                self._op("info", "listed", {"dag": dag, "error": why})

    def close(self) -> None:
        self._airflow.close()

    def _listed(self, dag: str, schedule: Schedule) -> str | None:
        """Record its runs; returns why they could not be listed, or why it is no longer the same DAG."""
        try:
            began = self._airflow.details(dag).start_date
            runs = [(run, self._consumed(dag, run)) for run in self._airflow.listed(dag)]
        except HarnessError as problem:
            return f"{type(problem).__name__}: {problem}"
        if began is None or datetime.fromisoformat(began) != datetime.fromisoformat(schedule.start):
            return f"its file was read without the window: it begins at {began}"
        for run, consumed in runs:
            said = run.model_dump(include=_FIELDS) | {"dag": dag, "dag_run": run.run_id, "consumed": consumed}
            self._op("ok", "scheduled", said)
        self._op("ok", "listed", {"dag": dag, "runs": len(runs)})
        return None

    def _consumed(self, dag: str, run: ListedRun) -> list[list[Any]] | None:
        if run.run_type != ASSET_RUN:
            return None
        return [[one.id, one.name, one.dag, one.run_id] for one in self._airflow.consumed(dag, run.run_id)]

    def _op(self, kind: Literal["invoke", "ok", "info"], f: str, value: dict[str, Any]) -> None:
        self._recorder.write(Op(t=self._recorder.now(), process=LISTER, f=f, type=kind, value=value))


_FIELDS = {"run_type", "state", "logical_date", "run_after", "queued_at", "end_date"}
