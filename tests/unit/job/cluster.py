"""A cluster on loopback that keeps what is laid down in it, and does nothing with it by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.kube import Kube
from harness.settings import Settings
from tests.unit.kube.cluster import listing, namespace, settings_for
from tests.unit.loopback import Reply, Request, Server, serving

Json = dict[str, Any]
JOBS = "/apis/batch/v1/namespaces/airflow-chaos/jobs"
PODS = "/api/v1/namespaces/airflow-chaos/pods"


class Laid:
    """`objects` by their paths; `log` is what each pod wrote."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.objects: dict[str, Json] = {}
        self.log: list[str] = []
        self.allowed = allowed

    def __call__(self, request: Request) -> Reply:
        path = request.path
        if path.endswith("/log"):
            return Reply(200, raw="".join(f"{line}\n" for line in self.log).encode())
        if request.method == "PATCH":
            self.objects[path] = {
                **request.body,
                "metadata": {"uid": f"uid-{len(self.objects)}", **request.body["metadata"]},
            }
            return Reply(200, self.objects[path])
        if request.method == "DELETE":
            return Reply(200 if self.objects.pop(path, None) else 404, {})
        if path in self.objects:
            return Reply(200, self.objects[path])
        return self._asked(path, request)

    def _asked(self, path: str, request: Request) -> Reply:
        kind, name = path.split("/")[-2:]
        if kind == "namespaces" and name in ("airflow", "ingress"):
            return Reply(200, namespace(name, **({"allow": "true"} if self.allowed else {})))
        if path == "/api/v1/nodes":
            nodes = [{"metadata": {"name": each}} for each in ("control-plane", "worker")]
            return Reply(200, listing("Node", nodes))
        if path == "/api/v1/namespaces/ingress/services/ingress":
            return Reply(200, {"kind": "Service", "status": {"loadBalancer": {"ingress": [{"ip": "172.18.0.9"}]}}})
        inside = [one for place, one in sorted(self.objects.items()) if self._is_in(place, path)]
        wanted = [word.partition("=") for word in request.query.get("labelSelector", [""])[0].split(",") if word]
        found = [one for one in inside if all(_bears(one, key, value) for key, _, value in wanted)]
        return Reply(200, {"items": found}) if self._lists(path) else Reply(404, {"message": "no"})

    @staticmethod
    def _lists(path: str) -> bool:
        return path.rpartition("/")[2] in (
            "jobs",
            "cronjobs",
            "pods",
            "roles",
            "rolebindings",
            "clusterroles",
            "clusterrolebindings",
        )

    @staticmethod
    def _is_in(place: str, path: str) -> bool:
        """In this folder, or of this kind in any namespace."""
        kind = place.split("/")[-2]
        return place.rpartition("/")[0] == path or ("/namespaces/" not in path and kind == path.rpartition("/")[2])

    def pod(self, name: str, owner: str, phase: str, **status: Any) -> None:
        """A pod of the Job of this uid, as a controller would make it."""
        labels = {"airflow-chaos/role": "harness", "batch.kubernetes.io/controller-uid": owner}
        meta = {"name": name, "labels": labels, "creationTimestamp": f"2026-01-01T00:00:{len(self.objects):02}Z"}
        self.objects[f"{PODS}/{name}"] = {
            "metadata": meta, "spec": {"nodeName": "control-plane"}, "status": {"phase": phase, **status}
        }  # fmt: skip

    @property
    def kinds(self) -> list[str]:
        return sorted(one["kind"] for one in self.objects.values())


def _bears(one: Json, key: str, value: str) -> bool:
    labels = one["metadata"].get("labels") or {}
    return key in labels and (not value or labels[key] == value)


@contextmanager
def laid(folder: Path, cluster: Laid) -> Iterator[tuple[Settings, Kube, Server]]:
    """Settings of ours that lead there, in a cluster that we did not make."""
    with serving(cluster) as server:
        settings = settings_for(folder, server.url, context="theirs")
        yield settings, Kube(settings), server
