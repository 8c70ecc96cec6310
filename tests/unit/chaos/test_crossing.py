"""A cut by a NetworkPolicy, tried over a network of its own, where the kernel drops what a policy forbids, or does
not."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import crossing, leftovers, network
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.history import History, Recorder
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.kube import Kube
from harness.kube.objects import CUT_LABEL
from harness.safety import Blast
from harness.settings import Settings
from harness.target import Target
from harness.wait import until
from tests.unit.kube.cluster import Json, lead, listing, namespace, pod
from tests.unit.kube.execing import execed
from tests.unit.loopback import Reply, Request, serving

PORT = 6379
DROP = ("INPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP")
READY = "ip link set lo up && iptables -w 5 -L INPUT > /dev/null"
# Takes connections and reads nothing, as the kernel acknowledges what comes anyhow.
SERVER = f"""
import socket
listener, held = socket.create_server(("127.0.0.1", {PORT})), []
while True:
    held.append(listener.accept())
"""
POLICIES = "/apis/networking.k8s.io/v1/namespaces/flow/networkpolicies"
WIDE = Blast(pods=1, share=1.0, nodes=0, seconds=60)


def _possible() -> bool:
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "iptables"))):
        return False
    return subprocess.run(["unshare", "--net", "sh", "-c", READY], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="a network of its own takes root, ip and iptables")


class Cluster:
    """A worker and its broker, in one network; `enforces` says whether that knows policies."""

    def __init__(self, network: int, *, enforces: bool) -> None:
        self._network = network
        self.enforces = enforces
        self.labels: dict[str, Json] = {"worker-1": {}, "redis-0": {}}
        self.policy: Json = {}
        self.marked: dict[str, Json] = {}

    def entered(self, *command: str) -> list[str]:
        return ["nsenter", "-t", str(self._network), "-n", "--", *command]

    def __call__(self, request: Request) -> Reply:
        if request.path.endswith("/exec"):
            _, *words = request.query["command"]
            return execed(self.entered(sys.executable, *words))
        if request.path.startswith(POLICIES):
            return self._policies(request)
        name = request.path.rpartition("/")[2]
        if request.method == "PATCH":
            said = request.body["metadata"]["labels"]
            self.labels[name] = {k: v for k, v in {**self.labels[name], **said}.items() if v is not None}
            return Reply(200, self._pod(name))
        if name == "pods":
            wanted = request.query.get("labelSelector", [""])[0].rpartition("=")[2]
            where = request.path.split("/")[4]
            return Reply(200, listing("Pod", [self._pod(one, where) for one in self.labels if one.startswith(wanted)]))
        if "/namespaces/flow/" in request.path:
            return Reply(200, listing("Any", []))
        return Reply(200, namespace(name, allow="true"))

    def _policies(self, request: Request) -> Reply:
        if request.method == "POST":
            self.policy, self.marked = request.body, {name: dict(labels) for name, labels in self.labels.items()}
            if self.enforces:
                subprocess.run(self.entered("iptables", "-w", "5", "-I", *DROP), check=True)
            return Reply(201, request.body)
        if request.method == "DELETE":
            there, self.policy = bool(self.policy), {}
            subprocess.run(self.entered("iptables", "-w", "5", "-F", "INPUT"), check=True)
            return Reply(200 if there else 404, {"kind": "Status"})
        return Reply(200, listing("NetworkPolicy", [self.policy] if self.policy else []))

    def _pod(self, name: str, where: str = "flow") -> Json:
        component = name.partition("-")[0]
        raw = pod(name, component=component)
        raw["metadata"] |= {"namespace": where, "labels": {"component": component, **self.labels[name]}}
        ports = [{"containerPort": PORT}] if component == "redis" else []
        raw["spec"]["containers"] = [{"name": "main", "image": "i", "ports": ports}]
        raw["status"]["podIP"] = "127.0.0.1"
        return raw


@contextmanager
def standing(folder: Path, *, enforces: bool) -> Iterator[tuple[Cluster, Context]]:
    shell = f"{READY} && exec {sys.executable} -c '{SERVER}'"
    recorder = Recorder.create(folder / "history.jsonl")
    with subprocess.Popen(["unshare", "--net", "sh", "-c", shell]) as inside:
        cluster = Cluster(inside.pid, enforces=enforces)
        try:
            until(lambda: _listens(cluster), bool, what="a server", timeout=20, every=0.2)
            with serving(cluster) as server:
                lead(folder / "kubeconfig", server.url, "theirs")
                target = Target(name="mine", context="theirs", kubeconfig=str(folder / "kubeconfig"), namespace="flow")
                settings = Settings(cache=folder, target=target)
                yield cluster, Context(settings, Kube(settings), recorder, 0, {"worker": 1}, ("flow",), WIDE)
        finally:
            inside.kill()
            recorder.close()


def _listens(cluster: Cluster) -> bool:
    asked = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 1)"
    return (
        subprocess.run(cluster.entered(sys.executable, "-c", asked), capture_output=True, check=False).returncode == 0
    )


def cut(context: Context, peers: str = "component=redis", selector: str = "component=worker", **more: str) -> Any:
    return network.cut_off(context, "flow", selector, "all", network.Peers(peers, **more), 1.0)


def judged(context: Context) -> tuple[Any, str | None]:
    history = History.read(context.recorder.path)
    (target,) = targets(history)
    return target, doubt(target, Sightings(history))


def test_a_cut_is_proved_once_neither_an_open_nor_a_new_connection_gets_across(tmp_path: Path) -> None:
    with standing(tmp_path, enforces=True) as (cluster, context):
        cut(context)
        target, why = judged(context)
        assert why is None
        assert (target.how["by"], target.how["cut_off_from"]) == ("policy", ["flow/redis-0"])
        assert (target.said["cut"], target.said["still_across"], target.said["tried"]) == (True, [], 1)
        assert cluster.marked == {"worker-1": {CUT_LABEL: "this"}, "redis-0": {CUT_LABEL: "other"}}
        assert leftovers.find(context.kube, context.settings, ["flow"]) == [
            "flow/redis-0 is marked as cut off",
            "flow/worker-1 is marked as cut off",
            "a policy of ours cuts pods off in flow",
        ]
        leftovers.repair(context.kube, context.settings, ["flow"])
        assert (cluster.policy, cluster.labels) == ({}, {"worker-1": {}, "redis-0": {}})
        assert leftovers.repair(context.kube, context.settings, ["flow"]) == []
        assert _listens(cluster)


def test_a_network_that_knows_no_policies_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "TRIED_WITHIN_S", 0.0)
    with standing(tmp_path, enforces=False) as (_, context):
        cut(context)
        target, why = judged(context)
        assert target.said["cut"] is False
        assert why == "flow/worker-1 was not seen cut off by its policy (new yes held yes)"


def test_the_other_side_is_named_by_label_and_by_address_and_all_else_is_let_through(tmp_path: Path) -> None:
    with standing(tmp_path, enforces=True) as (cluster, context):
        cut(context)
        spec = cluster.policy["spec"]
        assert spec["podSelector"] == {"matchLabels": {CUT_LABEL: "this"}}
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        others = {"matchExpressions": [{"key": CUT_LABEL, "operator": "NotIn", "values": ["other"]}]}
        assert (
            spec["ingress"][0]["from"]
            == spec["egress"][0]["to"]
            == [
                {"namespaceSelector": {}, "podSelector": others},
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["127.0.0.1/32"]}},
                {"ipBlock": {"cidr": "::/0"}},
            ]
        )


def test_where_nobody_can_try_nothing_is_cut(tmp_path: Path) -> None:
    with standing(tmp_path, enforces=True) as (cluster, context):
        context.blast = Blast(pods=2, share=1.0, nodes=0, seconds=60)
        with pytest.raises(FaultError, match="some pods are on both sides"):
            cut(context, "component=", "component=")  # all pods, twice
        with pytest.raises(
            FaultError, match="'component=worker' finds nobody whom flow/worker-1 could be cut off from"
        ):
            cut(context, "component=worker")
        with pytest.raises(FaultError, match="a policy holds in one namespace, and the other side is in two"):
            cut(context, also="component=redis", also_in="edge")
        subprocess.run(cluster.entered("iptables", "-w", "5", "-I", *DROP), check=True)
        with pytest.raises(
            FaultError, match=r"nothing can try from flow/worker-1 whether it reaches flow/redis-0:6379"
        ):
            cut(context)
        assert (cluster.policy, cluster.labels["worker-1"]) == ({}, {})


def test_the_count_of_what_is_not_acknowledged_stands_where_it_is_read() -> None:
    """Of a connection of which the other side has gone silent nothing is acknowledged; of this one, all is."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as line:
        line.send(b"x")
        said = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert int.from_bytes(said[24:28], sys.byteorder) == 0
