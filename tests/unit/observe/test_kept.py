"""What is left of what was written is asked for once each, over a new connection, and what is not known is told."""

from __future__ import annotations

from pathlib import Path

from harness.airflow import Airflow
from harness.history import History, Op, Recorder
from harness.observe.kept import read, there
from tests.unit.loopback import Reply, Request, Server, serving

PATHS = {
    "/api/v2/variables/held": Reply(200, {"key": "held", "value": "run.7"}),
    "/api/v2/variables/empty": Reply(200, {"key": "empty", "value": ""}),
    "/api/v2/variables/gone": Reply(404, {"detail": "no such Variable"}),
    "/api/v2/variables/nobody": Reply(404, raw=b"not Airflow"),
    "/api/v2/variables/odd": Reply(200, {"key": "odd", "value": 7}),
    "/api/v2/variables/broken": Reply(503, {"detail": "no"}),
    "/api/v2/variables/cut": Reply(drop=True),
}


def answer(request: Request) -> Reply:
    return Reply(201, {"access_token": "T"}) if request.path == "/auth/token" else PATHS[request.path]


def recorded(tmp_path: Path, url: str = "") -> tuple[dict[str, Op], Server]:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(answer) as server:
        read(lambda: Airflow(url or server.url, "admin", "pw", timeout=2), recorder, PATHS)
    recorder.close()
    return {op.value["path"]: op for op in History.read(recorder.path).ops}, server


def test_what_is_held_is_told_and_what_is_not_known_is_told_as_that(tmp_path: Path) -> None:
    found, server = recorded(tmp_path)
    said = {path.rsplit("/", 1)[-1]: (op.type, op.value.get("value")) for path, op in found.items()}
    assert said == {
        "held": ("ok", "run.7"),
        "empty": ("ok", ""),
        "gone": ("fail", None),
        **dict.fromkeys(("nobody", "odd", "broken", "cut"), ("info", None)),
    }
    assert all(op.value["error"] for op in found.values() if op.type == "info")
    assert all(0 <= op.value["asked"] <= op.t for op in found.values())
    asked = [server.asked_for("GET", path) for path in PATHS]
    assert [len(one) for one in asked] == [1] * len(PATHS)
    assert len({one[0].client for one in asked}) == len(PATHS)


def test_where_nobody_answers_nothing_is_known(tmp_path: Path) -> None:
    found, _ = recorded(tmp_path, "http://127.0.0.1:1")
    assert [op.type for op in found.values()] == ["info"] * len(PATHS)


def test_the_runs_that_are_there_are_listed_with_those_that_are_not_done(tmp_path: Path) -> None:
    runs = [{"dag_run_id": f"p-{n}", "state": state} for n, state in enumerate(("success", "running", "failed"))]

    def listing(request: Request) -> Reply:
        login = request.path == "/auth/token"
        return Reply(201, {"access_token": "T"}) if login else Reply(200, {"dag_runs": runs, "total_entries": 3})

    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(listing) as server:
        there(Airflow(server.url, "admin", "pw", timeout=2), recorder, "writer", "d", "p")
    recorder.close()
    (op,) = History.read(recorder.path).ops
    assert (op.f, op.type, op.value["runs"]) == ("there", "ok", ["p-0", "p-1", "p-2"])
    assert op.value["undone"] == {"p-1": "running", "p-2": "failed"}
