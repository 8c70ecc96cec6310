"""A cluster of two nodes on loopback that deletes, evicts, scales and closes as it is asked to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.unit.kube.cluster import Json, container, deployment, listing, namespace, pod
from tests.unit.kube.test_client import status
from tests.unit.loopback import Reply, Request

OWNER = {"name": "o", "uid": "u", "apiVersion": "apps/v1", "controller": True}
MATCH = re.compile(
    r"/(?:api|apis/[^/]+)/v1(?:/namespaces/(?P<ns>[^/]+))?/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?(?P<sub>/.+)?"
)


def owned(name: str, *, by: str = "ReplicaSet", node: str = "worker", there: str = "airflow", **more: Any) -> Json:
    """A pod of a controller of this kind; each has a container id of its own."""
    raw = pod(name, **more)
    raw["metadata"] |= {"ownerReferences": [{"kind": by, **OWNER}], "namespace": there}
    raw["spec"] |= {"nodeName": node, "volumes": []}
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    raw["status"]["containerStatuses"] = [container("main", running, number=name.encode().hex().ljust(64, "0"))]
    return raw


def standing() -> list[Json]:
    """Two schedulers on two nodes; beside the first what a drain leaves, and what is nobody's of ours."""
    kept = owned("cache-1", component="redis")
    kept["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    mirror = owned("etcd-worker", component="etcd", there="kube-system")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return [
        owned("scheduler-1"),
        owned("scheduler-2", node="worker2"),
        owned("over-1", phase="Succeeded"),
        owned("log-1", by="DaemonSet", component="log"),
        owned("dns-1", component="", there="kube-system"),
        kept,
        mirror,
    ]


@dataclass
class Cluster:
    """What stands, and what a budget refuses to evict."""

    pods: list[Json] = field(default_factory=standing)
    refuses: frozenset[str] = frozenset()
    patched: list[Request] = field(default_factory=list)
    workloads: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in ("deployments", "statefulsets"):
            self.workloads[kind] = deployment("scheduler", "scheduler", ready=2, desired=2)

    def __call__(self, request: Request) -> Reply:
        match = MATCH.fullmatch(request.path)
        if match is None:
            return Reply(404, {})
        if match["kind"] == "nodes":
            return self._nodes(request, match["name"])
        if match["kind"] in self.workloads:
            return self._workload(request, match["kind"])
        if match["kind"] == "pods":
            return self._pods(request, match["ns"], match["name"], match["sub"] or "")
        return Reply(200, namespace(match["ns"] or match["name"]))

    def _nodes(self, request: Request, name: str | None) -> Reply:
        if request.method == "PATCH":
            self.patched.append(request)
            return Reply(200, {"kind": "Node", "metadata": {"name": name}})
        wanted = request.query.get("fieldSelector", ["metadata.name="])[0].removeprefix("metadata.name=")
        names = [one for one in ("worker", "worker2") if wanted in ("", one)]
        return Reply(200, listing("Node", [{"kind": "Node", "metadata": {"name": one}} for one in names]))

    def _workload(self, request: Request, kind: str) -> Reply:
        one = self.workloads[kind]
        if request.method != "PATCH":
            return Reply(200, listing("Deployment" if kind == "deployments" else "StatefulSet", [one]))
        self.patched.append(request)
        notes = one["metadata"].setdefault("annotations", {})
        notes |= request.body.get("metadata", {}).get("annotations", {})
        one["metadata"]["annotations"] = {key: value for key, value in notes.items() if value is not None}
        if (wanted := request.body.get("spec", {}).get("replicas")) is not None:
            one["spec"]["replicas"] = wanted
            self.pods = [raw for raw in self.pods if raw["metadata"]["name"] != f"scheduler-{wanted + 1}"]
        if "template" in request.body.get("spec", {}):
            self.pods = [raw for raw in self.pods if not raw["metadata"]["name"].startswith("scheduler-")]
        return Reply(200, one)

    def _pods(self, request: Request, there: str | None, name: str | None, sub: str) -> Reply:
        here = [raw for raw in self.pods if there in (None, raw["metadata"]["namespace"])]
        if name is None:
            return Reply(200, listing("Pod", [raw for raw in here if _selected(raw, request)]))
        one = next((raw for raw in here if raw["metadata"]["name"] == name), None)
        if one is None:
            return status(404)
        if request.method == "GET":
            return Reply(200, one)
        if sub == "/eviction" and name in self.refuses:
            return status(429)
        self.pods = [raw for raw in self.pods if raw is not one]
        return Reply(200, one) if request.method == "DELETE" else Reply(201, {"kind": "Status", "status": "Success"})


def _selected(raw: Json, request: Request) -> bool:
    labels = dict(part.split("=") for part in request.query.get("labelSelector", [""])[0].split(",") if part)
    fields = dict(part.split("=") for part in request.query.get("fieldSelector", [""])[0].split(",") if part)
    own = raw["metadata"].get("labels", {})
    on_node = fields.get("spec.nodeName", raw["spec"]["nodeName"]) == raw["spec"]["nodeName"]
    return on_node and all(own.get(key) == value for key, value in labels.items())
