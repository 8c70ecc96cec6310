"""The ledger: what each attempt of a task writes of itself, outside Airflow's own database and broker.

An attempt writes a start mark before its work and an end mark after it, to a Redis stream. A mark carries an id of its
own: where the connection broke and nobody knows whether the entry was kept, the same mark is written again, and the
reader counts it once.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

STREAM = "ledger"
URL_VARIABLE = "AIRFLOW_CHAOS_LEDGER"
GIVE_UP_AFTER_S = 20.0
TRY_AGAIN_AFTER_S = 0.5
ONE_TRY_S = 3.0


def mark_fields(context: Any, mark: str, *, resumed: bool = False) -> dict[str, str | int]:
    """The entry of one mark (`start`, `alive`, `end`) in the task's context; `resumed` if it was deferred meanwhile."""
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
    }


def write(fields: dict[str, str | int], url: str, give_up_after_s: float = GIVE_UP_AFTER_S) -> None:
    """Append one entry; raises the last connection error where the ledger stays out of reach."""
    deadline = time.monotonic() + give_up_after_s
    while True:
        # Without the library's own retries, so that what is tried, and for how long, stands here alone.
        ledger = redis.Redis.from_url(
            url, socket_timeout=ONE_TRY_S, socket_connect_timeout=ONE_TRY_S, retry=Retry(NoBackoff(), 0)
        )
        try:
            ledger.xadd(STREAM, fields)
            return
        except (redis.ConnectionError, redis.TimeoutError):
            if time.monotonic() + TRY_AGAIN_AFTER_S >= deadline:
                raise
            time.sleep(TRY_AGAIN_AFTER_S)
        finally:
            ledger.close()


def alive(context: Any) -> None:
    """Say that the attempt is still at work; where the ledger is out of reach, the next one says it."""
    with suppress(redis.ConnectionError, redis.TimeoutError):
        write(mark_fields(context, "alive"), os.environ[URL_VARIABLE], give_up_after_s=0)


def told(context: Any) -> None:
    """Say that a run was a success, as its DAG is told: its `on_success_callback`."""
    fields = {"dag_run": context["run_id"], "mark": "told", "executor_host": socket.gethostname()}
    write({**fields, "mark_id": uuid.uuid4().hex}, os.environ[URL_VARIABLE])


@contextmanager
def attempt(context: Any) -> Iterator[None]:
    """Frame the work of one attempt. Work that raised or was killed leaves a start mark without its end."""
    url = os.environ[URL_VARIABLE]
    write(mark_fields(context, "start"), url)
    yield
    write(mark_fields(context, "end"), url)
