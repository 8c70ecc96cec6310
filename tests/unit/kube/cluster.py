"""A kubeconfig that points to a loopback server, and cluster objects as the API writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from harness.settings import Settings

Json = dict[str, Any]


def settings_for(directory: Path, url: str, *, context: str = "kind-airflow-chaos") -> Settings:
    """Settings whose kubeconfig has one context, to the server at `url`."""
    settings = Settings(cache=directory)
    lead(settings.kubeconfig, url, context)
    return settings


def lead(kubeconfig: Path, url: str, context: str) -> None:
    """Write a kubeconfig with one context, to the server at `url`."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")


def namespace(name: str = "airflow", *, uid: str = "uid-of-namespace", **labels: str) -> Json:
    """`allow` labels it `airflow-chaos/allow`."""
    meta = {"name": name, "uid": uid, "labels": {f"airflow-chaos/{key}": value for key, value in labels.items()}}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": meta}


MESH = "/apis/chaos-mesh.org/"  # asked for in every cluster; most have none


def listing(kind: str, items: list[Json], version: str = "10") -> Json:
    return {"kind": f"{kind}List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}


def container(name: str, state: Json, last: Json | None = None, restarts: int = 0, number: str = "ab" * 32) -> Json:
    return {
        "name": name,
        "image": "i",
        "imageID": "i",
        "ready": "running" in state,
        "restartCount": restarts,
        "containerID": f"containerd://{number}",
        "state": state,
        "lastState": last or {},
    }


def pod(
    name: str,
    *,
    uid: str = "",
    version: str = "1",
    ready: bool = True,
    phase: str = "Running",
    containers: list[Json] | None = None,
    deleting: bool = False,
    component: str = "scheduler",
) -> Json:
    meta: Json = {
        "name": name,
        "namespace": "airflow",
        "uid": uid or f"uid-{name}",
        "resourceVersion": version,
        "labels": {"component": component} if component else {},
    }
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    running = [container("main", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": meta,
        "spec": {"nodeName": "worker", "containers": [{"name": "main"}]},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": running if containers is None else containers,
        },
    }


def ended(code: int, at: str) -> Json:
    return {"terminated": {"exitCode": code, "finishedAt": at}}


def deployment(name: str, component: str | None, *, ready: int | None, desired: int) -> Json:
    labels = {"component": component} if component else {"x": "y"}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "namespace": "airflow", "generation": 1},
        "spec": {
            "replicas": desired,
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main"}]}},
        },
        "status": {"replicas": desired, "updatedReplicas": desired, "observedGeneration": 1}
        | ({"readyReplicas": ready} if ready is not None else {}),
    }
