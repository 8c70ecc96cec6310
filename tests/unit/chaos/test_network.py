"""Who is cut off from whom, and on which nodes: packets themselves are dropped in tests/stack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import network
from harness.chaos.context import Context
from harness.history import History, Recorder
from harness.kube import Kube, firewall
from harness.safety import Blast
from tests.unit.kube.cluster import Json, listing, namespace, pod, settings_for
from tests.unit.loopback import Reply, Request, serving

WHERE = {"patroni-0": "one", "patroni-1": "two", "pgbouncer-0": "one", "kube-apiserver-0": "control"}
IPS = {name: f"10.0.0.{number}" for number, name in enumerate(WHERE)}
NARROW = Blast(pods=1, share=0.5, seconds=60)


def standing(name: str, space: str) -> Json:
    raw = pod(name, component=name.rpartition("-")[0])
    raw["metadata"]["namespace"] = space
    raw["spec"]["nodeName"] = WHERE[name]
    raw["status"]["podIP"] = IPS[name]
    return raw


def answer(request: Request) -> Reply:
    space = request.path.split("/")[4]
    if not request.path.endswith("/pods"):
        return Reply(200, namespace(space))
    wanted = re.findall(r"[a-z]+(?:-[a-z]+)*", request.query.get("labelSelector", [""])[0])
    mine = [name for name in WHERE if (space == "kube-system") == name.startswith("kube-")]
    found = [name for name in mine if len(wanted) == 0 or name.rpartition("-")[0] in wanted]
    return Reply(200, listing("Pod", [standing(name, space) for name in found]))


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(firewall, "cut", lambda hands, *words: found.append(words))
    monkeypatch.setattr(firewall, "dropped", lambda hands, node: [1])
    return found


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    recorder = Recorder.create(tmp_path / "history.jsonl")
    with serving(answer) as server:
        settings = settings_for(tmp_path, server.url)
        roles = {"patroni-0": "primary", "patroni-1": "standby"}
        yield Context(settings, Kube(settings), recorder, 0, {"patroni": 2}, ("airflow",), NARROW, roles=lambda: roles)
    recorder.close()


def cut(context: Context, pick: str, peers: str, **more: str) -> Any:
    side = network.Peers(peers, **more)
    network.cut_off(context, "airflow", "component=patroni", pick, side, 0.1)
    (hit,) = [f for f in History.read(context.recorder.path).faults if f.phase == "injected"]
    return hit.evidence["cut_off_from"]


def test_one_is_cut_off_from_its_like_and_from_the_clusters_own_server(
    context: Context, cuts: list[tuple[str, ...]]
) -> None:
    more = {"also": "component=kube-apiserver", "also_in": "kube-system"}
    found = cut(context, "primary", "component in (patroni,pgbouncer)", **more)
    assert found == ["airflow/patroni-1", "airflow/pgbouncer-0", "kube-system/kube-apiserver-0"]
    me, peer, pooler, server = IPS.values()
    # Its own node sees all, and comes first; each of the others drops what is its own.
    assert cuts[0] == ("one", me, peer, pooler, server)
    assert sorted(cuts[1:]) == [("control", me, server), ("two", me, peer)]


def test_without_more_it_is_cut_off_in_its_namespace_alone(context: Context, cuts: list[tuple[str, ...]]) -> None:
    assert cut(context, "standby", "component=pgbouncer") == ["airflow/pgbouncer-0"]
    assert cuts == [("two", IPS["patroni-1"], IPS["pgbouncer-0"]), ("one", IPS["patroni-1"], IPS["pgbouncer-0"])]
