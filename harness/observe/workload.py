"""Open-loop triggers of one DAG: each when it is due, in its own thread, whatever happened to earlier ones.

A trigger has its own run id, so it can be repeated until it is known to be accepted: 409 then says that an earlier
try created the run. The op `trigger` tells what became of it: ok, fail (certainly refused) or info (nobody knows).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from harness.airflow import Airflow, AirflowUnavailable
from harness.calls import UNKNOWN_TOKEN
from harness.errors import UsageError
from harness.history import NS, Op, Recorder, Sample
from harness.observe.problems import Problems
from harness.observe.readers import Reader
from harness.observe.runs import Runs
from harness.observe.schedule import offset

AGAIN_AFTER_S = 0.5
MOST_THREADS = 64
PENDING_STATUS = frozenset({408, 429})  # refusals that say: ask again

Conn = Literal["new", "reused"]


@dataclass(frozen=True)
class Try:
    """The result of one HTTP try. `refused`: certainly no run; `maybe`: a run may have been created unknown to us.
    `made_at`: when it created one, by Airflow's clock."""

    outcome: Literal["ok", "fail", "info"]
    status: int | None = None
    error: str | None = None
    refused: bool = False
    maybe: bool = False
    made_at: str = ""

    @property
    def again(self) -> bool:
        """Whether to try again: after whatever was not accepted, unless it was refused for good. A token that was not
        accepted is not for good: we log in again."""
        return self.outcome != "ok" and (not self.refused or self.status == UNKNOWN_TOKEN)


def attempt(airflow: Airflow, dag: str, run_id: str) -> Try:
    """Trigger once, and say what that means by itself, without regard to earlier tries."""
    try:
        reply = airflow.trigger(dag, run_id)
    except AirflowUnavailable as problem:
        outcome: Literal["fail", "info"] = "info" if problem.timed_out else "fail"
        return Try(outcome, problem.status, str(problem), maybe=problem.maybe_served)
    except UsageError as problem:
        return Try("fail", UNKNOWN_TOKEN, str(problem), refused=True)
    if reply.made:
        return Try("ok", reply.status, made_at=reply.made_at)
    # A proxy in front of Airflow answers 5xx for a request that it may have passed on.
    certain = 400 <= reply.status < 500 and reply.status not in PENDING_STATUS
    return Try("fail", reply.status, reply.detail, refused=certain, maybe=reply.status != 429 and not certain)


class Workload:
    """Triggers `dag` every `every_s` seconds as `<prefix>-0000`, `<prefix>-0001` … and follows its runs to their end.

    `process` writer also records each first try as a sample of target `trigger`, on new and on kept connections in
    turn; retries are on new connections. `tasks` is what the ledger must show of each run: (task id, map index).
    `airflow_factory` is called once; every thread gets its own connections, under one login.
    """

    def __init__(
        self,
        airflow_factory: Callable[[], Airflow],
        recorder: Recorder,
        *,
        dag: str,
        tasks: Sequence[tuple[str, int]],
        process: Literal["workload", "writer"],
        every_s: float,
        prefix: str,
        accept_within_s: float,
    ) -> None:
        self._airflow_factory = airflow_factory
        self._recorder = recorder
        self.dag = dag
        self._tasks = [[task, index] for task, index in tasks]
        self.process = process
        self._every_ns = round(every_s * NS)
        self._most: int | None = None
        self.prefix = prefix
        self._accept_within_s = accept_within_s
        self._stopping = threading.Event()
        self._give_up = threading.Event()
        self._mine = threading.local()
        self._doors: list[Airflow] = []
        self._pool = ThreadPoolExecutor(min(MOST_THREADS, ceil(accept_within_s / every_s) + 2), f"trigger {prefix}")
        self._asked: list[Future[None]] = []
        self._ticker = threading.Thread(target=self._tick, name=f"workload {prefix}", daemon=True)
        self._problems = Problems(recorder, process)
        self._readers: list[Reader] = []

    def start(self, most: int | None = None, readers: Sequence[type[Reader]] = (), *, may_go: bool = False) -> None:
        """Log in and begin; the first trigger is due at once, and `most` are sent. `readers` read accepted
        runs; `may_go`: see `Runs`. Raises like `Airflow.login`."""
        self._most = most
        self._door = self._airflow_factory()
        # Now, not within the first trigger, whose time is measured.
        self._door.login()
        self._runs = Runs(
            self._door.another(),
            self._recorder,
            dag=self.dag,
            prefix=self.prefix,
            process=self.process,
            with_tasks=bool(self._tasks),
            may_go=may_go,
        )
        self._runs.start()
        self._readers = [
            reader(lambda: self._door.another(keep_alive=False), self._recorder, self.dag, self.process)
            for reader in readers
        ]
        self._ticker.start()

    def halt(self) -> None:
        """Trigger no more; returns at once. With several workloads, halt each before the first is stopped."""
        self._stopping.set()

    def join(self) -> None:
        """With a limited number of runs: wait until all are triggered and it is known what became of each."""
        self._ticker.join()
        wait(self._asked)

    def stop(self, wait_runs_s: float = 0.0) -> None:
        """Trigger no more; wait `wait_runs_s` seconds at most for open triggers and for accepted runs to end.

        What is open after that is recorded as info. Does nothing before `start`; can be called twice.
        """
        if self._ticker.ident is None:
            return
        deadline = time.monotonic() + wait_runs_s
        self.halt()
        self._ticker.join()
        wait(self._asked, max(0.0, deadline - time.monotonic()))
        self._give_up.set()
        self._pool.shutdown(wait=True)
        for reader in self._readers:
            reader.stop()
        for problem in (error for asked in self._asked if (error := asked.exception())):
            self._problems.report("triggers", f"{type(problem).__name__}: {problem}")
        self._runs.stop(max(0.0, deadline - time.monotonic()))
        for door in (self._door, *self._doors):
            door.close()
        self._problems.close()

    def _tick(self) -> None:
        began = self._recorder.now()
        number = 0
        while self._most is None or number < self._most:
            due = began + number * self._every_ns
            if self._stopping.wait(max(0, due - self._recorder.now()) / NS):
                return
            self._asked.append(self._pool.submit(self._trigger, number, due))
            number += 1

    def _trigger(self, number: int, due: int) -> None:
        """One trigger, from its first try to what is known of it in the end."""
        run_id = f"{self.prefix}-{number:04d}"
        conn: Conn = "new" if number % 2 == 0 else "reused"
        self._op("invoke", {"dag": self.dag, "dag_run": run_id, "tasks": self._tasks})
        last = self._first(run_id, due, conn)
        tries, maybe = 1, last.maybe
        while last.again:
            left = due + round(self._accept_within_s * NS) - self._recorder.now()
            if left <= 0 or self._give_up.wait(min(AGAIN_AFTER_S, left / NS)):
                break
            last = self._once(run_id, "new")
            tries, maybe = tries + 1, maybe or last.maybe
        self._conclude(run_id, last, tries, maybe)

    def _conclude(self, run_id: str, last: Try, tries: int, maybe: bool) -> None:
        value: dict[str, Any] = {"dag_run": run_id, "status": last.status, "tries": tries}
        if last.outcome == "ok" or (last.status == 409 and maybe):
            self._op("ok", value)
            self._runs.accepted(run_id)
            for reader in self._readers:
                reader.accepted(run_id)
        elif last.refused and not maybe:
            self._op("fail", value | {"error": last.error})
        else:
            self._op("info", value | {"error": last.error})

    def _first(self, run_id: str, due: int, conn: Conn) -> Try:
        t = self._recorder.now()
        result = self._once(run_id, conn)
        end = self._recorder.now()
        if self.process == "writer":
            sample = Sample(
                t=t,
                target="trigger",
                conn=conn,
                method="POST",
                path=f"/api/v2/dags/{self.dag}/dagRuns",
                due=due,
                end=end,
                outcome=result.outcome,
                status=result.status,
                error=result.error,
            )
            self._recorder.write(sample)
        elif reading := offset(t, end, result.made_at):
            self._recorder.write(reading)
        return result

    def _once(self, run_id: str, conn: Conn) -> Try:
        if conn == "reused":
            return attempt(self._kept(), self.dag, run_id)
        door = self._door.another(keep_alive=False)
        try:
            return attempt(door, self.dag, run_id)
        finally:
            door.close()

    def _kept(self) -> Airflow:
        """This thread's own door, whose connection stays open from trigger to trigger."""
        door: Airflow | None = getattr(self._mine, "door", None)
        if door is None:
            door = self._mine.door = self._door.another()
            self._doors.append(door)
        return door

    def _op(self, kind: Literal["invoke", "ok", "fail", "info"], value: dict[str, Any]) -> None:
        self._recorder.write(Op(t=self._recorder.now(), process=self.process, f="trigger", type=kind, value=value))
