"""Read your writes: a run that was accepted a moment ago is asked for by somebody else, over another connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from harness.airflow import Airflow
from harness.errors import HarnessError
from harness.history import Op, Recorder

LOOKS_S = (0.5, 2.5)  # after the acceptance; the second is the one by which a run must be there
MOST_A_SECOND = 1.0
MOST_THREADS = 16


class Witness:
    """Looks for accepted runs, each look on a connection of its own, and records what it saw.

    Op `look`: ok, the run is there; fail, it is not; info, nobody could be asked. Value: {"dag_run", "asked"}, the
    latter in nanoseconds of the run. At most one run a second is looked for.
    """

    def __init__(self, door: Callable[[], Airflow], recorder: Recorder, dag: str, process: str) -> None:
        """`door` gives a new one with a login, whose connections nobody else uses."""
        self._door = door
        self._recorder = recorder
        self._dag = dag
        self._process = process
        self._pool = ThreadPoolExecutor(MOST_THREADS, "witness")
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0

    def accepted(self, run_id: str) -> None:
        """Look for this run, unless another was accepted within the same second."""
        now = time.monotonic()
        with self._lock:
            if now < self._next or self._stopping.is_set():
                return
            self._next = now + 1 / MOST_A_SECOND
        self._pool.submit(self._look_twice, run_id, now)

    def stop(self) -> None:
        """Look no more; what is waited for is left out."""
        self._stopping.set()
        self._pool.shutdown(wait=True)

    def _look_twice(self, run_id: str, accepted: float) -> None:
        for after_s in LOOKS_S:
            if self._stopping.wait(max(0.0, accepted + after_s - time.monotonic())):
                return
            self._look(run_id)

    def _look(self, run_id: str) -> None:
        asked = self._recorder.now()
        kind: Literal["ok", "fail", "info"]
        door = self._door()
        try:
            kind = "ok" if door.knows(self._dag, run_id) else "fail"
        except HarnessError:
            kind = "info"
        finally:
            door.close()
        value = {"dag_run": run_id, "asked": asked}
        self._recorder.write(Op(t=self._recorder.now(), process=self._process, f="look", type=kind, value=value))
