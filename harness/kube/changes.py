"""What the suite changes in a cluster, beyond deleting a pod: evictions, closed nodes, new generations, replicas.

Each call is one try and one answer. What is changed is marked by an annotation of ours, so that whoever comes later can
find it and put it back without knowing what went on before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from harness.errors import FaultError
from harness.kube.objects import CLOSED_ANNOTATION, CUT_LABEL, STOPPED_ANNOTATION, Pod, Workload, workload_of
from harness.kube.releases import UPGRADE, Releases, due
from harness.kube.secrets import Secrets
from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching
from harness.kube.workloads import STATEFUL_SET, Workloads

BACK = "airflow-chaos/back"
RESTARTED = "airflow-chaos/restarted"
LOST = "airflow-chaos/lost"
EVICTED = 201
REFUSED = 429
MANY_TIMEOUT_S = 60.0  # a thousand and more at once
_SOON: dict[str, Any] = {"_request_timeout": CALL_TIMEOUT_S}


@dataclass(frozen=True)
class Changed:
    """A Deployment or StatefulSet that was changed; `back` is the patch of its spec that makes it what it was. Where
    there is an `image`, the way leads forward: all of its namespace that run another release of it are to have that."""

    namespace: str
    name: str
    back: dict[str, Any]
    kind: str = "Deployment"
    image: str = ""


@dataclass(frozen=True)
class Lost:
    """A StatefulSet whose data are lost, or about to be; they are to be restored from this `backup`."""

    workload: Workload
    backup: str


class Changes:
    """Changes to one cluster; `guard` refuses a namespace that is not ours to touch, `ours` a cluster that is not."""

    def __init__(
        self, api: client.ApiClient, workloads: Workloads, guard: Callable[[str], None], ours: Callable[[], None]
    ) -> None:
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._guard = guard
        self._require_ours = ours
        self._workloads = workloads
        self.secrets = Secrets(api, workloads, guard)
        self.releases = Releases(api, workloads, guard)

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

    def delete_failed(self, namespace: str) -> None:
        """Delete all pods that failed, in one call: a pod that its node refuses stays behind, and another is made."""
        self._guard(namespace)
        with reaching():
            self._core.delete_collection_namespaced_pod(
                namespace, field_selector="status.phase=Failed", _request_timeout=MANY_TIMEOUT_S
            )

    def mark_stopped(self, pod: Pod) -> None:
        """Note on a pod that its processes are about to be stopped from inside."""
        self._pod(pod, {"annotations": {STOPPED_ANNOTATION: "true"}})

    def mark_resumed(self, pod: Pod) -> None:
        """Take that note away."""
        self._pod(pod, {"annotations": {STOPPED_ANNOTATION: None}})

    def mark_cut(self, pod: Pod, side: str | None) -> None:
        """Say on which side of a cut a pod is; None: on neither."""
        self._pod(pod, {"labels": {CUT_LABEL: side}})

    def _pod(self, pod: Pod, metadata: dict[str, Any]) -> None:
        """This very pod: the cluster refuses another uid of the same name. One that is gone needs no mark."""
        self._guard(pod.namespace)
        body = {"metadata": {"uid": pod.uid, **metadata}}
        try:
            with reaching():
                self._core.patch_namespaced_pod(pod.name, pod.namespace, body, **_SOON)
        except KubeError as refused:
            if refused.status not in (404, 409):
                raise

    def close(self, node: str) -> None:
        """Let no new pod onto a node, and mark it as closed by us."""
        self._node(node, {"metadata": {"annotations": {CLOSED_ANNOTATION: "true"}}, "spec": {"unschedulable": True}})

    def reopen(self, node: str) -> None:
        """Let new pods onto a node again."""
        self._node(node, {"metadata": {"annotations": {CLOSED_ANNOTATION: None}}, "spec": {"unschedulable": None}})

    def renew(self, namespace: str, component: str, stamp: str) -> None:
        """Roll the Deployment of a component: every pod is replaced, in the way that its strategy says."""
        name = self._deployment(namespace, component).metadata.name
        self._workloads.patch_deployment(namespace, name, {"spec": _rolled(stamp)})

    def owe_roll(self, workload: Workload, stamp: str) -> None:
        """Mark that this is to be rolled, before what its pods read is changed: to put it back is to `roll` it."""
        self._keep(workload, _rolled(stamp))

    def roll(self, workload: Workload, stamp: str) -> None:
        """Replace every pod, in the way that its strategy says; the mark stays. Twice with one stamp rolls once."""
        self._workloads.patch(workload.kind, workload.namespace, workload.name, {"spec": _rolled(stamp)})

    def scale(self, namespace: str, component: str, by: int) -> int:
        """Change the replicas of a component's Deployment, and return what they are now."""
        found = self._deployment(namespace, component)
        before = found.spec.replicas or 0
        wanted = max(0, before + by)
        self._change(found, {"replicas": wanted}, back={"replicas": before})
        return wanted

    def set_variable(self, namespace: str, component: str, name: str, value: str) -> None:
        """Give a component's container an environment variable that its manifest does not; its pods are replaced."""
        found = self._deployment(namespace, component)
        container = found.spec.template.spec.containers[0]
        if any(entry.name == name for entry in container.env or ()) and not _back(found):
            raise FaultError(f"{component} in {namespace} has {name} from its manifest already; nothing was changed")
        set_, back = ({"name": name, "value": value}, {"name": name, "$patch": "delete"})
        self._change(found, _environment(container.name, set_), back=_environment(container.name, back))

    def keep(self, workload: Workload) -> None:
        """Keep how many pods it has to have, before others change that: the undo finds it there. Where something is
        kept already, that leads further back."""
        self._keep(workload, {"replicas": workload.replicas})

    def _keep(self, workload: Workload, back: dict[str, Any]) -> None:
        known = {(one.kind, one.name): one.back for one in self.changed(workload.namespace)}
        back = {**back, **known.get((workload.kind, workload.name), {})}
        kept = {"metadata": {"annotations": {BACK: json.dumps(back, sort_keys=True)}}}
        self._workloads.patch(workload.kind, workload.namespace, workload.name, kept)

    def changed(self, namespace: str) -> list[Changed]:
        """The Deployments and StatefulSets that were changed, with the way back."""
        listed = self._workloads.every(namespace)
        found = [Changed(namespace, one.metadata.name, _back(one), kind, due(one)) for kind, one in listed]
        return [changed for changed in found if changed.back or changed.image]

    def owe_restore(self, namespace: str, name: str, backup: str | None) -> None:
        """Mark that the data of a StatefulSet are to be restored from this backup, before they are lost; None: they are
        there again."""
        self._workloads.patch_stateful_set(namespace, name, {"metadata": {"annotations": {LOST: backup}}})

    def lost(self, namespace: str) -> list[Lost]:
        """The StatefulSets that are so marked."""
        listed = self._workloads.stateful_sets(namespace)
        marks = [(one, (one.metadata.annotations or {}).get(LOST)) for one in listed]
        return [Lost(workload_of(STATEFUL_SET, one), str(backup)) for one, backup in marks if backup]

    def put_back(self, changed: Changed) -> None:
        """Make a Deployment or StatefulSet what it was, or bring to its end what was begun with it."""
        if changed.image:
            self.releases.bring(changed.namespace, changed.image)
        marks = {BACK: None, **({UPGRADE: None} if changed.image else {})}
        body = {"metadata": {"annotations": marks}, "spec": changed.back}
        self._workloads.patch(changed.kind, changed.namespace, changed.name, body)

    def _change(self, found: Any, spec: dict[str, Any], back: dict[str, Any]) -> None:
        """Change a Deployment, and keep the way back in it; where there is one already, that one leads further back."""
        meta = found.metadata
        kept = json.dumps({**back, **_back(found)}, sort_keys=True)
        self._workloads.patch_deployment(
            meta.namespace, meta.name, {"metadata": {"annotations": {BACK: kept}}, "spec": spec}
        )

    def _deployment(self, namespace: str, component: str) -> Any:
        self._guard(namespace)
        with reaching():
            found = self._apps.list_namespaced_deployment(
                namespace, label_selector=f"component={component}", _request_timeout=CALL_TIMEOUT_S
            ).items
        if len(found) != 1:
            raise FaultError(f"{namespace} has {len(found)} Deployments of component {component}; nothing was changed")
        return found[0]

    def _node(self, name: str, body: dict[str, Any]) -> None:
        self._require_ours()  # a node belongs to everybody in its cluster
        with reaching():
            self._core.patch_node(name, body, _request_timeout=CALL_TIMEOUT_S)


def _back(found: Any) -> dict[str, Any]:
    """The way back that is kept in a Deployment; nothing where it was not changed."""
    text = (found.metadata.annotations or {}).get(BACK, "{}")
    try:
        back = json.loads(text)
    except ValueError:
        back = None
    if not isinstance(back, dict):
        name = f"{found.metadata.namespace}/{found.metadata.name}"
        raise FaultError(f"{name} has an annotation {BACK} that is not ours ({text!r}); remove it, and run harness up")
    return back


def _rolled(stamp: str) -> dict[str, Any]:
    return {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}


def _environment(container: str, entry: dict[str, str]) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [{"name": container, "env": [entry]}]}}}
