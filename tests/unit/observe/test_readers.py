"""Who reads what was accepted: answers that stay open, and looks over other connections; against a loopback Airflow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.airflow import Airflow
from harness.history import History, Recorder
from harness.observe.readers import Reader
from harness.observe.streams import Streams
from harness.observe.witness import LOOKS_S, Witness
from harness.wait import until
from tests.unit.loopback import Reply, Request, Server, serving

Answer = Callable[[Request], Reply]


def airflow(about: Answer) -> Answer:
    """One that lets everybody in and answers `about` a run."""
    return lambda request: Reply(201, {"access_token": "T"}) if request.path == "/auth/token" else about(request)


def read(kind: type[Reader], tmp_path: Path, about: Answer, *, ops: int, names: int = 1) -> tuple[History, Server]:
    """Let it take up `names` runs; ends when so many ops are recorded."""
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(airflow(about)) as server:
        door = Airflow(server.url, "admin", "pw", timeout=2)
        door.login()
        reader = kind(lambda: door.another(keep_alive=False), recorder, "d", "writer")
        for number in range(names):
            reader.accepted(f"r{number}")
        try:
            until(recorder.path.read_text, lambda said: said.count("\n") >= ops, what="ops", timeout=20, every=0.05)
        finally:
            reader.stop()
            door.close()
    recorder.close()
    return History.read(recorder.path), server


def said(history: History) -> list[str]:
    return sorted(op.type for op in history.ops)


def test_an_answer_that_tells_the_end_is_whole(tmp_path: Path) -> None:
    lines = ['{"state": "running"}', '{"state": "success", "results": {}}']
    found, server = read(Streams, tmp_path, lambda _: Reply(lines=lines), ops=6)
    assert said(found) == ["invoke"] * 3 + ["ok"] * 3 or said(found) == ["ok"] * 3 + ["invoke"] * 3
    asked = server.asked_for("GET", "/api/v2/dags/d/dagRuns/r0/wait")
    assert len({request.client for request in asked}) == 3, "each over a connection of its own"
    assert {op.value["number"] for op in found.ops} == {0, 1, 2}


def cut_short() -> Iterator[str]:
    yield '{"state": "running"}'
    raise OSError("the server goes away")


@pytest.mark.parametrize(
    "reply",
    [
        lambda: Reply(lines=['{"state": "running"}']),
        lambda: Reply(lines=cut_short()),
        lambda: Reply(lines=['{"state": "running"}', "no JSON"]),
    ],
    ids=["ends too early", "breaks off", "turns into something else"],
)
def test_an_answer_that_is_cut_is_broken(tmp_path: Path, reply: Callable[[], Reply]) -> None:
    found, _ = read(Streams, tmp_path, lambda _: reply(), ops=6)
    assert said(found) == ["fail"] * 3 + ["invoke"] * 3
    assert all(op.value["error"] for op in found.ops if op.type == "fail")


@pytest.mark.parametrize("reply", [lambda: Reply(503, {}), lambda: Reply(lines=[])], ids=["refused", "says nothing"])
def test_one_that_never_opened_says_why(tmp_path: Path, reply: Callable[[], Reply]) -> None:
    found, _ = read(Streams, tmp_path, lambda _: reply(), ops=3)
    assert [(op.f, op.type) for op in found.ops] == [("unopened", "info")] * 3
    assert all("/wait" in op.value["error"] for op in found.ops)


def test_an_answer_that_we_end_is_neither_whole_nor_broken(tmp_path: Path) -> None:
    def on_and_on() -> Iterator[str]:
        while True:
            yield '{"state": "running"}'
            threading.Event().wait(0.1)

    found, _ = read(Streams, tmp_path, lambda _: Reply(lines=on_and_on()), ops=3)
    assert said(found) == ["info"] * 3 + ["invoke"] * 3


def test_runs_within_a_second_are_not_all_read(tmp_path: Path) -> None:
    found, _ = read(Witness, tmp_path, lambda _: Reply(200, {"dag_run_id": "r0"}), ops=2, names=5)
    assert {op.value["dag_run"] for op in found.ops} == {"r0"}


def test_a_run_that_is_there_is_seen_twice_over_two_connections(tmp_path: Path) -> None:
    found, server = read(Witness, tmp_path, lambda _: Reply(200, {"dag_run_id": "r0"}), ops=2)
    assert said(found) == ["ok", "ok"]
    asked = server.asked_for("GET", "/api/v2/dags/d/dagRuns/r0")
    assert len({request.client for request in asked}) == 2
    apart = found.ops[1].value["asked"] - found.ops[0].value["asked"]
    assert apart >= (LOOKS_S[1] - LOOKS_S[0]) * 0.9e9


def test_a_run_that_is_not_there_is_told_and_an_error_tells_nothing(tmp_path: Path) -> None:
    answers = iter([Reply(404, {"detail": "not found"}), Reply(503, {"detail": "away"})])
    found, _ = read(Witness, tmp_path, lambda _: next(answers), ops=2)
    assert [op.type for op in found.ops] == ["fail", "info"]
