"""The DAGs that run by themselves, set going for one run and stopped after it.

They owe runs from the window's start on, which their file reads in the ledger (`dags/chaos_scheduled.py`). So a window
is opened in this order: nothing of the one before is left, the ledger says when this one starts, Airflow has read it,
and only then is anything unpaused. Without catch-up, they would do without; with it, each day between would be owed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import redis

from harness.airflow import Airflow, AirflowUnavailable
from harness.errors import UsageError, WaitTimeout
from harness.records import Schedule
from harness.settings import Settings
from harness.timetables import table
from harness.wait import until

KEY = "window"
CLOCK_DAG = "chaos_noop"
GRID_S = 20  # a delta without catch-up must begin at a multiple of itself, so it divides this
SOON_S = 5
LASTS = timedelta(hours=1)  # longer than any run; a harness that was killed leaves nothing that runs for ever
# A file is written anew 30 s after it was last, at the earliest (min_serialized_dag_update_interval), then it is read.
READ_WITHIN_S = 90.0
ASK_AGAIN_S = 5.0


def going(door: Airflow) -> list[str]:
    """Which of these DAGs are not paused."""
    return [dag.dag_id for dag in door.dags() if not dag.is_paused and dag.dag_id in table().dags]


def close(door: Airflow) -> list[str]:
    """Pause each that is not, and say which: what is under way ends by itself, and nothing follows it."""
    names = going(door)
    for name in names:
        door.pause(name)
    return names


def open_for(settings: Settings, door: Airflow, names: Collection[str], run_id: str) -> dict[str, Schedule]:
    """Set these DAGs going, and say what each owes. Raises `UsageError` where they do not get so far."""
    try:
        return _open(settings, door, names, run_id)
    except (AirflowUnavailable, WaitTimeout) as cause:
        raise UsageError(f"the DAGs that run by themselves cannot be set going: {cause}") from cause


def _open(settings: Settings, door: Airflow, names: Collection[str], run_id: str) -> dict[str, Schedule]:
    close(door)
    missing = sorted(set(names) - {dag.dag_id for dag in door.dags()})
    if missing:
        raise UsageError(f"Airflow knows no DAG {missing[0]}; deploy dags/chaos_scheduled.py and run harness up")
    for name in names:
        if table().dags[name].backfill_s:
            door.cancel_backfills(name)
        door.forget(name, door.listed(name))
    for pool, slots in table().pools_of(names).items():
        door.pool(pool, slots)
    start = next_start(datetime.now(UTC))
    _tell(settings, run_id, start)
    until(
        lambda: _unread(door, names, start),
        lambda left: not left,
        what="the DAG processor reading the window",
        timeout=READ_WITHIN_S,
        every=ASK_AGAIN_S,
    )
    return _unpause(door, table().window(names, start.isoformat(), (start + LASTS).isoformat()), run_id)


def next_start(now: datetime) -> datetime:
    """Soon, and on the grid."""
    soon = int(now.timestamp()) + SOON_S
    return datetime.fromtimestamp(soon - soon % GRID_S + GRID_S, UTC)


def put(settings: Settings, dag: str) -> None:
    """Have the file define one DAG more, of this name, when it is read again; none for "". Raises `UsageError`."""
    with _ledger(settings) as ledger:
        said: str | bytes = ledger.get(KEY) or "{}"
        ledger.set(KEY, json.dumps({**json.loads(said), "late": dag}))


def _tell(settings: Settings, run_id: str, start: datetime) -> None:
    said = {"run": run_id, "start": start.isoformat(), "end": (start + LASTS).isoformat()}
    with _ledger(settings) as ledger:
        ledger.set(KEY, json.dumps(said))


@contextmanager
def _ledger(settings: Settings) -> Iterator[redis.Redis]:
    ledger = redis.Redis(host="127.0.0.1", port=settings.ledger_port, socket_timeout=5, socket_connect_timeout=5)
    try:
        yield ledger
    except redis.RedisError as cause:
        raise UsageError(f"the stack is not up: no ledger ({cause}); run harness up") from cause
    finally:
        ledger.close()


def _unread(door: Airflow, names: Collection[str], start: datetime) -> list[str]:
    """Those that do not begin then yet; their file, which is one for all, is asked to be read."""
    found = {name: door.details(name) for name in names}
    left = [name for name, dag in found.items() if not begins(dag.start_date, start)]
    if left:
        door.read_again(found[left[0]].file_token)
    return left


def begins(start_date: str | None, start: datetime) -> bool:
    return start_date is not None and datetime.fromisoformat(start_date) == start


def _unpause(door: Airflow, owed: dict[str, Schedule], run_id: str) -> dict[str, Schedule]:
    """By Airflow's own clock, as its answer to a trigger tells it. Each moment is rather told early than late, by no
    more than that answer took: what was due in between is then owed, and comes."""
    made_at = door.trigger(CLOCK_DAG, f"{run_id}-unpausing").made_at
    if not made_at:
        raise UsageError(f"Airflow does not say when it made a run of {CLOCK_DAG}, so its clock is not known")
    then, began = datetime.fromisoformat(made_at), time.monotonic()
    unpaused = {}
    for name, one in owed.items():
        at = then + timedelta(seconds=time.monotonic() - began)
        door.unpause(name)
        unpaused[name] = one.model_copy(update={"unpaused": at.isoformat()})
    return unpaused
