"""A secret that is replaced: who reads it is marked, then rolled, and asked what it has; the value itself is told to
nobody, and whoever comes after a harness that was killed in between makes all pods have the same."""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from harness.chaos import leftovers, rotation
from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.errors import FaultError, FaultRefused
from harness.history import Fault, History
from harness.judge.faults import targets
from harness.judge.proofs import doubt
from harness.judge.sightings import Sightings
from harness.kube import Kube, KubeError
from harness.safety import Blast
from tests.unit.chaos.replacing import acting
from tests.unit.kube.cluster import Json, deployment, listing, namespace, pod
from tests.unit.kube.execing import execed
from tests.unit.loopback import Reply, Request

VARIABLE = "AIRFLOW__API_AUTH__JWT_SECRET"
OLD = "the-old-value"
APPS = "/apis/apps/v1/namespaces/airflow"
READERS = {"api-server": 2, "worker": 1}
WIDE = Blast(pods=3, share=1.0, seconds=60)


class Cluster:
    """Two workloads that read the secret and one that does not. A new template replaces all pods at once; those of
    `deaf` workloads have the old value all the same. From `breaks` on, nothing is rolled."""

    def __init__(self, *, deaf: str = "", breaks: bool = False) -> None:
        self.deaf, self.breaks = deaf, breaks
        self.value = OLD
        self.stamps: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self.pods = {f"{name}-{n}": (name, OLD) for name, count in READERS.items() for n in range(count)}
        self.pods["redis-0"] = ("redis", "")
        self.done: list[str] = []

    def __call__(self, request: Request) -> Reply:
        *_, kind, name = request.path.split("/")
        if name == "exec":
            return execed(["env", f"{VARIABLE}={self.pods[kind][1]}", *request.query["command"]])
        if request.method == "PATCH":
            return self._patched(kind, name, request.body)
        if name in ("deployments", "statefulsets"):
            return Reply(200, listing("Any", [self._workload(one) for one in self._names] if name[0] == "d" else []))
        if name == "pods":
            return Reply(200, listing("Pod", [self._pod(one) for one in self.pods]))
        return Reply(200, listing("Node", []) if name == "nodes" else namespace())

    _names = (*READERS, "redis")

    def _patched(self, kind: str, name: str, body: Any) -> Reply:
        if kind == "secrets":
            self.value = body["stringData"]["jwt-secret"]
            self.done.append(f"secret {name}")
            said = {"data": {"jwt-secret": base64.b64encode(self.value.encode()).decode()}}
            return Reply(200, {"kind": "Secret", "metadata": {"name": name, "resourceVersion": "77"}, **said})
        marked = body.get("metadata", {}).get("annotations", {})
        if "airflow-chaos/back" in marked:
            self.marks = {k: v for k, v in {**self.marks, name: marked["airflow-chaos/back"]}.items() if v}
            self.done.append(f"mark {name}" if name in self.marks else f"unmark {name}")
        if "spec" in body:
            if self.breaks:
                return Reply(500, {"kind": "Status", "status": "Failure"})
            self._roll(name, body["spec"]["template"]["metadata"]["annotations"]["airflow-chaos/restarted"])
        return Reply(200, self._workload(name))

    def _roll(self, name: str, stamp: str) -> None:
        if self.stamps.get(name) != stamp:
            self.stamps[name] = stamp
            self.done.append(f"roll {name}")
            value = OLD if name == self.deaf else self.value
            kept = {pod: about for pod, about in self.pods.items() if about[0] != name}
            self.pods = kept | {f"{name}-new-{n}": (name, value) for n in range(READERS[name])}

    def _workload(self, name: str) -> Json:
        raw = deployment(name, name, ready=1, desired=READERS.get(name, 1))
        raw["metadata"]["annotations"] = {"airflow-chaos/back": self.marks[name]} if name in self.marks else {}
        if name in READERS:
            ref = {"secretKeyRef": {"name": "airflow-secrets", "key": "jwt-secret"}}
            raw["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": VARIABLE, "valueFrom": ref}]
        return raw

    def _pod(self, name: str) -> Json:
        raw = pod(name, component=self.pods[name][0])
        owner = {"kind": "ReplicaSet", "name": f"{self.pods[name][0]}-h", "uid": "u", "apiVersion": "v1"}
        raw["metadata"] |= {"ownerReferences": [owner | {"controller": True}]}
        raw["metadata"]["labels"]["pod-template-hash"] = "h"
        return raw


def standing(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch, blast: Blast = WIDE
) -> AbstractContextManager[Context]:
    return acting(cluster, folder, monkeypatch, {**READERS, "redis": 1}, blast)


def rotate(context: Context) -> Any:
    return rotation.rotate(context, "airflow", "airflow-secrets", "jwt-secret", 5.0)


def faults(context: Context) -> tuple[Fault, ...]:
    return History.read(context.recorder.path).faults


def test_it_is_replaced_rolled_and_proved_and_nobody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch) as context:
        journal = rotate(context)
        left = leftovers.find(context.kube, context.settings, context.namespaces)
        assert left == [f"airflow/{name} is not what it was" for name in READERS]
        assert leftovers.repair(context.kube, context.settings, context.namespaces) == left
        assert leftovers.repair(context.kube, context.settings, context.namespaces) == []
        history = History.read(context.recorder.path)
    marks, rolls = [f"mark {name}" for name in READERS], [f"roll {name}" for name in READERS]
    assert cluster.done == [*marks, "secret airflow-secrets", *rolls, *(f"unmark {name}" for name in READERS)]
    assert (cluster.value != OLD, cluster.pods["redis-0"]) == (True, ("redis", ""))
    assert [f.phase for f in history.faults] == ["begin", *["injected"] * 3, *["proved"] * 3, "ended"]
    assert {f.target["component"] for f in history.faults if f.phase == "injected"} == set(READERS)
    assert [f.evidence["carried"] for f in history.faults if f.phase == "proved"] == [True] * 3
    assert [doubt(target, Sightings(history)) for target in targets(history)] == [None] * 3
    written = (tmp_path / "history.jsonl").read_text(encoding="utf-8") + repr(journal)
    for secret in (cluster.value, OLD):
        assert secret not in written
        assert base64.b64encode(secret.encode()).decode() not in written


def test_a_pod_that_has_the_old_value_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(Cluster(deaf="worker"), tmp_path, monkeypatch) as context:
        rotate(context)
        history = History.read(context.recorder.path)
    proofs = [f.evidence for f in history.faults if f.phase == "proved"]
    assert [(said["carried"], said["without"]) for said in proofs] == [(False, ["airflow/worker-new-0"])] * 3
    doubted = {doubt(target, Sightings(history)) for target in targets(history)}
    assert all(why and why.endswith("the new secret (airflow/worker-new-0)") for why in doubted)


def test_too_few_pods_are_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    monkeypatch.setattr(rotation, "RUNNING_WITHIN_S", 0.2)
    with standing(cluster, tmp_path, monkeypatch) as context:
        readers = context.kube.change.secrets.readers("airflow", "airflow-secrets", "jwt-secret")
        del cluster.pods["api-server-1"]
        assert rotation._without(context.kube, "airflow", readers, "")[0] == "Deployment/api-server"


def test_what_a_killed_harness_had_begun_is_ended_by_whoever_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is new, and nothing is rolled: each pod that starts by itself would have another one than the rest."""
    cluster = Cluster(breaks=True)
    with standing(cluster, tmp_path, monkeypatch) as context:
        with pytest.raises(KubeError):
            rotate(context)
        assert {value for _, value in cluster.pods.values()} == {OLD, ""}
        cluster.breaks = False
        kube = Kube(context.settings)
        left = leftovers.find(kube, context.settings, context.namespaces)
        assert left == [f"airflow/{name} is not what it was" for name in READERS]
        for found in (left, []):
            assert leftovers.heal(kube, context.settings, context.namespaces) == found
    assert {value for _, value in cluster.pods.values()} == {cluster.value, ""}
    assert len({*cluster.stamps.values()}) == 1


def test_what_would_reach_too_far_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    with standing(cluster, tmp_path, monkeypatch, Blast(pods=2, share=1.0, seconds=60)) as context:
        with pytest.raises(FaultRefused, match="3 pods, and at most 2 may be hit"):
            rotate(context)
        assert len(Blow(rotation.aimed(context.kube, "airflow", "airflow-secrets", "jwt-secret")).pods) == 3
    assert (cluster.done, cluster.value) == ([], OLD)


@pytest.mark.parametrize(("secret", "key"), [("airflow-secrets", "fernet-key"), ("other", "jwt-secret")])
def test_what_nobody_reads_is_no_aim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, key: str) -> None:
    with (
        standing(Cluster(), tmp_path, monkeypatch) as context,
        pytest.raises(FaultError, match=f"nothing in airflow reads the key {key} of the Secret {secret}"),
    ):
        rotation.aimed(context.kube, "airflow", secret, key)
