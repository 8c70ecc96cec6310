"""What the suite knows of the things in a cluster, and how it reads that from the cluster's own words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kubernetes.client import V1ContainerStatus, V1EndpointSlice, V1Node, V1ObjectMeta, V1Pod, V1StatefulSet

CLOSED_ANNOTATION = "airflow-chaos/closed"
STOPPED_ANNOTATION = "airflow-chaos/stopped"
CUT_LABEL = "airflow-chaos/cut"
STACK_LABEL = "airflow-chaos/stack"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
DATA_LABEL = "airflow-chaos/data"
SERVICE_LABEL = "kubernetes.io/service-name"
CLUSTERS_OWN = "k8s-app"  # the label by which Kubernetes names its own components
TASK_PODS = "kubernetes_executor=True"  # how Airflow's executor labels the pods that it makes for tasks


@dataclass(frozen=True)
class Pod:
    """A pod at one moment: `exit_code` of its last container that ended, `container_ids` of those that run.

    `attempt` is what an executor made it for: DAG run, task, map index, try. `daemon`: each node has one; `static`:
    its node made it; `scratch`: a volume of it goes with it. `created` is in seconds since the epoch. `owner` is what
    would replace it, as kind/name; `duty` what its label `role` says, such as primary. `containers` are the names of
    those that run, in the order of their ids; there should be `size` of them, and `main` is the first, as the pod's
    spec lists them; `image` is that of the first; `ports` are those on which it says that it
    answers (TCP). `stopped` and `cut` are what we have marked it as, where no node can be asked.
    """

    namespace: str
    name: str
    uid: str
    node: str
    component: str
    phase: str
    ready: bool
    restarts: int
    exit_code: int | None
    deleting: bool
    container_ids: tuple[str, ...]
    ip: str
    attempt: tuple[str, str, int, int] | None = None
    daemon: bool = False
    owner: str = ""
    duty: str = ""
    static: bool = False
    scratch: bool = False
    created: float = 0.0
    containers: tuple[str, ...] = ()
    size: int = 1
    main: str = ""
    image: str = ""
    ports: tuple[int, ...] = ()
    stopped: bool = False
    cut: str = ""

    @property
    def key(self) -> str:
        """`namespace/name`, as the history names pods."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Node:
    """A node: whether it says that it is Ready, whether we closed it to new pods, and whether databases are on it."""

    name: str
    uid: str
    ready: bool
    closed: bool = False
    holds_data: bool = False


@dataclass(frozen=True)
class EndpointSlice:
    """A part of a Service's addresses: those that get traffic."""

    namespace: str
    name: str
    uid: str
    service: str
    ready: tuple[str, ...]


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet: how many pods it is to have, and the label selector of those that it has."""

    kind: str
    namespace: str
    name: str
    component: str
    selector: str
    replicas: int


class Replicas(NamedTuple):
    """How many pods of a component are Ready, and how many there should be."""

    ready: int
    desired: int


def pod_of(raw: V1Pod) -> Pod:
    """What we know of a pod, from what the cluster says of it."""
    meta, status = raw.metadata or V1ObjectMeta(), raw.status
    labels = meta.labels or {}
    statuses = (status.container_statuses if status else None) or []
    conditions = (status.conditions if status else None) or []
    running = [s for s in statuses if s.container_id and s.state and s.state.running]
    planned = (raw.spec.containers if raw.spec else None) or []
    return Pod(
        namespace=meta.namespace or "",
        name=meta.name or "",
        uid=meta.uid or "",
        node=(raw.spec.node_name if raw.spec else None) or "",
        component=labels.get("component") or labels.get(CLUSTERS_OWN, ""),
        phase=(status.phase if status else None) or "Unknown",
        ready=any(c.type == "Ready" and c.status == "True" for c in conditions),
        restarts=sum(s.restart_count for s in statuses),
        exit_code=_exit_code(statuses),
        deleting=meta.deletion_timestamp is not None,
        container_ids=tuple(bare_id(s.container_id or "") for s in running),
        ip=(status.pod_ip if status else None) or "",
        attempt=_attempt(meta),
        daemon=any(owner.kind == "DaemonSet" for owner in meta.owner_references or ()),
        owner=_owner(meta),
        duty=labels.get("role", ""),
        static=MIRROR_ANNOTATION in (meta.annotations or {}),
        scratch=any(volume.empty_dir is not None for volume in (raw.spec.volumes if raw.spec else None) or ()),
        created=meta.creation_timestamp.timestamp() if meta.creation_timestamp else 0.0,
        containers=tuple(s.name for s in running),
        size=len(planned) or 1,
        main=planned[0].name if planned else "",
        image=next((c.image for c in planned if c.image), ""),
        ports=tuple(p.container_port for c in planned for p in c.ports or () if (p.protocol or "TCP") == "TCP"),
        stopped=STOPPED_ANNOTATION in (meta.annotations or {}),
        cut=labels.get(CUT_LABEL, ""),
    )


def _owner(meta: V1ObjectMeta) -> str:
    """Of a Deployment's pod, the Deployment: its ReplicaSet is named after it, with a hash that the pod bears."""
    found = next((owner for owner in meta.owner_references or () if owner.controller), None)
    if found is None:
        return ""
    behind = f"-{(meta.labels or {}).get('pod-template-hash', '')}"
    if found.kind == "ReplicaSet" and found.name.endswith(behind):
        return f"Deployment/{found.name.removesuffix(behind)}"
    return f"{found.kind}/{found.name}"


def _attempt(meta: V1ObjectMeta) -> tuple[str, str, int, int] | None:
    """From the annotations, since labels are cut and cleaned."""
    label, wanted = TASK_PODS.split("=")
    said = meta.annotations or {}
    if (meta.labels or {}).get(label) != wanted or not {"run_id", "task_id", "try_number"} <= said.keys():
        return None
    # The id of a run that a timetable made is unique within its DAG alone.
    run = said["run_id"]
    run = f"{said.get('dag_id', '')}/{run}" if run.startswith("scheduled__") else run
    return run, said["task_id"], int(said.get("map_index", -1)), int(said["try_number"])


def _exit_code(statuses: Iterable[V1ContainerStatus]) -> int | None:
    ends = [s.terminated for status in statuses for s in (status.state, status.last_state) if s and s.terminated]
    return max(ends, key=lambda e: e.finished_at.timestamp() if e.finished_at else 0.0).exit_code if ends else None


def bare_id(container_id: str) -> str:
    """`containerd://4f1c…` → `4f1c…`, as the control groups of its processes name it."""
    return container_id.rpartition("//")[2]


def node_of(raw: V1Node) -> Node:
    meta = raw.metadata or V1ObjectMeta()
    conditions = (raw.status.conditions if raw.status else None) or []
    ready = any(c.type == "Ready" and c.status == "True" for c in conditions)
    closed = CLOSED_ANNOTATION in (meta.annotations or {})
    holds_data = (meta.labels or {}).get(DATA_LABEL) == "true"
    return Node(meta.name or "", meta.uid or "", ready, closed, holds_data)


def slice_of(raw: V1EndpointSlice) -> EndpointSlice:
    """A slice's ready addresses, sorted. By the API's own rule an endpoint that says nothing counts as ready."""
    ready = [
        address
        for endpoint in raw.endpoints or []
        if endpoint.conditions is None or endpoint.conditions.ready is not False
        for address in endpoint.addresses
    ]
    meta = raw.metadata or V1ObjectMeta()
    service = (meta.labels or {}).get(SERVICE_LABEL, "")
    return EndpointSlice(meta.namespace or "", meta.name or "", meta.uid or "", service, tuple(sorted(ready)))


def workload_of(kind: str, raw: Any) -> Workload:
    """What we know of a Deployment or StatefulSet; its selector is that of `matchLabels`."""
    labels = (raw.spec.selector.match_labels if raw.spec.selector else None) or {}
    return Workload(
        kind=kind,
        namespace=raw.metadata.namespace,
        name=raw.metadata.name,
        component=(raw.spec.template.metadata.labels or {}).get("component", ""),
        selector=",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        replicas=raw.spec.replicas or 0,
    )


def replicas_of(workloads: Iterable[Any]) -> dict[str, Replicas]:
    """Add up Deployments and StatefulSets by the `component` label of their pods; those without one are left out."""
    found: dict[str, Replicas] = {}
    for workload in workloads:
        component = (workload.spec.template.metadata.labels or {}).get("component")
        if component:
            ready, desired = found.get(component, Replicas(0, 0))
            now = (workload.status.ready_replicas if workload.status else None) or 0
            found[component] = Replicas(ready + now, desired + (workload.spec.replicas or 0))
    return found


def rolling(workloads: Iterable[Any]) -> list[str]:
    """Deployments and StatefulSets whose pods are not yet all of the present template, and Ready.

    Pods of an older template do not count as a roll where only their owner replaces them (`OnDelete`).
    """
    found = []
    for workload in workloads:
        status, wanted = workload.status, workload.spec.replicas or 0
        updated = wanted if _by_hand(workload) else status.updated_replicas or 0
        counts = (status.replicas or 0, updated, status.ready_replicas or 0)
        if (status.observed_generation or 0) < workload.metadata.generation or counts != (wanted,) * 3:
            found.append(f"{workload.metadata.name} {counts[2]}/{wanted}")
    return sorted(found)


def _by_hand(workload: Any) -> bool:
    strategy = workload.spec.update_strategy if isinstance(workload, V1StatefulSet) else None
    return strategy is not None and strategy.type == "OnDelete"


def containers_by_node(pods: Iterable[Pod]) -> dict[str, list[str]]:
    """Where to look for the processes of pods: per node, the ids of their running containers."""
    found: dict[str, list[str]] = {}
    for pod in pods:
        if pod.container_ids:
            found.setdefault(pod.node, []).extend(pod.container_ids)
    return found
