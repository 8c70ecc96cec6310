"""Is there two of everything, and never both on one node?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness.audit.deployment import (
    AIRFLOW,
    API_SERVER,
    BROKER,
    DAG_PROCESSOR,
    DATABASE,
    POOLER,
    SCHEDULER,
    TRIGGERER,
    WORKER,
    Deployment,
    Workload,
    at,
    matches,
    ready,
)
from harness.audit.rule import Book, Said, either, unknown

book = Book()
HOSTNAME = "kubernetes.io/hostname"


def _twice(deployment: Deployment, role: str) -> Iterator[Said]:
    """Each share by itself: a worker of another queue, or an api-server of other apps, stands in for nobody."""
    for share in dict.fromkeys(one.share for one in deployment.of(role)):
        found = [one for one in deployment.of(role) if one.share == share]
        count = sum(one.replicas for one in found)
        where = ", ".join(one.where for one in found)
        told = f"{count} replica{'s' * (count != 1)}{f' for {share}' * bool(share)}"
        yield either(count >= 2, where, told, told)


book.rule(
    "scheduler-alone",
    "At least two schedulers",
    outage="When it dies, nothing is scheduled until a new one has started.",
    change="scheduler: {replicas: 2}",
    experiment="scheduler-kill",
)(partial(_twice, role=SCHEDULER))


book.rule(
    "api-server-alone",
    "At least two api-servers",
    outage="When it dies, nobody is answered, and running tasks give up when their heartbeats fail.",
    change="apiServer: {replicas: 2}",
    experiment="webserver-kill",
)(partial(_twice, role=API_SERVER))


book.rule(
    "worker-alone",
    "At least two Celery workers",
    outage="When it dies, every running task is lost at once, and none begins until a new one has started.",
    change="workers: {celery: {replicas: 2}}",
    experiment="worker-kill",
)(partial(_twice, role=WORKER))


book.rule(
    "triggerer-alone",
    "At least two triggerers",
    outage="When it dies, every deferred task waits until a new one has started.",
    change="triggerer: {replicas: 2}",
    experiment="triggerer-kill",
)(partial(_twice, role=TRIGGERER))


book.rule(
    "dag-processor-alone",
    "At least two DAG processors",
    outage="When it dies, a new or changed DAG is not seen until a new one has started.",
    change="dagProcessor: {replicas: 2}",
    experiment="dag-processor-kill",
)(partial(_twice, role=DAG_PROCESSOR))


book.rule(
    "pgbouncer-alone",
    "At least two PgBouncers",
    outage="When it dies or its node is drained, every component loses the database at once.",
    change="pgbouncer: {replicas: 2}",
)(partial(_twice, role=POOLER))


book.rule(
    "broker-alone",
    "A broker that fails over",
    outage="When it dies, no task is handed to a worker until it is back.",
    change="redis: {enabled: false}  # and data.brokerUrl to one that fails over",
    experiment="broker-restart",
)(partial(_twice, role=BROKER))


book.rule(
    "database-alone",
    "A metadata database that fails over",
    outage="When it dies, everything stands still until it is back.",
    change="postgresql: {enabled: false}  # and data.metadataConnection to one that fails over",
    experiment="metadata-db-restart",
)(partial(_twice, role=DATABASE))


@book.rule(
    "scaled-below-two",
    "No autoscaler goes below two",
    outage="At a quiet hour one replica is left, and its death is an outage.",
    change="workers: {celery: {keda: {minReplicaCount: 2}}}",
    experiment="worker-kill",
    reads=("HorizontalPodAutoscaler", "ScaledObject"),
)
def _scaled(deployment: Deployment) -> Iterator[Said]:
    names = {one.name for one in deployment.of(*AIRFLOW)}
    for scaler, name, least in deployment.scalers():
        if name in names:
            where = f"{at(scaler, 'kind')} {at(scaler, 'metadata.name')}"
            yield either(least >= 2, where, f"keeps {least} of {name}", f"lets {name} go down to {least}")


@book.rule(
    "on-one-node",
    "No node holds every replica",
    outage="When that node dies, the whole component is away, however many replicas it has.",
    change="scheduler: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, "
    "whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {component: scheduler}}}]}",
    experiment="scheduler-node-kill",
    reads=("Pod",),
)
def _one_node(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.workloads:
        up = [pod for pod in deployment.pods(one) if ready(pod)]
        nodes = {str(at(pod, "spec.nodeName")) for pod in up}
        if len(up) >= 2:
            bad = f"all {len(up)} pods are on node {min(nodes)}"
            yield either(len(nodes) > 1, one.where, f"{len(up)} pods on {len(nodes)} nodes", bad)


@book.rule(
    "spread-not-forced",
    "Replicas must go to different nodes",
    outage="Preferred is not promised: after a drain or a full node both replicas can sit on one node.",
    change="apiServer: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, "
    "whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {component: api-server}}}]}",
    experiment="scheduler-node-kill",
)
def _forced(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.workloads:
        if one.replicas >= 2:
            bad = "nothing keeps two of its pods off one node"
            yield either(_spread(one), one.where, "two of its pods cannot share a node", bad)


def _spread(one: Workload) -> bool:
    terms = at(one.pod, "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution", [])
    if any(t.get("topologyKey") == HOSTNAME and matches(t.get("labelSelector"), one.labels) for t in terms):
        return True
    return any(
        c.get("topologyKey") == HOSTNAME
        and c.get("whenUnsatisfiable") == "DoNotSchedule"
        and matches(c.get("labelSelector"), one.labels)
        for c in at(one.pod, "topologySpreadConstraints", [])
    )


@book.rule(
    "service-leaves-out",
    "The Service sends requests to every Ready api-server",
    outage="A replica that gets no requests is no replica: when the other dies, nobody answers.",
    change="# the Service's selector must match the labels of all api-server pods",
    experiment="webserver-kill",
    reads=("Pod", "EndpointSlice"),
)
def _service(deployment: Deployment) -> Iterator[Said]:
    served = {
        str(at(endpoint, "targetRef.name"))
        for piece in deployment.every("EndpointSlice")
        for endpoint in at(piece, "endpoints", [])
        if at(endpoint, "conditions.ready", True)
    }
    for one in deployment.of(API_SERVER):
        if up := {str(at(p, "metadata.name")) for p in deployment.pods(one) if ready(p)}:
            left_out = ", ".join(sorted(up - served))
            yield either(not left_out, one.where, "each Ready pod is served", f"no Service publishes {left_out}")


@book.rule(
    "one-zone",
    "Nodes in more than one zone",
    outage="When the zone is down, all of Airflow is.",
    change="# node groups in at least two zones",
    reads=("Node",),
)
def _zones(deployment: Deployment) -> Iterator[Said]:
    zones = {at(node, "metadata.labels", {}).get("topology.kubernetes.io/zone") for node in deployment.every("Node")}
    if zones == {None}:
        yield unknown("the nodes", "none says which zone it is in")
    elif zones:
        one = f"all are in zone {min(str(z) for z in zones)}"
        yield either(len(zones) > 1, "the nodes", f"{len(zones)} zones", one)
