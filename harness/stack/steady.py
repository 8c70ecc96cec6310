"""The gate at the end of `up`: a DAG run has succeeded through the load balancer, and the machine is quiet."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from harness import dagfiles
from harness.airflow import Airflow, AirflowUnavailable
from harness.errors import StackError
from harness.kube import Kube
from harness.settings import Settings
from harness.stack.access import open_access
from harness.timetables import table
from harness.wait import until

DAGS = ("chaos_workload", "chaos_noop", "chaos_triggered")
DAG_SECONDS = 120
RUN_SECONDS = 120
QUIET_SECONDS = 120
QUIET_PERCENT = 60.0


def ensure(settings: Settings, say: Callable[[str], None]) -> None:
    """Raises `WaitTimeout` or `StackError` with what was seen last."""
    access = open_access(settings, Kube(settings))
    say(f"entry: {access.base_url}")
    door = access.airflow(10)
    try:
        until(lambda: _missing(door), lambda m: not m, what="Airflow's DAGs matching ours", timeout=DAG_SECONDS)
        _one_run(door, say)
    finally:
        door.close()
    wait_quiet(say)


def _missing(door: Airflow) -> list[str]:
    """The DAGs that Airflow does not know yet, or knows in another version; while it is still starting, all."""
    try:
        known = {dag.dag_id: dag for dag in door.dags()}
    except AirflowUnavailable:
        return list(DAGS)
    ours = {Path(name).stem for name in dagfiles.names()} | table().dags.keys()
    old = [name for name, dag in known.items() if name in ours and dagfiles.tag() not in dag.words]
    return [*(name for name in DAGS if name not in known), *old]


def _one_run(door: Airflow, say: Callable[[str], None]) -> None:
    for dag in DAGS:
        door.unpause(dag)
    began = time.monotonic()
    run_id = f"steady-{time.time_ns()}"
    reply = door.trigger(DAGS[0], run_id)
    if not reply.made:
        raise StackError(f"Airflow did not accept a run of {DAGS[0]}: {reply.status} {reply.detail}")

    def state() -> str:
        return next((run.state for run in door.runs(DAGS[0], run_id)), "unknown")

    ended = until(state, lambda s: s in ("success", "failed"), what=f"the end of run {run_id}", timeout=RUN_SECONDS)
    if ended != "success":
        raise StackError(f"the run {run_id} of {DAGS[0]} ended as {ended}; look at its tasks in Airflow")
    say(f"a DAG run succeeded through the load balancer in {time.monotonic() - began:.1f} s")


def wait_quiet(say: Callable[[str], None]) -> None:
    """Wait until the work of starting up is over: measurements before that are about the machine, not the stack."""
    psutil.cpu_percent()
    percent = until(
        psutil.cpu_percent,
        lambda busy: busy < QUIET_PERCENT,
        what=f"less than {QUIET_PERCENT:.0f} % of the processors busy",
        timeout=QUIET_SECONDS,
        every=1.0,
        successes=3,
    )
    say(f"quiet: {percent:.0f} % of the processors busy")
