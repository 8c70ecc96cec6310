"""Triggers and their runs, against a loopback Airflow that accepts, refuses, drops, stalls and forgets."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.history import NS, History, Op, Recorder
from harness.observe import schedule
from harness.observe.workload import Workload
from harness.wait import until
from tests.unit.loopback import Reply, Request, Server, serving

RUNS = "/api/v2/dags/d/dagRuns"
TASKS = [("extract", -1), ("transform", 0)]
STARTED, ENDED = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"


class LittleAirflow:
    """Keeps runs as Airflow does; `on_post` may answer in its stead, knowing the run id and the number of the try."""

    def __init__(self, on_post: Callable[[str, int], Reply | None] = lambda _run, _n: None) -> None:
        self.states: dict[str, str] = {}
        self.tries: Counter[str] = Counter()
        self.logins = 0
        self.end_state = "success"
        self.tasks_known = True
        self._on_post = on_post
        self._lock = threading.Lock()

    def keep(self, run_id: str) -> None:
        self.states[run_id] = self.end_state

    def __call__(self, request: Request) -> Reply:
        if request.path == "/auth/token":
            self.logins += 1
            return Reply(201, {"access_token": "T"})
        if request.method == "POST":
            return self._post(request.body["dag_run_id"])
        if request.path.endswith("/taskInstances"):
            return self._tasks()
        if request.path.endswith("/taskInstances/transform/0/tries"):
            tries = [{"try_number": n, "start_date": f"2026-01-01T00:00:0{n}Z", "state": "failed"} for n in (1, 2)]
            return Reply(200, {"task_instances": tries, "total_entries": 2})
        wanted = request.query.get("state", ["queued", "running", "success", "failed"])
        with self._lock:
            runs = [{"dag_run_id": run, "state": state} for run, state in self.states.items() if state in wanted]
        return Reply(200, {"dag_runs": runs[::-1] if "state" in request.query else runs, "total_entries": len(runs)})

    def _tasks(self) -> Reply:
        seen = {"state": "success", "hostname": "w", "id": "7", "start_date": STARTED, "end_date": ENDED}
        found = [{"task_id": t, "map_index": i, "try_number": 1 + n, **seen} for n, (t, i) in enumerate(TASKS)]
        return Reply(200, {"task_instances": found, "total_entries": len(found)}) if self.tasks_known else Reply(500)

    def _post(self, run_id: str) -> Reply:
        with self._lock:
            self.tries[run_id] += 1
            number = self.tries[run_id]
        special = self._on_post(run_id, number)
        if special is not None:
            return special
        with self._lock:
            if run_id in self.states:
                return Reply(409, {"detail": "there already"})
            self.keep(run_id)
        return Reply(200, {"dag_run_id": run_id})


def workload(server: Server, recorder: Recorder, timeout: object = 10, **other: object) -> Workload:
    """One trigger and then, for a long time, none: unless a test says otherwise."""
    settings = {"dag": "d", "tasks": TASKS, "process": "workload", "every_s": 60.0, "prefix": "p", "accept_within_s": 5}
    door = Airflow(server.url, "admin", "pw", timeout=float(str(timeout)))
    return Workload(lambda: door, recorder, **(settings | other))  # type: ignore[arg-type]


def play(tmp_path: Path, airflow: LittleAirflow, *, wait_runs_s: float = 5.0, **other: object) -> History:
    """Run it until its first trigger is answered for, then stop it."""
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, **other)
        load.start()
        until(lambda: airflow.tries["p-0000"], bool, what="the first trigger", timeout=10, every=0.02)
        load.stop(wait_runs_s)
    recorder.close()
    return History.read(recorder.path)


def ops(history: History, f: str) -> list[Op]:
    return [o for o in history.ops if o.f == f]


def test_an_accepted_trigger_and_its_run_are_recorded_from_beginning_to_end(tmp_path: Path) -> None:
    history = play(tmp_path, LittleAirflow())
    asked, accepted = ops(history, "trigger")
    begun, ended = ops(history, "run")
    assert (asked.type, asked.process) == ("invoke", "workload")
    assert asked.value == {"dag": "d", "dag_run": "p-0000", "tasks": [["extract", -1], ["transform", 0]]}
    assert (accepted.type, accepted.value) == ("ok", {"dag_run": "p-0000", "status": 200, "tries": 1})
    assert (begun.type, begun.value) == ("invoke", {"dag_run": "p-0000"})
    assert (ended.type, ended.value) == ("ok", {"dag_run": "p-0000", "state": "success"})
    assert list(history.samples) == []


def test_an_accepted_trigger_tells_what_time_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MOST_ERROR_NS", 60 * NS)
    made = "2026-06-01T12:00:00.5Z"
    airflow = LittleAirflow(lambda run, _: Reply(200, {"dag_run_id": run, "queued_at": made}))
    (reading,) = (event for event in play(tmp_path, airflow).events if event.object == "clock")
    assert (reading.what, reading.value["wall"]) == ("offset", made)
    assert reading.value["error_ns"] > 0


def test_a_failed_run_is_a_fail(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    airflow.end_state = "failed"
    assert [(o.type, o.value.get("state")) for o in ops(play(tmp_path, airflow), "run")] == [
        ("invoke", None),
        ("fail", "failed"),
    ]


def test_a_run_that_does_not_end_is_info_with_its_state(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    airflow.end_state = "running"
    last = ops(play(tmp_path, airflow, wait_runs_s=0.3), "run")[-1]
    assert (last.type, last.value) == ("info", {"dag_run": "p-0000", "state": "running"})


def test_a_dropped_answer_and_then_409_is_an_acceptance(tmp_path: Path) -> None:
    def drop_first(run_id: str, number: int) -> Reply | None:
        if number == 1:
            airflow.keep(run_id)
            return Reply(drop=True)
        return None

    airflow = LittleAirflow(drop_first)
    history = play(tmp_path, airflow, process="writer")
    last = ops(history, "trigger")[-1]
    assert (last.type, last.value) == ("ok", {"dag_run": "p-0000", "status": 409, "tries": 2})
    assert ops(history, "run")[-1].type == "ok"
    assert [(s.outcome, s.status) for s in history.samples] == [("fail", None)]


def test_409_on_the_first_try_is_a_fail(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    airflow.keep("p-0000")
    history = play(tmp_path, airflow, process="writer")
    assert [o.type for o in ops(history, "trigger")] == ["invoke", "fail"]
    assert ops(history, "run") == []
    assert [(s.outcome, s.status) for s in history.samples] == [("fail", 409)]


def test_409_after_a_refusal_that_kept_nothing_is_a_fail(tmp_path: Path) -> None:
    airflow = LittleAirflow(lambda _run, number: Reply(429, {}) if number == 1 else Reply(409, {}))
    history = play(tmp_path, airflow)
    last = ops(history, "trigger")[-1]
    assert (last.type, last.value["status"], last.value["tries"]) == ("fail", 409, 2)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_definite_refusal_is_a_fail_and_is_not_repeated(tmp_path: Path, status: int) -> None:
    airflow = LittleAirflow(lambda _run, _number: Reply(status, {"detail": "no"}))
    history = play(tmp_path, airflow)
    assert [o.type for o in ops(history, "trigger")] == ["invoke", "fail"]
    assert airflow.tries["p-0000"] == 1


@pytest.mark.parametrize("process", ["workload", "writer"])
def test_who_is_logged_out_logs_in_again_and_the_first_try_says_so(
    tmp_path: Path, process: Literal["workload", "writer"]
) -> None:
    airflow = LittleAirflow(lambda _run, number: Reply(401, {"detail": "who?"}) if number == 1 else None)
    history = play(tmp_path, airflow, process=process)
    last = ops(history, "trigger")[-1]
    assert (last.type, last.value) == ("ok", {"dag_run": "p-0000", "status": 200, "tries": 2})
    assert [(s.outcome, s.status) for s in history.samples] == ([("fail", 401)] if process == "writer" else [])
    assert airflow.logins == 2


def test_who_is_never_let_in_has_certainly_no_run(tmp_path: Path) -> None:
    airflow = LittleAirflow(lambda _run, _number: Reply(401, {"detail": "who?"}))
    history = play(tmp_path, airflow)
    assert [(o.type, o.value.get("status")) for o in ops(history, "trigger")] == [("invoke", None), ("fail", 401)]
    assert airflow.tries["p-0000"] > 1


def test_a_refusal_after_a_try_that_may_have_come_through_is_info(tmp_path: Path) -> None:
    airflow = LittleAirflow(lambda _run, number: Reply(drop=True) if number == 1 else Reply(404, {}))
    assert ops(play(tmp_path, airflow), "trigger")[-1].type == "info"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_refusal_is_asked_again_until_it_is_accepted(tmp_path: Path, status: int) -> None:
    airflow = LittleAirflow(lambda _run, number: Reply(status, {}) if number < 3 else None)
    history = play(tmp_path, airflow)
    last = ops(history, "trigger")[-1]
    assert (last.type, last.value["tries"], last.value["status"]) == ("ok", 3, 200)


def test_a_trigger_that_is_never_answered_well_is_info_when_its_time_is_over(tmp_path: Path) -> None:
    airflow = LittleAirflow(lambda _run, _number: Reply(503, {}))
    history = play(tmp_path, airflow, accept_within_s=0.7, wait_runs_s=20)
    last = ops(history, "trigger")[-1]
    assert (last.type, last.value["status"]) == ("info", 503)
    assert last.t - ops(history, "trigger")[0].t >= 0.7 * NS
    assert last.value["tries"] == airflow.tries["p-0000"] >= 2
    assert ops(history, "run") == []


def test_stopping_does_not_wait_for_a_trigger_longer_than_it_was_told(tmp_path: Path) -> None:
    airflow = LittleAirflow(lambda _run, _number: Reply(503, {}))
    history = play(tmp_path, airflow, accept_within_s=3600, wait_runs_s=0)
    assert ops(history, "trigger")[-1].type == "info"


def test_a_hung_trigger_is_info_for_the_sample_and_does_not_delay_the_next(tmp_path: Path) -> None:
    over = threading.Event()

    def hang_first(run_id: str, number: int) -> Reply | None:
        if run_id == "p-0000" and number == 1:
            over.wait(10)
            return Reply(drop=True)
        return None

    airflow = LittleAirflow(hang_first)
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, timeout=0.5, process="writer", every_s=0.1)
        load.start()
        # The first is still unanswered while others are accepted.
        until(lambda: airflow.states.get("p-0002"), bool, what="the third run", timeout=10, every=0.02)
        assert "p-0000" not in airflow.states
        until(lambda: airflow.states.get("p-0000"), bool, what="the first run", timeout=10, every=0.02)
        load.stop(10)
        over.set()
    recorder.close()
    history = History.read(recorder.path)
    assert next(s.outcome for s in history.samples) == "info"
    assert {o.type for o in ops(history, "trigger") if o.value["dag_run"] == "p-0000"} == {"invoke", "ok"}


def test_a_writer_records_each_first_try_on_new_and_on_kept_connections_by_turns(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, process="writer", every_s=0.05)
        load.start()
        until(lambda: len(airflow.states), lambda n: n >= 6, what="six runs", timeout=10, every=0.02)
        load.stop(10)
    recorder.close()
    history = History.read(recorder.path)
    triggers = [o for o in ops(history, "trigger") if o.type == "invoke"]
    assert len(history.samples) == len(triggers) == len(airflow.states)
    assert [s.conn for s in history.samples] == [("new", "reused")[n % 2] for n in range(len(triggers))]
    assert {(s.target, s.method, s.path, s.outcome) for s in history.samples} == {("trigger", "POST", RUNS, "ok")}
    assert all(s.due <= s.t <= s.end for s in history.samples)
    steps = {b.due - a.due for a, b in pairwise(history.samples)}
    assert steps == {NS // 20}
    asked = {r.body["dag_run_id"]: r for r in server.asked_for("POST", RUNS)}
    assert len({asked[f"p-{n:04d}"].client for n in range(0, len(triggers), 2)}) == -(-len(triggers) // 2)
    assert all(("close" in r.headers["Connection"]) == (int(run[2:]) % 2 == 0) for run, r in asked.items())


def test_a_halted_workload_triggers_no_more_and_still_sees_its_runs_to_the_end(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    airflow.end_state = "running"
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, every_s=0.05)
        load.start()
        until(lambda: len(airflow.states), lambda n: n >= 2, what="two runs", timeout=10, every=0.02)
        load.halt()
        # Ten times the interval without a new one: those that were due at the halt are out by then.
        quiet = until(lambda: len(airflow.states), lambda _: True, what="", timeout=5, every=0.05, successes=10)
        airflow.states = dict.fromkeys(airflow.states, "success")
        load.stop(10)
        assert len(airflow.states) == quiet
    recorder.close()
    assert Counter(o.type for o in ops(History.read(recorder.path), "run")) == {"invoke": quiet, "ok": quiet}


def test_so_many_are_asked_for_and_no_more_and_joined_once_each_is_answered(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, every_s=0.05)
        load.start(3)
        load.join()
        asked = Counter(o.type for o in ops(History.read(recorder.path), "trigger"))
        load.stop(10)
    recorder.close()
    assert asked == {"invoke": 3, "ok": 3}
    assert sorted(airflow.states) == ["p-0000", "p-0001", "p-0002"]


def test_a_refused_login_is_known_at_the_start(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(lambda _: Reply(401, {})) as server:
        load = workload(server, recorder)
        with pytest.raises(UsageError, match="refused the login"):
            load.start()
        load.stop()
    recorder.close()
    assert History.read(recorder.path).ops == ()


def test_a_runs_end_that_cannot_be_asked_for_is_told_and_asked_again(tmp_path: Path) -> None:
    broken = threading.Event()
    broken.set()

    class Broken(LittleAirflow):
        def __call__(self, request: Request) -> Reply:
            if request.method == "GET" and broken.is_set():
                return Reply(503, {})
            return super().__call__(request)

    airflow = Broken()
    recorder = Recorder.create(tmp_path / "history.jsonl")

    def errors() -> list[str]:
        return [e.what for e in History.read(recorder.path).events if e.object == "runs of workload"]

    with serving(airflow) as server:
        load = workload(server, recorder)
        load.start()
        until(errors, lambda seen: seen == ["error"], what="the error", timeout=10, every=0.05)
        broken.clear()
        load.stop(10)
    recorder.close()
    assert errors() == ["error", "recovered"]
    assert ops(History.read(recorder.path), "run")[-1].type == "ok"


def test_in_the_end_it_is_recorded_what_airflow_knows_of_the_tasks(tmp_path: Path) -> None:
    (known,) = ops(play(tmp_path, LittleAirflow()), "tasks")
    assert known.type == "ok"
    tasks, begun = [["extract", -1, 1], ["transform", 0, 2]], [["transform", 0, [1, 2]]]
    assert {name: known.value[name] for name in ("dag_run", "tasks", "begun")} == {
        "dag_run": "p-0000",
        "tasks": tasks,
        "begun": begun,
    }


def test_and_when_and_where_each_try_was_at_work(tmp_path: Path) -> None:
    (known,) = ops(play(tmp_path, LittleAirflow()), "tasks")
    said = ("task", "map_index", "try", "state", "start", "end", "host", "ti")
    assert [tuple(one[name] for name in said) for one in known.value["tries"]] == [
        ("extract", -1, 1, "success", STARTED, ENDED, "w", "7"),
        ("transform", 0, 1, "failed", "2026-01-01T00:00:01Z", None, None, ""),
        ("transform", 0, 2, "failed", "2026-01-01T00:00:02Z", None, None, "7"),
    ]


def test_what_airflow_does_not_say_of_the_tasks_is_told(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    airflow.tasks_known = False
    history = play(tmp_path, airflow)
    assert ops(history, "tasks") == []
    (error,) = [e for e in history.events if e.what == "error"]
    assert (error.object, error.value["of"]) == ("runs of workload", "tasks")


def test_an_aborted_workload_and_one_without_tasks_ask_for_none(tmp_path: Path) -> None:
    assert ops(play(tmp_path / "one", LittleAirflow(), wait_runs_s=0.0), "tasks") == []
    assert ops(play(tmp_path / "two", LittleAirflow(), tasks=[]), "tasks") == []


def test_of_a_restored_airflow_what_is_gone_is_not_waited_for_and_what_runs_again_is(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, every_s=0.05)
        load.start(3, may_go=True)
        load.join()

        def ends() -> int:
            return sum(op.type == "ok" for op in ops(History.read(recorder.path), "run"))

        until(ends, lambda n: n == 3, what="three ends", timeout=10)
        airflow.states = {"p-0000": "running", "p-0002": "success"}  # one was over, and is under way again
        stopping = threading.Thread(target=load.stop, args=(30,))
        stopping.start()
        stopping.join(1.5)
        assert stopping.is_alive()
        airflow.states["p-0000"] = "success"
        stopping.join(10)
        assert not stopping.is_alive()
    recorder.close()
    found = History.read(recorder.path)
    assert {o.value["dag_run"] for o in ops(found, "tasks")} == {"p-0000", "p-0002"}
    assert [e for e in found.events if e.what == "error"] == []


def test_a_run_that_is_gone_before_it_ended_is_info_as_what_nobody_knows(tmp_path: Path) -> None:
    airflow = LittleAirflow()
    airflow.end_state = "running"
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow) as server:
        load = workload(server, recorder, every_s=60)
        load.start(1, may_go=True)
        load.join()
        airflow.states = {}
        load.stop(30)
    recorder.close()
    last = ops(History.read(recorder.path), "run")[-1]
    assert (last.type, last.value["state"]) == ("info", "unknown")
