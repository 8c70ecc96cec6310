"""A window is opened in order, on a ledger and an Airflow on loopback, and closed by whoever comes next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.ledger import Ledger
from harness.records import Schedule
from harness.stack import window
from harness.stack.window import CLOCK_DAG, GRID_S, KEY, SOON_S, close, next_start, open_for, put
from harness.timetables import table
from tests.unit.loopback import Reply, Request, serving
from tests.unit.resp import Stream, streaming

NAMES = list(table().dags)[:2]
OLD = {
    "dag_run_id": "scheduled__old", "run_type": "scheduled", "state": "running", "logical_date": None,
    "run_after": "2026-01-01T00:00:00Z", "queued_at": None, "end_date": None,
}  # fmt: skip


class Little:
    """Reads the file when it is asked to the second time; keeps what it is told in order."""

    def __init__(self, ledger: Stream, *, paused: bool = True, known: list[str] = NAMES) -> None:
        self.ledger, self.known = ledger, known
        self.paused = dict.fromkeys(known, paused)
        self.asked_to_read = 0
        self.told: list[str] = []
        self.reads = True
        self.filling: dict[int, str | None] = {1: "2026-01-01T00:00:00Z", 2: None}  # backfills, and when each was over

    @property
    def begins(self) -> str:
        there = self.asked_to_read >= 2 and self.reads and KEY.encode() in self.ledger.keys
        return json.loads(self.ledger.keys[KEY.encode()])["start"] if there else "2100-01-01T00:00:00Z"

    def __call__(self, request: Request) -> Reply:
        if request.path == "/auth/token":
            return Reply(201, {"access_token": "T"})
        if request.path.startswith("/api/v2/backfills"):
            return self._backfills(request)
        if request.method == "PUT":
            self.asked_to_read += 1
            return Reply(201, None)
        if request.path == "/api/v2/dags":
            dags = [{"dag_id": name, "is_paused": paused} for name, paused in self.paused.items()]
            return Reply(200, {"dags": dags, "total_entries": len(dags)})
        if request.path == "/api/v2/pools":
            return Reply(201, {})
        dag, *more = request.path.removeprefix("/api/v2/dags/").split("/")
        return self._dag(request, dag) if more != ["dagRuns"] else self._runs(request, dag)

    def _dag(self, request: Request, dag: str) -> Reply:
        if request.method == "GET":
            return Reply(200, {"dag_id": dag, "is_paused": True, "start_date": self.begins, "file_token": "f"})
        self.paused[dag] = request.body["is_paused"]
        self.told.append(f"{'pause' if request.body['is_paused'] else 'unpause'} {dag}")
        return Reply(200, {})

    def _backfills(self, request: Request) -> Reply:
        if request.method == "GET":
            every = [{"id": number, "completed_at": over} for number, over in self.filling.items()]
            return Reply(200, {"backfills": every, "total_entries": len(every)})
        self.told.append(f"cancel {request.path.split('/')[-2]}")
        return Reply(200, {})

    def _runs(self, request: Request, dag: str) -> Reply:
        if request.method == "GET":
            return Reply(200, {"dag_runs": [OLD], "total_entries": 1})
        if request.method == "PATCH":
            self.told += [f"{one['action']} {len(one['entities'])}" for one in request.body["actions"]]
            return Reply(200, {"delete": {"success": [], "errors": []}})
        assert dag == CLOCK_DAG
        made = {"dag_run_id": request.body["dag_run_id"], "queued_at": datetime.now(UTC).isoformat()}
        return Reply(200, made)


@contextmanager
def standing(**about: Any) -> Iterator[tuple[Little, Airflow, Ledger]]:
    with streaming() as ledger:
        airflow = Little(ledger, **about)
        with serving(airflow) as server:
            yield airflow, Airflow(server.url, "admin", "pw"), Ledger(ledger.port)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "ASK_AGAIN_S", 0.02)
    monkeypatch.setattr(window, "READ_WITHIN_S", 20)


def opened(**about: Any) -> tuple[Little, dict[str, Schedule]]:
    with standing(**about) as (airflow, door, ledger):
        return airflow, open_for(ledger, door, NAMES, "run-1")


def test_nothing_goes_before_the_window_was_read() -> None:
    airflow, owed = opened(paused=False)
    paused, going = ([f"{do} {name}" for name in NAMES] for do in ("pause", "unpause"))
    assert airflow.told == [*paused, *["update 1", "delete 1"] * len(NAMES), *going]
    assert airflow.asked_to_read == 2
    said = json.loads(airflow.ledger.keys[KEY.encode()])
    assert said["run"] == "run-1"
    for one in owed.values():
        assert (one.start, one.end) == (said["start"], said["end"])
        assert abs(datetime.fromisoformat(one.unpaused) - datetime.now(UTC)) < timedelta(seconds=10)


def test_pools_are_made_as_wide_as_the_table_says() -> None:
    (name,) = (name for name, one in table().dags.items() if one.pools)
    with streaming() as ledger:
        airflow = Little(ledger, known=[name])
        with serving(airflow) as server:
            door = Airflow(server.url, "admin", "pw")
            open_for(Ledger(ledger.port), door, [name], "run-1")
            made = [request.body for request in server.asked_for("POST", "/api/v2/pools")]
    assert made == [{"name": pool, "slots": slots} for pool, slots in table().pools_of([name]).items()]


def test_a_backfill_that_an_earlier_run_left_is_ended_before_its_runs_are_gone() -> None:
    (name,) = (name for name, one in table().dags.items() if one.backfill_s)
    with streaming() as ledger:
        airflow = Little(ledger, known=[name])
        with serving(airflow) as server:
            door = Airflow(server.url, "admin", "pw")
            open_for(Ledger(ledger.port), door, [name], "run-1")
            assert [r.query["dag_id"] for r in server.asked_for("GET", "/api/v2/backfills")] == [[name]]
    assert airflow.told == ["cancel 2", "update 1", "delete 1", f"unpause {name}"]


def test_a_window_that_nobody_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "READ_WITHIN_S", 0.1)
    with standing() as (airflow, door, ledger):
        airflow.reads = False
        with pytest.raises(UsageError, match="cannot be started: the DAG processor reading the window"):
            open_for(ledger, door, NAMES, "run-1")
    assert not [told for told in airflow.told if told.startswith("unpause")]


def test_a_dag_that_was_not_deployed_is_named() -> None:
    with pytest.raises(UsageError, match=f"Airflow knows no DAG {NAMES[1]}"):
        opened(known=NAMES[:1])


def test_one_dag_more_is_put_beside_the_window_and_taken_away() -> None:
    with streaming() as ledger:
        at = Ledger(ledger.port)
        put(at, "late_run-1")
        assert json.loads(ledger.keys[KEY.encode()]) == {"late": "late_run-1"}
        ledger.keys[KEY.encode()] = json.dumps({"run": "run-1", "late": ""}).encode()
        put(at, "late_run-2")
        assert json.loads(ledger.keys[KEY.encode()]) == {"run": "run-1", "late": "late_run-2"}
        put(at, "")
        assert json.loads(ledger.keys[KEY.encode()]) == {"run": "run-1", "late": ""}
        ledger.keys[KEY.encode()] = b"{}"
        ledger.break_next = 100  # the client tries more than once
        with pytest.raises(UsageError, match="no ledger"):
            put(at, "late_run-3")


def test_only_what_goes_is_stopped() -> None:
    with standing(paused=False) as (airflow, door, _):
        airflow.paused |= {"chaos_workload": False, NAMES[0]: True}
        assert close(door) == [NAMES[1]]
        assert close(door) == []


@given(st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_a_window_starts_soon_and_on_the_grid(now: datetime) -> None:
    start = next_start(now)
    assert start.timestamp() % GRID_S == 0
    assert SOON_S - 1 <= (start - now).total_seconds() <= SOON_S + GRID_S
