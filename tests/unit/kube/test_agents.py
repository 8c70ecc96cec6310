"""Hands on nodes by pods of ours: made on the very node, one each, entered by `exec`, and gone again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FaultError, HarnessError, UsageError
from harness.kube import Kube, KubeError, agents, nodes
from harness.settings import Settings
from harness.target import Agent, Target
from tests.unit.kube.cluster import MESH, Json, container, lead, listing, namespace, pod
from tests.unit.kube.execing import execed
from tests.unit.kube.test_nodes import VERSION_2, A, process, started
from tests.unit.loopback import Reply, Request, Server, serving

HOME = "/api/v1/namespaces/airflow-chaos-agent/pods"
ENTER = ["nsenter", "-t", "1", "-m", "-n", "--"]


class Cluster:
    """Two pods of Airflow on two nodes; agents begin to run when they are looked at for the second time."""

    def __init__(self, proc: Path) -> None:
        self.agents: dict[str, Json] = {}
        self.looks: dict[str, int] = {}
        self.proc = proc
        self.allowed = True
        self.fails: Json = {}
        self.breaks = False
        self.network: list[str] = []  # what enters the one of the nodes
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        if request.path.startswith(MESH):
            return Reply(404, {"kind": "Status"})
        with self.lock:
            return self._answer(request)

    def _answer(self, request: Request) -> Reply:
        if request.path.endswith("/exec"):
            name = request.path.split("/")[-2]
            command = request.query["command"]
            assert command[: len(ENTER)] == ENTER
            assert name in self.agents
            here = [str(self.proc) if word == "/proc" else word for word in command[len(ENTER) :]]
            return execed([*self.network, *here], breaks=self.breaks)
        if request.path.startswith(HOME):
            return self._at_home(request)
        if request.path == "/api/v1/namespaces/flow/pods":
            there = [pod("scheduler-1"), pod("worker-1")]
            for raw, node in zip(there, ("one", "two"), strict=True):
                raw["spec"] = {"nodeName": node, "containers": [{"name": "main", "image": f"airflow-of-{node}"}]}
            return Reply(200, listing("Pod", there))
        if request.path == "/api/v1/nodes":
            return Reply(200, listing("Node", [{"metadata": {"name": node}} for node in ("one", "two")]))
        if request.path.endswith(("/pods", "/deployments", "/statefulsets")):
            return Reply(200, listing("Any", []))
        name = request.path.split("/")[4]
        return Reply(200, namespace(name, allow="true" if self.allowed else "false"))

    def _at_home(self, request: Request) -> Reply:
        if request.path != HOME:
            return Reply(200 if self.agents.pop(request.path.split("/")[-1], None) else 404, {"kind": "Status"})
        if request.method == "POST":
            return self._made(request.body)
        return Reply(200, listing("Pod", [self._seen(one) for one in self.agents.values()]))

    def _made(self, raw: Json) -> Reply:
        if raw["metadata"]["name"] in self.agents:
            return Reply(409, {"kind": "Status", "reason": "AlreadyExists"})
        self.agents[raw["metadata"]["name"]] = raw
        return Reply(201, raw)

    def _seen(self, raw: Json) -> Json:
        name = raw["metadata"]["name"]
        self.looks[name] = self.looks.get(name, 0) + 1
        running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        state = running if self.looks[name] > 1 else {"waiting": {"reason": "ContainerCreating"}}
        status = {"phase": "Running", "containerStatuses": [container("agent", state)]}
        return {**raw, "status": {**status, **self.fails}}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    (tmp_path / "proc").mkdir()
    return Cluster(tmp_path / "proc")


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Server]:
    with serving(cluster) as server:
        yield server


def aimed(folder: Path, server: Server, **more: Any) -> Settings:
    lead(folder / "kubeconfig", server.url, "theirs")
    said = {"name": "mine", "context": "theirs", "namespace": "flow", "nodes": "agent", **more}
    return Settings(cache=folder, target=Target(kubeconfig=str(folder / "kubeconfig"), **said))


@pytest.fixture
def kube(tmp_path: Path, server: Server) -> Kube:
    return Kube(aimed(tmp_path, server))


def test_a_pod_of_ours_is_made_on_the_very_node_of_an_image_that_is_there(kube: Kube, cluster: Cluster) -> None:
    kube.hands.ready(["two"])
    (raw,) = cluster.agents.values()
    spec = raw["spec"]
    (only,) = spec["containers"]
    assert (spec["nodeName"], spec["hostPID"], only["image"]) == ("two", True, "airflow-of-two")
    assert only["securityContext"] == {"privileged": True, "runAsUser": 0, "runAsNonRoot": False}
    assert only["imagePullPolicy"] == "IfNotPresent"
    assert (spec["restartPolicy"], spec["automountServiceAccountToken"]) == ("Never", False)
    assert spec["activeDeadlineSeconds"] == int(only["command"][1]) == agents.LIVES_S
    assert "component" not in raw["metadata"]["labels"]


def test_its_owner_may_say_where_and_of_which_image(tmp_path: Path, server: Server, cluster: Cluster) -> None:
    kube = Kube(aimed(tmp_path, server, agent=Agent(image="registry.local/tools:1")))
    kube.hands.ready(["one", "elsewhere"])
    images = [raw["spec"]["containers"][0]["image"] for raw in cluster.agents.values()]
    assert images == ["registry.local/tools:1"] * 2
    assert Kube(aimed(tmp_path, server, agent=Agent(namespace="tools"))).hands.among(["one"]) == []
    assert server.asked[-1].path == "/api/v1/namespaces/tools/pods"


def test_processes_are_found_and_killed_as_from_the_node_itself(kube: Kube, cluster: Cluster) -> None:
    with process(cluster.proc, VERSION_2.format(id=A)) as child:
        one = nodes.Process(child.pid, started(child.pid))
        assert nodes.find(kube.hands, {"one": [A]}) == {A: (one,)}
        assert nodes.alive(kube.hands, {"one": [one]}) == {"one": (one,)}
        assert nodes.kill(kube.hands, {"one": [A]}) == {A: (one,)}
        assert child.wait(10) == -9
        assert nodes.alive(kube.hands, {"one": [one]}) == {"one": ()}
    assert len(cluster.agents) == 1


def test_there_is_one_on_each_node_however_many_ask_at_once(kube: Kube, cluster: Cluster, server: Server) -> None:
    found = nodes.stopped(kube.hands, {"one": [A], "two": [A]})
    assert found == {"one": (), "two": ()}
    kube.hands.ready(["one", "two", "one"])
    assert len(server.asked_for("POST", HOME)) == len(cluster.agents) == 2


def test_they_mark_their_nodes_and_go_whoever_made_them(kube: Kube, tmp_path: Path, server: Server) -> None:
    assert kube.hands.among(["one", "two"]) == []
    kube.hands.ready(["two"])
    later = Kube(aimed(tmp_path, server))
    assert later.hands.among(["one", "two"]) == ["two"]
    later.hands.ready(["two"])  # the one that is there
    later.hands.let_go()
    later.hands.let_go()
    assert later.hands.among(["one", "two"]) == []
    later.hands.ready(["two"])
    assert later.hands.run("two", "echo $1", "again") == "again\n"


def test_what_a_script_says_as_it_fails_is_told(kube: Kube, cluster: Cluster) -> None:
    with pytest.raises(KubeError, match=r"ended with 3: no such thing"):
        kube.hands.run("one", "echo no such thing >&2; exit 3")
    with pytest.raises(FaultError, match=r"nodes could not be entered \(one: .*run `harness heal`"):
        nodes.find(kube.hands, {"one": ["ab" * 6]} | _broken(cluster))


def _broken(cluster: Cluster) -> dict[str, list[str]]:
    """From here on connections end without a word; what was printed then may be a part of the whole."""
    cluster.breaks = True
    return {}


def test_one_that_cannot_run_is_no_hand(
    kube: Kube, cluster: Cluster, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "READY_WITHIN_S", 0.2)
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    cluster.fails = {"phase": "Pending", "containerStatuses": [container("agent", waiting)]}
    with pytest.raises(FaultError, match=r"the agent on one does not run \(ErrImagePull no such image\)"):
        kube.hands.ready(["one"])
    cluster.fails = {"phase": "Failed", "reason": "DeadlineExceeded", "containerStatuses": []}
    with pytest.raises(FaultError, match=r"the agent on one is over \(DeadlineExceeded\); run harness heal"):
        kube.hands.ready(["one"])
    assert (kube.hands.among(["one"]), kube.hands.left()) == ([], ["one"])
    kube.hands.let_go()
    assert cluster.agents == {}


def test_none_is_made_where_its_owner_does_not_allow_it(kube: Kube, cluster: Cluster, server: Server) -> None:
    cluster.allowed = False
    for ask in (lambda: kube.hands.ready(["one"]), lambda: kube.hands.among(["one"]), kube.hands.let_go):
        with pytest.raises(UsageError, match=r"namespace airflow-chaos-agent is not labelled airflow-chaos/allow=true"):
            ask()
    assert not [asked for asked in server.asked if asked.path.startswith(HOME)]


def test_one_that_may_not_be_made_is_told_with_the_reason(tmp_path: Path, cluster: Cluster) -> None:
    def refusing(request: Request) -> Reply:
        if request.method == "POST":
            return Reply(403, {"kind": "Status", "message": "violates PodSecurity: privileged"})
        return cluster(request)

    with serving(refusing) as server, pytest.raises(HarnessError, match="violates PodSecurity"):
        Kube(aimed(tmp_path, server)).hands.ready(["one"])
