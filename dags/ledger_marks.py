"""The ledger: what each attempt of a task writes of itself, outside Airflow's own database and broker.

An attempt writes a start mark before its work and an end mark after it, to a Redis stream. A mark carries an id of its
own: if the connection breaks and nobody knows whether the entry was kept, the mark is written again, and the reader
counts it once.

If no variable says where the ledger is, there is none: nothing is written, and no window opens.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

STREAM = "ledger"
WINDOW = "window"
URL_VARIABLE = "AIRFLOW_CHAOS_LEDGER"
GIVE_UP_AFTER_S = 20.0
TRY_AGAIN_AFTER_S = 0.5
ONE_TRY_S = 3.0
WINDOW_TRIES = 3


def mark_fields(
    context: Any, mark: str, *, resumed: bool = False, scheduled: str | None = None
) -> dict[str, str | int]:
    """The entry of one mark (`start`, `alive`, `end`) in the task's context; `resumed` if it was deferred meanwhile.

    For a run that nobody asked for, `scheduled` is the window that it is in, and the mark carries its DAG too.
    """
    ti = context["ti"]
    return {
        "dag_run": context["dag_run"].run_id,
        "task": ti.task_id,
        "map_index": ti.map_index,
        "try": ti.try_number,
        "mark": mark,
        "executor_host": socket.gethostname(),
        "ti": str(ti.id),
        "mark_id": uuid.uuid4().hex,
        **({"resumed": 1} if resumed else {}),
        **({} if scheduled is None else {"dag": context["dag_run"].dag_id, "window": scheduled}),
    }


def write(fields: dict[str, str | int], url: str | None, give_up_after_s: float = GIVE_UP_AFTER_S) -> None:
    """Append one entry; raises the last connection error if the ledger stays out of reach. Does nothing if there is no
    ledger."""
    if url is None:
        return
    deadline = time.monotonic() + give_up_after_s
    while True:
        try:
            with _ledger(url, ONE_TRY_S) as ledger:
                ledger.xadd(STREAM, fields)
            return
        except (redis.ConnectionError, redis.TimeoutError):
            if time.monotonic() + TRY_AGAIN_AFTER_S >= deadline:
                raise
            time.sleep(TRY_AGAIN_AFTER_S)


def alive(context: Any) -> None:
    """Say that the attempt is still at work; if the ledger is out of reach, the next call will say it."""
    with suppress(redis.ConnectionError, redis.TimeoutError):
        write(mark_fields(context, "alive"), os.environ.get(URL_VARIABLE), give_up_after_s=0)


def told(context: Any) -> None:
    """Say that a run was a success, as its DAG is told: its `on_success_callback`."""
    fields = {"dag_run": context["run_id"], "mark": "told", "executor_host": socket.gethostname()}
    write({**fields, "mark_id": uuid.uuid4().hex}, os.environ.get(URL_VARIABLE))


def caller(dag: str, task: str, kind: str, scheduled: str) -> Callable[[Any], None]:
    """A callback that says in the ledger that the DAG, or one of its tasks, was told of a run's end."""
    return lambda context: called(context["run_id"], dag, task, kind, scheduled)


async def overdue(dag: str, scheduled: str, context: Any) -> None:
    """Say that a run was not over by its deadline. Triggerers find it by its name, and await it next to all else."""
    await asyncio.to_thread(called, context["dag_run"]["dag_run_id"], dag, "", "deadline", scheduled)


def called(run: str, dag: str, task: str, kind: str, scheduled: str) -> None:
    fields = {"dag_run": run, "mark": "called", "executor_host": socket.gethostname()}
    about = {"dag": dag, "task": task, "kind": kind, "window": scheduled, "mark_id": uuid.uuid4().hex}
    write({**fields, **about}, os.environ.get(URL_VARIABLE))


@contextmanager
def attempt(context: Any, scheduled: str | None = None) -> Iterator[None]:
    """Frame the work of one attempt. Work that raised or was killed leaves a start mark without its end."""
    url = os.environ.get(URL_VARIABLE)
    write(mark_fields(context, "start", scheduled=scheduled), url)
    yield
    write(mark_fields(context, "end", scheduled=scheduled), url)


def window() -> dict[str, str]:
    """What the harness has said about the run under way: `run`, `start`, `end`; empty if it said nothing.

    Reading a DAG file must not fail for want of the ledger: Airflow would call the file broken, and its DAGs would
    stop. If the harness sees them stop all the same, it does not judge what they did.
    """
    url = os.environ.get(URL_VARIABLE)
    for _ in range(WINDOW_TRIES if url is not None else 0):
        with suppress(redis.ConnectionError, redis.TimeoutError), _ledger(url, 1.0) as ledger:
            said: dict[str, str] = json.loads(ledger.get(WINDOW) or "{}")
            return said
    return {}


@contextmanager
def _ledger(url: str, one_try_s: float) -> Iterator[Any]:
    # Without the library's own retries, so that this file alone decides what is retried, and for how long.
    ledger = redis.Redis.from_url(
        url, socket_timeout=one_try_s, socket_connect_timeout=one_try_s, retry=Retry(NoBackoff(), 0)
    )
    try:
        yield ledger
    finally:
        ledger.close()
