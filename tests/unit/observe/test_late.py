"""A DAG is put there once something was hit, and seen when Airflow makes a run of it, on an Airflow on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.airflow import Airflow
from harness.errors import UsageError
from harness.history import History, Recorder
from harness.judge.observers import unheard, unseen
from harness.observe import late
from harness.observe.late import Late
from harness.wait import until
from tests.unit.builders import meta
from tests.unit.loopback import Reply, Request, serving

DAG = "late_run-1"


class Little:
    """Makes a run of the DAG after so many refusals, which are `refusal`; what is put there is kept in order."""

    def __init__(self, refusals: int = 0, refusal: Reply | None = None, broken: int = 0, made: int = 200) -> None:
        self.refusals, self.broken, self.made = refusals, broken, made
        self.refusal = refusal or Reply(404, {"detail": f"Dag with dag_id: '{DAG}' not found"})
        self.there: list[str] = []
        self.dropped = 0

    def put(self, dag: str) -> None:
        if self.broken:
            self.broken -= 1
            raise UsageError("no ledger")
        self.there.append(dag)

    def __call__(self, request: Request) -> Reply:
        if request.path == "/auth/token":
            return Reply(201, {"access_token": "T"})
        if request.method == "DELETE":
            self.dropped += 1
            return Reply(204)
        assert self.there == [DAG], "nobody asks before it is there"
        if self.refusals:
            self.refusals -= 1
            return self.refusal
        return Reply(self.made, {"dag_run_id": request.body["dag_run_id"], "queued_at": None})


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "EVERY_S", 0.02)


@contextmanager
def watching(tmp_path: Path, airflow: Little) -> Iterator[Late]:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    recorder.write(meta({}))
    with serving(airflow) as server:
        one = Late(Airflow(server.url, "admin", "pw"), recorder, DAG, airflow.put)
        one.start()
        yield one
        one.stop()
        one.stop()
    recorder.close()


def seen(tmp_path: Path, airflow: Little) -> History:
    with watching(tmp_path, airflow) as one:
        one.struck()
        one.wait(10)
    return History.read(tmp_path / "history.jsonl")


def ops(history: History) -> list[tuple[str, str]]:
    return [(op.f, op.value["dag"]) for op in history.ops if op.process == "late"]


@pytest.mark.parametrize("airflow", [Little(), Little(refusals=3), Little(made=409)], ids=["soon", "late", "again"])
def test_it_is_put_there_seen_once_and_taken_away(tmp_path: Path, airflow: Little) -> None:
    history = seen(tmp_path, airflow)
    assert ops(history) == [("put", DAG), ("seen", DAG)]
    assert not unheard(history)
    assert not unseen(history, ("late", ""), 0, history.last_t)
    assert airflow.there == [DAG, ""]
    assert airflow.dropped == 1


def test_before_anything_is_hit_nothing_is_put_there(tmp_path: Path) -> None:
    airflow = Little()
    with watching(tmp_path, airflow) as one:
        one.wait(10)
        time.sleep(0.1)
        assert not airflow.there
    history = History.read(tmp_path / "history.jsonl")
    assert ops(history) == []
    assert not unheard(history)


@pytest.mark.parametrize(
    "airflow",
    [
        Little(refusals=2, refusal=Reply(503, {"detail": "not now"})),
        Little(refusals=2, refusal=Reply(404, {"detail": "no such route"})),
        Little(refusals=2, refusal=Reply(drop=True)),
        Little(broken=2),
    ],
    ids=["busy", "the ingress", "nobody", "no ledger"],
)
def test_what_says_nothing_of_the_dag_is_a_time_without_sight(tmp_path: Path, airflow: Little) -> None:
    history = seen(tmp_path, airflow)
    assert ops(history) == [("put", DAG), ("seen", DAG)]
    assert unseen(history, ("late", ""), 0, history.last_t)


def test_what_is_never_made_is_never_seen_and_ends_with_the_run(tmp_path: Path) -> None:
    airflow = Little(refusals=10_000)
    with watching(tmp_path, airflow) as one:
        one.struck()
        until(lambda: airflow.refusals, lambda left: left < 9_990, what="some refusals", timeout=20, every=0.02)
        one.wait(0.1)
    history = History.read(tmp_path / "history.jsonl")
    assert ops(history) == [("put", DAG)]
    assert not unheard(history)
    assert airflow.there == [DAG, ""]
