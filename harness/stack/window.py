"""The scheduled DAGs, started for one run and stopped after it.

They owe runs from the window's start on, which their file reads from the ledger (`dags/chaos_scheduled.py`). So a
window opens in this order: clear the previous one, write this one's start into the ledger, wait until Airflow has read
it, and only then unpause. DAGs without catch-up would not need this; the others would owe every day in between.
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
from harness.ledger import Ledger
from harness.records import Schedule
from harness.timetables import table
from harness.wait import until

KEY = "window"
CLOCK_DAG = "chaos_noop"
GRID_S = 20  # a delta without catch-up must begin at a multiple of itself, so it divides this
SOON_S = 5
LASTS = timedelta(hours=1)  # longer than any run; a killed harness leaves nothing that runs for ever
# A DAG is serialized again no sooner than 30 s after the last time (min_serialized_dag_update_interval).
READ_WITHIN_S = 90.0
ASK_AGAIN_S = 5.0
CALL_S = 5.0


def going(door: Airflow) -> list[str]:
    """Which of these DAGs are not paused."""
    return [dag.dag_id for dag in door.dags() if not dag.is_paused and dag.dag_id in table().dags]


def close(door: Airflow) -> list[str]:
    """Pause each that is not paused, and say which: runs under way end by themselves, and none follows."""
    names = going(door)
    for name in names:
        door.pause(name)
    return names


def open_for(ledger: Ledger, door: Airflow, names: Collection[str], run_id: str) -> dict[str, Schedule]:
    """Start these DAGs, and say what each owes. Raises `UsageError` if they cannot be started."""
    try:
        return _open(ledger, door, names, run_id)
    except (AirflowUnavailable, WaitTimeout) as cause:
        raise UsageError(f"the scheduled DAGs cannot be started: {cause}") from cause


def _open(ledger: Ledger, door: Airflow, names: Collection[str], run_id: str) -> dict[str, Schedule]:
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
    _tell(ledger, run_id, start)
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


def put(ledger: Ledger, dag: str) -> None:
    """Have the file define one more DAG, of this name, when it is next read; none for "". Raises `UsageError`."""
    with _talking_to(ledger) as keys:
        said: str | bytes = keys.get(KEY) or "{}"
        keys.set(KEY, json.dumps({**json.loads(said), "late": dag}))


def _tell(ledger: Ledger, run_id: str, start: datetime) -> None:
    said = {"run": run_id, "start": start.isoformat(), "end": (start + LASTS).isoformat()}
    with _talking_to(ledger) as keys:
        keys.set(KEY, json.dumps(said))


@contextmanager
def _talking_to(ledger: Ledger) -> Iterator[redis.Redis]:
    keys = ledger.connect(CALL_S)
    try:
        yield keys
    except redis.RedisError as cause:
        raise UsageError(f"the stack is not up: no ledger ({cause}); run harness up") from cause
    finally:
        keys.close()


def _unread(door: Airflow, names: Collection[str], start: datetime) -> list[str]:
    """The DAGs that do not start at `start` yet; asks Airflow to read their shared file again."""
    found = {name: door.details(name) for name in names}
    left = [name for name, dag in found.items() if not begins(dag.start_date, start)]
    if left:
        door.read_again(found[left[0]].file_token)
    return left


def begins(start_date: str | None, start: datetime) -> bool:
    return start_date is not None and datetime.fromisoformat(start_date) == start


def _unpause(door: Airflow, owed: dict[str, Schedule], run_id: str) -> dict[str, Schedule]:
    """Timed by Airflow's own clock, as its answer to a trigger tells it. Each time is early rather than late, by no
    more than that answer took: whatever was due in between is then owed, and comes."""
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
