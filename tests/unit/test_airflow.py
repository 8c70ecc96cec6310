"""The door to Airflow, against a server that answers as Airflow does, or as what stands before it when it breaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.airflow import Airflow, AirflowUnavailable
from harness.answers import RunState, TaskState
from harness.errors import UsageError
from tests.unit.loopback import Reply, Request, serving

RUNS = "/api/v2/dags/d/dagRuns"


def airflow_like(other: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """Logs `admin` in with password `pw`; everything else needs the token, and is answered by `other`."""

    def answer(request: Request) -> Reply:
        if request.path == "/auth/token":
            good = request.body == {"username": "admin", "password": "pw"}
            return Reply(201, {"access_token": "T"}) if good else Reply(401, {"detail": "no"})
        if request.headers.get("Authorization") != "Bearer T":
            return Reply(401, {"detail": "who?"})
        return other(request)

    return answer


def run_page(request: Request, runs: list[dict[str, Any]]) -> Reply:
    """Offset and limit as Airflow does it."""
    offset, limit = int(request.query["offset"][0]), min(100, int(request.query["limit"][0]))
    return Reply(200, {"dag_runs": runs[offset : offset + limit], "total_entries": len(runs)})


def test_it_logs_in_once_and_sends_the_token() -> None:
    dags = {"dags": [{"dag_id": "d", "is_paused": False, "more": 1}], "total_entries": 1}
    with serving(airflow_like(lambda _: Reply(200, dags))) as server:
        airflow = Airflow(server.url, "admin", "pw")
        first, second = airflow.dags(), airflow.dags()
        airflow.close()
    assert [d.dag_id for d in first] == ["d"]
    assert first == second
    assert len(server.asked_for("POST", "/auth/token")) == 1


def test_a_wrong_password_is_a_usage_error() -> None:
    with (
        serving(airflow_like(lambda _: Reply(200, {}))) as server,
        pytest.raises(UsageError, match="refused the login"),
    ):
        Airflow(server.url, "admin", "wrong").dags()


def test_a_token_that_is_no_longer_taken_is_a_usage_error() -> None:
    with serving(airflow_like(lambda _: Reply(401, {}))) as server, pytest.raises(UsageError, match="no longer takes"):
        Airflow(server.url, "admin", "pw").dags()


def test_a_token_whose_key_was_replaced_is_replaced_by_all_that_have_it() -> None:
    good = "T1"

    def answer(request: Request) -> Reply:
        if request.path == "/auth/token":
            return Reply(201, {"access_token": good})
        if request.headers.get("Authorization") != f"Bearer {good}":
            return Reply(401, {"detail": "who?"})
        made = {"dag_run_id": "r", "queued_at": None} if request.method == "POST" else {"dags": [], "total_entries": 0}
        return Reply(200, made)

    with serving(answer) as server:
        airflow = Airflow(server.url, "admin", "pw")
        twin = airflow.another()
        assert (airflow.dags(), twin.dags()) == ([], [])
        good = "T2"
        assert twin.trigger("d", "r").status == 401, "what is measured says that it was refused"
        assert twin.trigger("d", "r").status == 200
        good = "T3"
        assert (airflow.dags(), twin.dags()) == ([], [])
        assert len(server.asked_for("POST", "/auth/token")) == 3


def test_the_version_needs_no_login() -> None:
    with serving(lambda _: Reply(200, {"version": "3.3.2", "git_version": None})) as server:
        assert Airflow(server.url, "admin", "pw").version() == "3.3.2"
    assert [r.path for r in server.asked] == ["/api/v2/version"]


def test_a_trigger_names_its_run_and_no_logical_date() -> None:
    with serving(airflow_like(lambda r: Reply(200, r.body))) as server:
        reply = Airflow(server.url, "admin", "pw").trigger("d", "x-0001")
    assert (reply.status, reply.made) == (200, True)
    assert server.asked_for("POST", RUNS)[0].body == {"dag_run_id": "x-0001", "logical_date": None}


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 503])
def test_a_refused_trigger_is_a_reply_and_is_asked_once(status: int) -> None:
    with serving(airflow_like(lambda _: Reply(status, {"detail": "why"}))) as server:
        reply = Airflow(server.url, "admin", "pw").trigger("d", "x")
    assert (reply.status, reply.made) == (status, False)
    assert "why" in reply.detail
    assert len(server.asked_for("POST", RUNS)) == 1


@pytest.mark.parametrize(
    "bad",
    [Reply(200, {"dag_run_id": "another"}), Reply(200, raw=b"<html>hello</html>"), Reply(200, ["x"])],
    ids=["another run", "not JSON", "not an object"],
)
def test_a_good_status_with_a_wrong_body_is_no_acceptance(bad: Reply) -> None:
    with serving(airflow_like(lambda _: bad)) as server, pytest.raises(AirflowUnavailable) as caught:
        Airflow(server.url, "admin", "pw").trigger("d", "x")
    assert (caught.value.status, caught.value.maybe_served, caught.value.timed_out) == (200, True, False)


@pytest.mark.parametrize("bad", [Reply(drop=True), Reply(200, raw=b'{"dag', length=99)], ids=["dropped", "cut short"])
def test_a_broken_answer_may_have_been_served(bad: Reply) -> None:
    with serving(airflow_like(lambda _: bad)) as server, pytest.raises(AirflowUnavailable) as caught:
        Airflow(server.url, "admin", "pw").trigger("d", "x")
    assert caught.value.maybe_served
    assert not caught.value.timed_out
    assert len(server.asked_for("POST", RUNS)) == 1


@pytest.mark.parametrize("begun", [False, True], ids=["no answer", "answer stops"])
def test_a_late_answer_is_a_timeout_that_may_have_been_served(begun: bool) -> None:
    over = threading.Event()

    def late(_: Request) -> Reply:
        def lines() -> Iterator[str]:
            yield "{"
            over.wait(10)

        if begun:
            return Reply(200, lines=lines())
        over.wait(10)
        return Reply(drop=True)

    with serving(airflow_like(late)) as server, pytest.raises(AirflowUnavailable) as caught:
        Airflow(server.url, "admin", "pw", timeout=0.3).trigger("d", "x")
    over.set()
    assert (caught.value.timed_out, caught.value.maybe_served) == (True, True)


def test_a_refused_connection_cannot_have_been_served() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(AirflowUnavailable, match="refused") as caught:
            Airflow(f"http://127.0.0.1:{taken.getsockname()[1]}", "admin", "pw").version()
    assert (caught.value.timed_out, caught.value.maybe_served) == (False, False)


def test_another_door_keeps_the_login_and_its_own_connections() -> None:
    with serving(airflow_like(lambda r: Reply(200, r.body))) as server:
        airflow = Airflow(server.url, "admin", "pw")
        airflow.login()
        kept, fresh = airflow.another(), airflow.another(keep_alive=False)
        for door in (kept, kept, fresh, fresh):
            door.trigger("d", "x")
        for door in (airflow, kept, fresh):
            door.close()
    ports = [r.client for r in server.asked_for("POST", RUNS)]
    assert ports[0] == ports[1]
    assert len(set(ports)) == 3
    assert len(server.asked_for("POST", "/auth/token")) == 1


@given(total=st.integers(0, 260), foreign=st.integers(0, 5))
@settings(max_examples=12, deadline=None)
def test_every_run_of_the_prefix_is_listed_whatever_their_number(total: int, foreign: int) -> None:
    ours = [{"dag_run_id": f"p-{n:04d}", "state": "running"} for n in range(total)]
    # Airflow matches the prefix loosely, so runs of others may be among the answers.
    runs = ours + [{"dag_run_id": f"p{n}", "state": "success"} for n in range(foreign)]
    with serving(airflow_like(lambda r: run_page(r, runs))) as server:
        airflow = Airflow(server.url, "admin", "pw")
        found = airflow.runs("d", "p-")
        airflow.close()
    assert [r.run_id for r in found] == [r["dag_run_id"] for r in ours]
    asked = server.asked_for("GET", RUNS)
    assert {r.query["run_id_prefix_pattern"][0] for r in asked} == {"p-"}
    assert len(asked) == max(1, -(-len(runs) // 100))


@given(old=st.integers(0, 120), new=st.integers(0, 60))
@settings(max_examples=12, deadline=None)
def test_news_of_finished_runs_are_read_back_to_what_is_known(old: int, new: int) -> None:
    newest_first = [{"dag_run_id": f"p-{n:04d}", "state": "success"} for n in reversed(range(old + new))]
    known = {f"p-{n:04d}" for n in range(old)}
    with serving(airflow_like(lambda r: run_page(r, newest_first))) as server:
        airflow = Airflow(server.url, "admin", "pw")
        found = airflow.finished("d", "p-", known)
        airflow.close()
    assert sorted(r.run_id for r in found) == [f"p-{n:04d}" for n in range(old, old + new)]
    asked = server.asked_for("GET", RUNS)
    assert asked[0].query["state"] == ["success", "failed"]
    assert len(asked) <= new // 25 + 2


@pytest.mark.parametrize(
    ("starts", "begun"),
    [
        ([None], []),
        (["a"], [1]),
        (["a", "b"], [1, 2]),
        ([None, "b"], [2]),
        (["a", "a", "c"], [1, 3]),
        (["a", None, None, "d"], [1, 4]),
    ],
)
def test_a_try_that_was_withdrawn_before_its_start_did_not_begin(starts: list[str | None], begun: list[int]) -> None:
    """Airflow leaves the start of the try before it, or none."""
    tries = [{"try_number": n, "start_date": start} for n, start in enumerate(starts, start=1)]

    def other(_: Request) -> Reply:
        return Reply(200, {"task_instances": tries[::-1], "total_entries": len(tries)})

    with serving(airflow_like(other)) as server:
        airflow = Airflow(server.url, "admin", "pw")
        for index, path in ((-1, "t/tries"), (3, "t/3/tries")):
            task = TaskState(task_id="t", map_index=index, number=len(tries), started=None)
            assert [one.number for one in airflow.begun("d", "r", task)] == begun
            assert server.asked_for("GET", f"{RUNS}/r/taskInstances/{path}")
        airflow.close()


def test_runs_and_tasks_and_schedulers_are_typed() -> None:
    def other(request: Request) -> Reply:
        if request.path == "/api/v2/jobs":
            beat = "2026-01-01T00:00:00Z"
            job = {"id": 7, "hostname": "s-1", "state": "running", "latest_heartbeat": beat, "job_type": "SchedulerJob"}
            return Reply(200, {"jobs": [job], "total_entries": 1})
        if request.path.endswith("/taskInstances"):
            task = {"task_id": "t", "map_index": -1, "state": None, "try_number": 0, "start_date": None}
            return Reply(200, {"task_instances": [task], "total_entries": 1})
        return run_page(request, [{"dag_run_id": "r", "state": "queued"}])

    with serving(airflow_like(other)) as server:
        airflow = Airflow(server.url, "admin", "pw")
        assert airflow.runs("d") == [RunState(run_id="r", state="queued")]
        assert [(t.task_id, t.state) for t in airflow.task_instances("d", "r")] == [("t", None)]
        assert [(j.id, j.hostname, j.state) for j in airflow.scheduler_jobs()] == [(7, "s-1", "running")]
        airflow.close()
    assert server.asked_for("GET", "/api/v2/jobs")[0].query["order_by"] == ["-id"]


def test_what_is_at_work_is_asked_of_all_dags_and_only_ours_is_told() -> None:
    def other(request: Request) -> Reply:
        assert request.path == "/api/v2/dags/~/dagRuns/~/taskInstances"
        common = {
            "task_id": "t",
            "map_index": -1,
            "state": "running",
            "try_number": 1,
            "start_date": "2026-01-01T00:00:00Z",
        }
        found = [{**common, "id": run, "dag_run_id": run, "hostname": "w-1"} for run in ("p-1", "scheduled__1")]
        return Reply(200, {"task_instances": found, "total_entries": 2})

    with serving(airflow_like(other)) as server:
        airflow = Airflow(server.url, "admin", "pw")
        assert [(one.id, one.hostname) for one in airflow.running("p-")] == [("p-1", "w-1")]
        airflow.close()
        assert server.asked_for("GET", "/api/v2/dags/~/dagRuns/~/taskInstances")[0].query["state"] == ["running"]


def test_an_answer_of_another_shape_is_not_airflow() -> None:
    odd = {"dag_runs": [{"id": 1}], "total_entries": 1}
    with serving(airflow_like(lambda _: Reply(200, odd))) as server, pytest.raises(AirflowUnavailable, match="as Airf"):
        Airflow(server.url, "admin", "pw").runs("d")


def test_unpausing_asks_for_just_that() -> None:
    with serving(airflow_like(lambda _: Reply(200, {}))) as server:
        Airflow(server.url, "admin", "pw").unpause("d")
    assert server.asked_for("PATCH", "/api/v2/dags/d")[0].body == {"is_paused": False}
