"""A DAG that gets into its file only after the fault, and when Airflow first creates a run of it: are files still read?

Nothing asks for the file to be read, so the DAG processor must get to it by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from harness.airflow import Airflow, AirflowUnavailable
from harness.errors import HarnessError
from harness.history import Op, Recorder
from harness.observe.problems import Problems

EVERY_S = 1.0
STOP_WITHIN_S = 7.0
PROCESS = "late"
MADE, ABSENT = (200, 201, 409), 404  # 409: it was made, and that answer was lost


class Late:
    """A thread that sleeps until something is hit, then has `put` add the DAG, and asks for a run of it every second.

    Op `put`: the file has it from now on. Op `seen`: a run of it was created. In the end, `put` is called with "".
    Only this thread uses `airflow`, and `stop` after it.
    """

    def __init__(self, airflow: Airflow, recorder: Recorder, dag: str, put: Callable[[str], None]) -> None:
        self._airflow = airflow
        self._recorder = recorder
        self._dag = dag
        self._put = put
        self._struck = threading.Event()
        self._stopping = threading.Event()
        self._problems = Problems(recorder, PROCESS)
        self._thread = threading.Thread(target=self._run, name=PROCESS, daemon=True)

    def start(self) -> None:
        self._problems.write("started", {})
        self._thread.start()

    def struck(self) -> None:
        """Something was hit; a second time changes nothing."""
        self._struck.set()

    def wait(self, within_s: float) -> None:
        """Wait until it was seen, if anything was hit; `within_s` seconds at most."""
        if self._struck.is_set():
            self._thread.join(within_s)

    def stop(self) -> None:
        """End the thread and remove the DAG. A thread that does not end is recorded."""
        if self._thread.ident is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._struck.set()
        self._thread.join(STOP_WITHIN_S)
        late = self._thread.is_alive()
        self._problems.write("stopped", {"still_running": [PROCESS] if late else []})
        self._problems.close()
        if late:
            return
        with suppress(HarnessError):  # it has no timetable, so one that stays does nothing
            self._put("")
            self._airflow.drop(self._dag)
        self._airflow.close()

    def _run(self) -> None:
        self._struck.wait()
        for step in (self._put_there, self._ask):
            while not self._stopping.is_set() and not self._did(step):
                self._stopping.wait(EVERY_S)

    def _did(self, step: Callable[[], bool]) -> bool:
        try:
            done = step()
        except HarnessError as problem:
            self._problems.report(self._dag, f"{type(problem).__name__}: {problem}")
            return False
        self._problems.report(self._dag, None)
        return done

    def _put_there(self) -> bool:
        self._put(self._dag)
        self._op("put")
        return True

    def _ask(self) -> bool:
        """A proxy in front of Airflow answers with 404 too, but does not name the DAG."""
        reply = self._airflow.trigger(self._dag, self._dag)
        if reply.status in MADE:
            self._op("seen")
            return True
        if reply.status == ABSENT and self._dag in reply.detail:
            return False
        raise AirflowUnavailable(f"a run of {self._dag} was answered with {reply.status}: {reply.detail}")

    def _op(self, f: str) -> None:
        self._recorder.write(Op(t=self._recorder.now(), process=PROCESS, f=f, type="ok", value={"dag": self._dag}))
