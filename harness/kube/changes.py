"""What the suite changes in a cluster, beyond deleting a pod: evictions, closed nodes, new generations, replicas.

Each call is one try and one answer. What is changed is marked by an annotation of ours, so that whoever comes later can
find it and put it back without knowing what went on before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from harness.errors import FaultError
from harness.kube.objects import CLOSED_ANNOTATION, Pod
from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching

REPLICAS = "airflow-chaos/replicas"
RESTARTED = "airflow-chaos/restarted"
EVICTED = 201
REFUSED = 429


@dataclass(frozen=True)
class Scaled:
    """A Deployment whose replicas were changed, and how many it had."""

    namespace: str
    name: str
    replicas: int


class Changes:
    """Changes to one cluster; `guard` refuses a namespace that is not ours to touch, `ours` a cluster that is not."""

    def __init__(self, api: client.ApiClient, guard: Callable[[str], None], ours: Callable[[], None]) -> None:
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._guard = guard
        self._require_ours = ours

    def evict(self, pod: Pod) -> int:
        """Ask to evict this very pod, as `kubectl drain` does: 201, 429 where its budget forbids it, 404 if gone."""
        self._guard(pod.namespace)
        this_one = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=pod.uid))
        body = client.V1Eviction(
            metadata=client.V1ObjectMeta(name=pod.name, namespace=pod.namespace), delete_options=this_one
        )
        try:
            with reaching():
                self._core.create_namespaced_pod_eviction(
                    pod.name, pod.namespace, body=body, _request_timeout=CALL_TIMEOUT_S
                )
        except KubeError as refused:
            if refused.status in (REFUSED, 404, 409):
                return 404 if refused.status == 409 else refused.status
            raise
        return EVICTED

    def close(self, node: str) -> None:
        """Let no new pod onto a node, and mark it as closed by us."""
        self._node(node, {"metadata": {"annotations": {CLOSED_ANNOTATION: "true"}}, "spec": {"unschedulable": True}})

    def reopen(self, node: str) -> None:
        """Let new pods onto a node again."""
        self._node(node, {"metadata": {"annotations": {CLOSED_ANNOTATION: None}}, "spec": {"unschedulable": None}})

    def renew(self, namespace: str, component: str, stamp: str) -> None:
        """Roll the Deployment of a component: every pod is replaced, in the way that its strategy says."""
        name = self._deployment(namespace, component).metadata.name
        template = {"metadata": {"annotations": {RESTARTED: stamp}}}
        self._patch(namespace, name, {"spec": {"template": template}})

    def scale(self, namespace: str, component: str, by: int) -> int:
        """Change the replicas of a component's Deployment, keep in it what they were, and return what they are now."""
        found = self._deployment(namespace, component)
        before = found.spec.replicas or 0
        kept = (found.metadata.annotations or {}).get(REPLICAS, str(before))
        wanted = max(0, before + by)
        self._patch(
            namespace,
            found.metadata.name,
            {"metadata": {"annotations": {REPLICAS: kept}}, "spec": {"replicas": wanted}},
        )
        return wanted

    def scaled(self, namespace: str) -> list[Scaled]:
        """The Deployments whose replicas we changed, with those that they had."""
        self._guard(namespace)
        with reaching():
            listed = self._apps.list_namespaced_deployment(namespace, _request_timeout=CALL_TIMEOUT_S).items
        found = [d.metadata for d in listed if d.metadata]
        kept = [(meta.name or "", (meta.annotations or {}).get(REPLICAS, "")) for meta in found]
        return [Scaled(namespace, name, int(text)) for name, text in kept if text.isdigit()]

    def unscale(self, scaled: Scaled) -> None:
        """Give a Deployment the replicas back that it had."""
        back = {"metadata": {"annotations": {REPLICAS: None}}, "spec": {"replicas": scaled.replicas}}
        self._patch(scaled.namespace, scaled.name, back)

    def _deployment(self, namespace: str, component: str) -> Any:
        self._guard(namespace)
        with reaching():
            found = self._apps.list_namespaced_deployment(
                namespace, label_selector=f"component={component}", _request_timeout=CALL_TIMEOUT_S
            ).items
        if len(found) != 1:
            raise FaultError(f"{namespace} has {len(found)} Deployments of component {component}; nothing was changed")
        return found[0]

    def _patch(self, namespace: str, name: str, body: dict[str, Any]) -> None:
        self._guard(namespace)
        with reaching():
            self._apps.patch_namespaced_deployment(name, namespace, body, _request_timeout=CALL_TIMEOUT_S)

    def _node(self, name: str, body: dict[str, Any]) -> None:
        self._require_ours()  # a node belongs to everybody in its cluster
        with reaching():
            self._core.patch_node(name, body, _request_timeout=CALL_TIMEOUT_S)
