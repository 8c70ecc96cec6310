"""What was due before a DAG's start, requested as a backfill when a run begins. Once accepted, it owes each run once.

Its runs are created before the answer, and are at work one at a time. So when something is hit, one is under way and
others are still to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from harness.airflow import Airflow, AirflowUnavailable
from harness.errors import HarnessError, WaitTimeout
from harness.history import Op, Recorder
from harness.records import NS, Schedule
from harness.schedule.listed import BACKFILL, LISTER
from harness.schedule.ticks import moment, shown, ticks
from harness.wait import until

AT_ONCE = 1
SURELY_PAST = 30 * NS  # a window is opened less than this before its start
LOOK_EVERY_S = 2.0
ACCEPTED, REFUSED = 200, range(400, 500)
Kind = Literal["invoke", "ok", "fail", "info"]


def before(schedule: Schedule) -> tuple[str, str]:
    """The logical dates of the first and the last run that a backfill is asked for. Raises `HistoryError` if the
    timetable is invalid."""
    start = moment(schedule.start)
    since = shown(start - round(schedule.backfill_s * NS))
    past = ticks(schedule.model_copy(update={"start": since, "end": "", "catchup": True}), start - SURELY_PAST)
    return shown(past[0].logical), shown(past[-1].logical)


class Backfills:
    """The backfills of all DAGs whose schedule has one, each requested once. Only one thread may use `airflow`."""

    def __init__(self, airflow: Airflow, recorder: Recorder, scheduled: Mapping[str, Schedule]) -> None:
        self._airflow = airflow
        self._recorder = recorder
        self._owed = {dag: before(schedule) for dag, schedule in scheduled.items() if schedule.backfill_s}
        self._accepted: set[str] = set()

    def ask(self) -> None:
        """Request them, and record how each was answered, as far as that is known."""
        for dag, (first, last) in self._owed.items():
            self._op("invoke", {"dag": dag, "from_date": first, "to_date": last})
            try:
                reply = self._airflow.backfill(dag, first, last, AT_ONCE)
            except AirflowUnavailable as problem:
                self._op("info" if problem.maybe_served else "fail", {"dag": dag, "error": str(problem)})
                continue
            self._op(_known(reply.status), {"dag": dag, "status": reply.status, "answer": reply.detail})
            self._accepted |= {dag} if reply.status == ACCEPTED else set()

    def wait(self, within_s: float) -> None:
        """Wait until all their runs are over; `within_s` seconds at most."""
        with suppress(WaitTimeout):
            until(self._going, lambda left: not left, what="backfills", timeout=within_s, every=LOOK_EVERY_S)

    def close(self) -> None:
        self._airflow.close()

    def _going(self) -> list[str]:
        return [dag for dag in self._accepted if not self._over(dag)]

    def _over(self, dag: str) -> bool:
        try:
            return all(run.over for run in self._airflow.listed(dag) if run.run_type == BACKFILL)
        except HarnessError:  # it is asked again, and in the end the list of all runs shows what is not over
            return False

    def _op(self, kind: Kind, value: dict[str, Any]) -> None:
        self._recorder.write(Op(t=self._recorder.now(), process=LISTER, f=BACKFILL, type=kind, value=value))


def _known(status: int) -> Kind:
    """A 5xx comes from a proxy in front of Airflow, or an api-server that broke off half-way: runs may exist."""
    if status == ACCEPTED:
        return "ok"
    return "fail" if status in REFUSED else "info"
