"""A history that a killed harness left open is closed, keeps what it held, and stays INVALID."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import recorded
from harness.errors import UsageError
from harness.history import End, Fault, History, Phase, Recorder
from harness.locking import only_one
from harness.outcome import Verdict
from harness.settings import Settings
from harness.standing import close, heal, left_open
from harness.timetables import table
from tests.unit.builders import healthy
from tests.unit.kube.cluster import deployment, listing, settings_for
from tests.unit.kube.coordination import REVIEWS, reviewed
from tests.unit.loopback import Reply, Request, serving

CUT = [record for record in healthy() if not (isinstance(record, Fault) and record.phase == "rolled-back")]


def left(folder: Path, tail: bytes = b"") -> Path:
    """A history without its last line, and perhaps with half of another."""
    recorder = Recorder.create(folder / "history.jsonl")
    recorder.write(*CUT)
    recorder.close()
    with recorder.path.open("ab") as file:
        file.write(tail)
    return recorder.path


@pytest.mark.parametrize("tail", [b"", b'{"t":1,"kind":"samp', b'{"t":1,"kind":"end","comp'])
def test_it_is_closed_and_stays_invalid(tmp_path: Path, tail: bytes) -> None:
    path = left(tmp_path, tail)
    assert left_open(tmp_path)
    said = close(tmp_path)
    assert said.startswith(f"{tmp_path.name}: closed as incomplete")
    assert said.endswith("not undone: 1")
    lines = path.read_bytes().splitlines()
    assert lines[-1].endswith(b'"kind":"end","complete":false}')
    assert b'"phase":"rolled-back"' in lines[-2]
    assert recorded.check(tmp_path).verdict is Verdict.INVALID
    assert not left_open(tmp_path)


def test_what_was_recorded_before_is_kept(tmp_path: Path) -> None:
    path = left(tmp_path)
    before = path.read_bytes()
    close(tmp_path)
    assert path.read_bytes().startswith(before)
    healed = History.read(path)
    assert healed.faults[-1].evidence == {"healed": True}
    assert [f.phase for f in healed.faults].count("rolled-back") == 1
    assert healed.phases == tuple(r for r in CUT if isinstance(r, Phase))
    assert healed.problem


def empty(path: Path) -> None:
    path.write_bytes(b"")


def noise(path: Path) -> None:
    path.write_bytes(b"\x00\xff no history")


@pytest.mark.parametrize("spoil", [empty, noise])
def test_one_that_cannot_be_read_is_closed_too(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(left(tmp_path))
    assert left_open(tmp_path)
    close(tmp_path)
    assert recorded.check(tmp_path).verdict is Verdict.INVALID
    assert not left_open(tmp_path)


def test_a_fault_that_was_undone_is_not_undone_again(tmp_path: Path) -> None:
    path = left(tmp_path)
    recorder = Recorder(path, 0)
    recorder.write(*[r for r in healthy() if isinstance(r, Fault) and r.phase == "rolled-back"])
    recorder.close()
    assert close(tmp_path).endswith("not undone: 0")
    assert [f.phase for f in History.read(path).faults].count("rolled-back") == 1


def test_a_whole_history_and_a_folder_without_one_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache", reports=tmp_path / "reports")
    path = left(settings.reports / "whole")
    recorder = Recorder(path, 0)
    recorder.write(End(t=1, complete=True))
    recorder.close()
    (settings.reports / "empty").mkdir()
    before = path.read_bytes()
    assert heal(settings) == []
    assert path.read_bytes() == before


def test_an_open_history_is_closed_where_there_is_no_cluster(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache", reports=tmp_path / "reports")
    left(settings.reports / "open")
    (said,) = heal(settings)
    assert said.startswith("open: closed as incomplete")
    assert not left_open(settings.reports / "open")


def test_an_open_history_is_closed_where_the_cluster_does_not_answer_and_nothing_is_called_undone(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = settings_for(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
        settings = settings.model_copy(update={"reports": tmp_path / "reports"})
        path = left(settings.reports / "open")
        with pytest.raises(UsageError, match="the stack is not up"):
            heal(settings)
    assert not left_open(settings.reports / "open")
    assert not [f for f in History.read(path).faults if f.phase == "rolled-back"]


def test_a_run_that_is_under_way_is_not_healed(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache", reports=tmp_path / "reports")
    path = left(settings.reports / "running")
    before = path.read_bytes()
    with only_one(settings), pytest.raises(UsageError, match="another experiment is running"):
        heal(settings)
    assert path.read_bytes() == before


class Standing:
    """A cluster of somebody else's with Airflow in it, where two DAGs are not paused, one of them of those that run by
    themselves. Both answer at `address`."""

    def __init__(self, components: list[str]) -> None:
        self.components = components
        self.address = ""
        self.own, self.other = next(iter(table().dags)), "chaos_workload"
        self.paused: list[str] = []
        self.closed = 0  # how often the way to Airflow is still shut

    def __call__(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if self.closed and request.path in ("/auth/token", "/api/v2/dags"):
            self.closed -= 1
            return Reply(502, {})
        if request.path == REVIEWS:
            return reviewed(request, lambda _: False)
        if request.path == "/auth/token":
            return Reply(201, {"access_token": "T"})
        if request.path == "/api/v2/dags":
            dags = [{"dag_id": dag, "is_paused": dag in self.paused} for dag in (self.own, self.other)]
            return Reply(200, {"dags": dags, "total_entries": len(dags)})
        if request.method == "PATCH":
            self.paused.append(name)
            return Reply(200, {})
        return Reply(200, self.cluster(request.path, name))

    def cluster(self, path: str, name: str) -> dict[str, object]:
        if name == "deployments":
            return listing("Deployment", [deployment(each, each, ready=1, desired=1) for each in self.components])
        if name == "statefulsets":
            return listing("StatefulSet", [])
        if "/secrets/" in path:
            return {"kind": "Secret", "data": {"admin-password": base64.b64encode(b"pw").decode()}}
        if "/services/" in path:
            return {"kind": "Service", "status": {"loadBalancer": {"ingress": [{"hostname": self.address}]}}}
        return {"kind": "Namespace", "metadata": {"name": name, "labels": {"airflow-chaos/allow": "true"}}}


def healed(tmp_path: Path, components: list[str], closed: int = 0) -> tuple[Standing, list[str]]:
    stack = Standing(components)
    stack.closed = closed
    with serving(stack) as server:
        stack.address = server.url.removeprefix("http://")
        settings = settings_for(tmp_path, server.url, context="of-somebody-else")
        return stack, heal(settings.model_copy(update={"reports": tmp_path / "reports"}))


def test_dags_that_were_set_going_before_there_was_a_history_are_paused(tmp_path: Path) -> None:
    stack, said = healed(tmp_path, ["scheduler", "api-server"])
    assert said == [f"paused: {stack.own}"]
    assert stack.paused == [stack.own]


def test_api_servers_that_nobody_is_led_to_yet_are_waited_for(tmp_path: Path) -> None:
    stack, said = healed(tmp_path, ["scheduler", "api-server"], closed=2)
    assert said == [f"paused: {stack.own}"]
    assert stack.closed == 0


def test_where_nothing_is_deployed_no_dag_is_asked_for(tmp_path: Path) -> None:
    stack, said = healed(tmp_path, [])
    assert (stack.paused, said) == ([], [])
