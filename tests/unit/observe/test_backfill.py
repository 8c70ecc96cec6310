"""A backfill is asked for once, and what became of it is recorded so that the judge can tell what is owed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.airflow import Airflow
from harness.history import History, Recorder
from harness.observe import backfill
from harness.observe.backfill import AT_ONCE, Backfills, before
from harness.records import Schedule
from harness.schedule.listed import listings
from harness.schedule.ticks import moment
from harness.stack.window import GRID_S, SOON_S, next_start
from tests.unit.builders import meta
from tests.unit.loopback import Reply, Request, serving

START = "2026-06-01T12:00:20+00:00"
FILLED = Schedule(kind="cron", expression="* * * * *", interval=True, start=START, unpaused=START, backfill_s=300)
PLAIN = FILLED.model_copy(update={"backfill_s": 0})
TAKEN = Reply(200, {"id": 1, "dag_id": "d", "completed_at": None})


class Little:
    """Answers a backfill as it is told to; its runs are over when they were looked at so many times."""

    def __init__(self, answer: Reply = TAKEN, looks: int = 0) -> None:
        self.answer, self.looks = answer, looks
        self.bodies: list[Any] = []

    def __call__(self, request: Request) -> Reply:
        if request.path == "/auth/token":
            return Reply(201, {"access_token": "T"})
        if request.path == "/api/v2/backfills":
            self.bodies.append(request.body)
            return self.answer
        self.looks -= 1
        if self.looks == 1:
            return Reply(503, {"detail": "not now"})
        state = "running" if self.looks > 0 else "success"
        run = {"run_type": "backfill", "state": state, "logical_date": None, "run_after": START, "queued_at": None}
        other = {**run, "dag_run_id": "own", "run_type": "scheduled", "state": "running", "end_date": None}
        return Reply(200, {"dag_runs": [{**run, "dag_run_id": "r", "end_date": None}, other], "total_entries": 2})


def asked(tmp_path: Path, airflow: Little, then: Callable[[Backfills], object] = lambda _: None) -> History:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    schedules = {"d": FILLED, "plain": PLAIN}
    recorder.write(meta({}, schedules=schedules))
    with serving(airflow) as server:
        one = Backfills(Airflow(server.url, "admin", "pw"), recorder, schedules)
        one.ask()
        then(one)
        one.close()
    recorder.close()
    return History.read(recorder.path)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "LOOK_EVERY_S", 0.02)


def test_what_was_due_before_the_start_is_asked_for_once_and_owed(tmp_path: Path) -> None:
    airflow = Little()
    found = listings(asked(tmp_path, airflow))
    first, last = "2026-06-01T11:56:00Z", "2026-06-01T11:58:00Z"
    said = {"dag_id": "d", "from_date": first, "to_date": last, "max_active_runs": AT_ONCE}
    assert airflow.bodies == [said]
    there = found["d"].backfill
    assert there is not None
    assert (there.first, there.last, there.problem) == (first, last, None)
    assert found["plain"].backfill is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Reply(409, {"detail": "already running"}), "was refused"),
        (Reply(503, {"detail": "not now"}), "not known whether"),
        (Reply(200, {"dag_id": "another"}), "not known whether"),
        (Reply(drop=True), "not known whether"),
    ],
    ids=["refused", "busy", "another", "dropped"],
)
def test_what_was_not_said_to_be_taken_is_not_owed(tmp_path: Path, answer: Reply, why: str) -> None:
    there = listings(asked(tmp_path, Little(answer), lambda one: one.wait(60)))["d"].backfill
    assert there is not None
    assert why in (there.problem or "")


def test_it_is_waited_for_until_its_own_runs_are_over(tmp_path: Path) -> None:
    airflow = Little(looks=4)
    asked(tmp_path, airflow, lambda one: one.wait(60))
    assert airflow.looks == 0


def test_one_that_never_ends_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    began = time.monotonic()
    asked(tmp_path, Little(looks=1_000_000), lambda one: one.wait(0.2))
    assert time.monotonic() - began < 30


@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    interval=st.booleans(),
    expression=st.sampled_from(["* * * * *", "* * * * * 55", "* * * * * */30"]),
    periods=st.integers(3, 10),
)
def test_all_of_it_is_past_when_the_window_is_told(
    now: datetime, interval: bool, expression: str, periods: int
) -> None:
    """Airflow leaves out what is not over by then, and would owe less than was asked for."""
    start = next_start(now)
    said = {"expression": expression, "interval": interval, "start": start.isoformat(), "backfill_s": 60 * periods}
    first, last = (moment(edge) for edge in before(FILLED.model_copy(update=said)))
    assert moment((start - timedelta(minutes=periods)).isoformat()) <= first <= last
    period = 30 if "/30" in expression else 60
    due = last + interval * period * 1_000_000_000
    assert due < moment(now.isoformat())
    assert moment(now.isoformat()) - due < (period + 2 * GRID_S + SOON_S + 30) * 1_000_000_000
