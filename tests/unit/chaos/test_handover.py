"""A primary that is asked to hand over: the request itself, from within a pod to a server that answers as Patroni's
does, and when it is believed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import handover
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.history import Fault, History, Recorder
from harness.kube import Kube
from harness.safety import Blast
from tests.unit.kube.cluster import listing, namespace, pod, settings_for
from tests.unit.kube.execing import execed
from tests.unit.loopback import Reply, Request, Server, serving

SELECTOR = "component=patroni"
NAMES = ("patroni-0", "patroni-1", "patroni-2")
NARROW = Blast(pods=1, share=0.34, seconds=60)


class Database:
    """Three members, of which the first is the primary until it has answered; `status` is what it answers."""

    def __init__(self, status: int = 200, *, changes: bool = True) -> None:
        self.status = status
        self.changes = changes
        self.primary: str | None = "patroni-0"
        self.asked: list[tuple[str, Any]] = []

    def roles(self) -> dict[str, str]:
        others = {name: "standby" for name in NAMES if name != self.primary}
        return others | ({self.primary: "primary"} if self.primary else {}) | {"broker-1": "primary"}

    def api(self, request: Request) -> Reply:
        """Patroni's own."""
        self.asked.append((f"{request.method} {request.path}", request.body))
        if self.changes:
            self.primary = request.body["candidate"]
        return Reply(self.status, {"said": "something, and then more"})


class Cluster:
    def __init__(self, patroni: str) -> None:
        self.patroni = patroni

    def __call__(self, request: Request) -> Reply:
        if request.path.endswith("/exec"):
            assert request.path.split("/")[-2] == "patroni-0"
            _, *words = request.query["command"]
            return execed(["env", f"PATRONI_RESTAPI_CONNECT_ADDRESS={self.patroni}", sys.executable, *words])
        if request.path.endswith("/pods"):
            return Reply(200, listing("Pod", [pod(name, component="patroni") for name in NAMES]))
        return Reply(200, namespace())


@contextmanager
def standing(folder: Path, database: Database, address: str = "") -> Iterator[tuple[Server, Context]]:
    recorder = Recorder.create(folder / "history.jsonl")
    with serving(database.api) as patroni, serving(Cluster(address or patroni.url.rpartition("/")[2])) as server:
        settings = settings_for(folder, server.url)
        expected = {"patroni": 3}
        context = Context(settings, Kube(settings), recorder, 1, expected, ("airflow",), NARROW, roles=database.roles)
        yield server, context
    recorder.close()


def done(context: Context, within_s: float = 10.0) -> dict[str, Fault]:
    """By phase."""
    handover.switch_over(context, "airflow", SELECTOR, within_s)
    return {fault.phase: fault for fault in History.read(context.recorder.path).faults}


def test_the_primary_is_asked_in_its_pod_and_believed_when_all_say_so(tmp_path: Path) -> None:
    database = Database()
    with standing(tmp_path, database) as (server, context):
        found = done(context)
        methods = {request.method for request in server.asked if not request.path.endswith("/exec")}
    (asked,) = database.asked
    heir = asked[1]["candidate"]
    assert heir in NAMES[1:]
    assert asked == ("POST /switchover", {"leader": "patroni-0", "candidate": heir})
    assert list(found) == ["begin", "injected", "proved", "ended"]
    assert found["begin"].evidence["aimed"] == ["airflow/patroni-0"]
    said = found["injected"].evidence
    assert (said["handed_to"], said["role"]) == (f"airflow/{heir}", "primary")
    assert found["proved"].target["name"] == "airflow/patroni-0"
    assert (found["proved"].evidence["primary"], found["proved"].evidence["answer"]["status"]) == (heir, 200)
    assert methods == {"GET"}


@pytest.mark.parametrize("seed", range(6))
def test_the_same_seed_asks_for_the_same_standby(tmp_path: Path, seed: int) -> None:
    heirs = set()
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        database = Database()
        with standing(tmp_path / str(number), database) as (_, context):
            context.seed = seed
            done(context)
        heirs.add(database.primary)
    assert len(heirs) == 1


def test_that_patroni_says_so_is_no_proof(tmp_path: Path) -> None:
    with standing(tmp_path, Database(changes=False)) as (_, context):
        found = done(context, 1.0)
        assert "proved" not in found
        assert found["ended"].evidence["unproved"] == ["airflow/patroni-0"]


def test_nobody_is_primary_before_another_is(tmp_path: Path) -> None:
    database = Database(changes=False)
    with standing(tmp_path, database) as (_, context):
        said = [database.roles(), database.roles()]  # one to find the primary, one to find a standby
        context.roles = lambda: said.pop() if said else {}
        assert "proved" not in done(context, 1.0)


def test_what_is_refused_is_said(tmp_path: Path) -> None:
    with standing(tmp_path, Database(412, changes=False)) as (_, context):
        with pytest.raises(
            FaultError, match=r"airflow/patroni-0 does not hand over to airflow/patroni-.*and then more"
        ):
            done(context)
        phases = [fault.phase for fault in History.read(context.recorder.path).faults]
        assert phases == ["begin", "injected", "ended"]


def test_who_does_not_say_how_it_went_may_have_done_it(tmp_path: Path) -> None:
    with standing(tmp_path, Database(503)) as (_, context):
        assert done(context)["proved"].evidence["answer"]["status"] == 503


def test_who_cannot_be_asked_proves_nothing(tmp_path: Path) -> None:
    with standing(tmp_path, Database(), "127.0.0.1:1") as (_, context):
        found = done(context, 3.0)
        assert "proved" not in found
        assert found["ended"].evidence["answer"]["status"] == 0
        assert "refused" in found["ended"].evidence["answer"]["words"]


def test_where_no_standby_is_known_nothing_is_begun(tmp_path: Path) -> None:
    with standing(tmp_path, Database()) as (_, context):
        context.roles = lambda: {"patroni-0": "primary"}
        with pytest.raises(FaultError, match="known to be a standby, so nobody was asked"):
            done(context)
        assert History.read(context.recorder.path).faults == ()


def test_it_is_asked_where_a_member_says_that_it_answers() -> None:
    """The script is for the pod, whose environment says so; ours must not."""
    assert "PATRONI_RESTAPI_CONNECT_ADDRESS" not in os.environ
    assert "127.0.0.1:8008" in handover._ASK
