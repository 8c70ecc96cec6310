"""Copies the marks that tasks write from the ledger's Redis stream into the history.

A task that does not know whether its mark was kept writes it again under the same `mark_id`; here it counts once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import redis

from harness.errors import UsageError
from harness.history import NS, Event, Mark, Recorder
from harness.ledger import Ledger
from harness.observe.problems import Problems

STREAM = "ledger"
ALIVE = b"alive"
TOLD = b"told"
CALLED = b"called"
BATCH = 500
BLOCK_MS = 200
SOCKET_TIMEOUT_S = 2.0
RETRY_S = 0.5
DRAIN_WITHIN_S = 5.0
# A fault lands within a second of being aimed. Tasks that began this long ago are not the ones of a second (`dags/`),
# and the others, of 12 s and more, still have most of their work to do.
IN_THE_MIDST_S = (2.0, 8.0)

Fields = Mapping[bytes, bytes]


def mark_of(fields: Fields, t: int) -> tuple[str, Mark]:
    """An entry's `mark_id` and its mark, seen at `t`. Raises ValueError if it is no valid mark."""
    missing = [name for name in _NAMES if name not in fields]
    if missing:
        raise ValueError(f"it lacks {b', '.join(missing).decode()}")
    run, task, map_index, try_, mark, host, mark_id = (fields[name].decode() for name in _NAMES)
    if not (run and task and host and mark_id):
        raise ValueError("one of its names is empty")
    shape: dict[str, Any] = {
        "t": t,
        "dag_run": run,
        "task": task,
        "map_index": int(map_index),
        "try": int(try_),
        "mark": mark,
        "executor_host": host,
        "resumed": fields.get(b"resumed") == b"1",
        "ti": fields.get(b"ti", b"").decode(),
        "dag": fields.get(b"dag", b"").decode(),
    }
    return mark_id, Mark.model_validate(shape)


_NAMES = (b"dag_run", b"task", b"map_index", b"try", b"mark", b"executor_host", b"mark_id")


class LedgerReader:
    """A thread that records marks as they come, each once: of DAG runs whose id begins with `prefix`, and of scheduled
    runs while the window of that name is open."""

    def __init__(self, recorder: Recorder, ledger: Ledger, *, prefix: str) -> None:
        self._recorder = recorder
        self._prefix = prefix
        self._address = str(ledger)
        # We keep the place in the stream, so a read that breaks off is simply repeated.
        self._redis = ledger.connect(SOCKET_TIMEOUT_S)
        self._place: bytes = b"0-0"
        self._ids: set[str] = set()
        self._told: set[bytes] = set()
        self._repeated = 0
        self._under_way: dict[str, dict[str, int]] = {}  # host → attempt → when it began
        self._lock = threading.Lock()
        self._problems = Problems(recorder, "ledger")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin after everything that is there now. Raises `UsageError` if the ledger is out of reach."""
        try:
            last = self._redis.xrevrange(STREAM, count=1)
        except redis.RedisError as cause:
            raise UsageError(
                f"the stack is not up: no ledger at {self._address} ({cause}); run `harness up`, or for an Airflow of "
                "others the command by which `harness ledger install` says to reach it"
            ) from cause
        self._place = last[0][0] if last else b"0-0"
        self._thread.start()
        self._problems.write("started", {"after": self._place.decode()})

    def at_work(self) -> dict[str, frozenset[str]]:
        """Host → the attempts (`ti`) in the middle of their work on it; hosts without any are left out."""
        least, most = (self._recorder.now() - int(seconds * NS) for seconds in reversed(IN_THE_MIDST_S))
        with self._lock:
            held = {
                host: frozenset(ti for ti, began in tasks.items() if least <= began <= most)
                for host, tasks in self._under_way.items()
            }
        return {host: tasks for host, tasks in held.items() if tasks}

    def stop(self) -> None:
        """Read what is left, and record whether all of it could be read: event `stopped`, value `complete`."""
        if self._thread.ident is None:
            return
        self._stopping.set()
        self._thread.join(3 * SOCKET_TIMEOUT_S)
        complete = not self._thread.is_alive() and self._drain()
        value = {"marks": len(self._ids), "repeated": self._repeated, "complete": complete}
        self._problems.write("stopped", value)
        self._problems.close()
        self._redis.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read(BLOCK_MS)
                self._problems.report("stream", None)
            except redis.RedisError as problem:
                self._problems.report("stream", f"{type(problem).__name__}: {problem}")
                self._stopping.wait(RETRY_S)

    def _drain(self) -> bool:
        deadline = time.monotonic() + DRAIN_WITHIN_S
        while True:
            try:
                while self._read(None):
                    pass
                self._problems.report("stream", None)
                return True
            except redis.RedisError as problem:
                self._problems.report("stream", f"{type(problem).__name__}: {problem}")
                if time.monotonic() >= deadline:
                    return False
                time.sleep(RETRY_S)

    def _read(self, block_ms: int | None) -> int:
        answer = self._redis.xread({STREAM: self._place}, count=BATCH, block=block_ms)
        entries = answer[0][1] if answer else []
        for entry_id, fields in entries:
            self._take(entry_id, fields)
            self._place = entry_id
        return len(entries)

    def _take(self, entry_id: bytes, fields: Fields) -> None:
        now = self._recorder.now()
        if fields.get(b"mark") in (ALIVE, TOLD, CALLED):
            self._news(fields, now)
            return
        try:
            mark_id, mark = mark_of(fields, now)
        except ValueError as cause:
            self._problems.write("error", {"of": f"entry {entry_id.decode()}", "error": str(cause), "times": 1})
            return
        if not self._ours(mark.dag_run, mark.dag, fields):
            return
        if mark_id in self._ids:
            self._repeated += 1
            return
        self._ids.add(mark_id)
        self._recorder.write(mark)
        if mark.dag:  # only triggered runs are targets
            return
        with self._lock:
            if mark.mark == "start":
                self._under_way.setdefault(mark.executor_host, {})[mark.ti] = mark.t
            else:
                for tasks in self._under_way.values():
                    tasks.pop(mark.ti, None)

    def _ours(self, run: str, dag: str, fields: Fields) -> bool:
        """Whether it belongs to a run that we triggered, or to a scheduled DAG in our window. A task that could not
        read the window names none; tasks of an earlier one name theirs."""
        return fields.get(b"window") in (b"", self._prefix.encode()) if dag else run.startswith(self._prefix)

    def _news(self, fields: Fields, t: int) -> None:
        """Entries that are not marks, as they do not say how often a task ran: signs of life, which may be lost; and,
        each once, news that a DAG or a task was told of the end of its run."""
        run, host, ti, dag, task, kind = (
            fields.get(name, b"").decode(errors="replace")
            for name in (b"dag_run", b"executor_host", b"ti", b"dag", b"task", b"kind")
        )
        mark_id = fields.get(b"mark_id", b"")
        if not self._ours(run, dag, fields) or mark_id in self._told:
            return
        if fields[b"mark"] == ALIVE:
            about, what, value = f"task/{run}", "alive", {"hostname": host, "ti": ti}
        elif fields[b"mark"] == TOLD:
            about, what, value = f"run/{run}", "told", {"hostname": host}
        else:
            value = {"hostname": host, "dag": dag, "dag_run": run, "task": task, "kind": kind}
            about, what = f"run/{run}", "called"
        if fields[b"mark"] != ALIVE:
            self._told.add(mark_id)
        self._recorder.write(Event(t=t, source="job", object=about, what=what, value=value))
