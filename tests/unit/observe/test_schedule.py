"""What Airflow says of runs that nobody asked for, and what time it is there, as the judge reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.airflow import Airflow
from harness.history import NS, Event, History, Recorder
from harness.judge.scheduled import read
from harness.observe import schedule
from harness.observe.schedule import MOST_ERROR_NS, Schedules, offset
from harness.records import Schedule
from tests.unit.builders import meta
from tests.unit.loopback import Reply, Request, serving

START = "2026-06-01T12:00:00+00:00"
OWED = Schedule(kind="cron", expression="* * * * * */30", start=START, unpaused=START)


class Little:
    """Keeps the runs of one DAG; answers with 500 so many times before."""

    def __init__(self, *runs: dict[str, Any], broken: int = 0, begins: str = "2026-06-01T12:00:00Z") -> None:
        self.runs, self.broken, self.begins = runs, broken, begins

    def __call__(self, request: Request) -> Reply:
        if request.path == "/auth/token":
            return Reply(201, {"access_token": "T"})
        if self.broken:
            self.broken -= 1
            return Reply(500, {"detail": "not now"})
        if request.path.endswith("/details"):
            return Reply(200, {"dag_id": "d", "is_paused": False, "start_date": self.begins, "file_token": "f"})
        if request.path.endswith("/upstreamAssetEvents"):
            event = {"id": 7, "name": "file", "source_dag_id": "p", "source_run_id": "r"}
            return Reply(200, {"asset_events": [event], "total_entries": 1})
        offset, limit = int(request.query["offset"][0]), int(request.query["limit"][0])
        page = list(self.runs)[offset : offset + limit]
        return Reply(200, {"dag_runs": page, "total_entries": len(self.runs)})


def run(number: int, run_type: str = "scheduled") -> dict[str, Any]:
    at = f"2026-06-01T12:{number // 60:02}:{number % 60:02}Z"
    return {
        "dag_run_id": f"{run_type}__{number}",
        "run_type": run_type,
        "state": "success",
        "logical_date": at if run_type == "scheduled" else None,
        "run_after": at,
        "queued_at": at,
        "end_date": at,
    }


def listed(tmp_path: Path, airflow: Little) -> History:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    recorder.write(meta({}, schedules={"d": OWED}))
    with serving(airflow) as server:
        schedules = Schedules(Airflow(server.url, "admin", "pw"), recorder, {"d": OWED})
        schedules.record()
        schedules.close()
    recorder.close()
    return History.read(recorder.path)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "AGAIN_AFTER_S", 0.0)


def test_all_pages_are_read_and_the_judge_believes_them(tmp_path: Path) -> None:
    book = read(listed(tmp_path, Little(*(run(n) for n in range(250)))), {})
    found = book.listings["d"]
    assert (found.problem, len(found.runs)) == (None, 250)
    assert found.runs[7].logical == found.runs[7].run_after == found.runs[7].made
    assert found.runs[7].consumed is None


def test_what_a_run_of_an_asset_was_made_for_is_asked(tmp_path: Path) -> None:
    (one,) = read(listed(tmp_path, Little(run(3, "asset_triggered"))), {}).listings["d"].runs
    assert one.consumed == ((7, "file", "p", "r"),)


def test_an_answer_that_fails_is_asked_for_again(tmp_path: Path) -> None:
    found = read(listed(tmp_path, Little(run(1), broken=2)), {}).listings["d"]
    assert (found.problem, len(found.runs)) == (None, 1)


@pytest.mark.parametrize("airflow", [Little(run(1), broken=99), Little(run(1), begins="2100-01-01T00:00:00Z")])
def test_what_cannot_be_known_is_said_to_be_unknown(tmp_path: Path, airflow: Little) -> None:
    found = read(listed(tmp_path, airflow), {}).listings["d"]
    assert (found.problem, found.runs) == ("Airflow could not be asked in the end which runs d has", ())


def test_a_reading_of_the_clock_lies_between_asking_and_the_answer(tmp_path: Path) -> None:
    first, second = (offset(t * NS, t * NS + NS // 10, f"2026-06-01T12:00:0{t}.05Z") for t in (1, 2))
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    clock = read(History.of([meta({}), first, second]), {}).clock
    assert clock is not None
    assert clock.error == NS // 20
    assert clock.wall(3 * NS) // NS == 1780315203


def test_what_says_too_little_is_no_reading() -> None:
    assert offset(0, 1, "") is None
    assert offset(0, 2 * MOST_ERROR_NS + 2, START) is None
    assert offset(0, 2 * MOST_ERROR_NS, START) is not None
