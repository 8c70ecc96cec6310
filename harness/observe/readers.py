"""Clients that read what was accepted, over connections that nobody else uses."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from harness.airflow import Airflow
from harness.history import Op, Recorder

APART_S = 1.0
MOST_THREADS = 64


class Reader(ABC):
    """Takes up accepted runs, at most one a second, each in its own thread."""

    f: str  # what its ops are called
    each = 1  # how many times each run is read, in parallel

    def __init__(self, door: Callable[[], Airflow], recorder: Recorder, dag: str, process: str) -> None:
        """`door` makes a new client that has a login."""
        self._door = door
        self._recorder = recorder
        self._dag = dag
        self._process = process
        self._pool = ThreadPoolExecutor(MOST_THREADS, f"{self.f} of {process}")
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0

    def accepted(self, run_id: str) -> None:
        """Read this run, unless another was taken up less than a second ago."""
        now = time.monotonic()
        with self._lock:
            if now < self._next or self._stopping.is_set():
                return
            self._next = now + APART_S
        for number in range(self.each):
            self._pool.submit(self._read, run_id, number, now)

    def stop(self) -> None:
        """Take up no more runs, and end those under way."""
        self._stopping.set()
        self._pool.shutdown(wait=True)

    @abstractmethod
    def _read(self, run_id: str, number: int, accepted: float) -> None:
        """Read one run; `accepted` is when it was accepted, in seconds of the monotonic clock."""

    def _op(self, kind: Literal["invoke", "ok", "fail", "info"], run_id: str, f: str = "", **said: object) -> None:
        value = {"dag_run": run_id, **said}
        op = Op(t=self._recorder.now(), process=self._process, f=f or self.f, type=kind, value=value)
        self._recorder.write(op)
