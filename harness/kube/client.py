"""The cluster of one stack, behind a guard.

It opens only on a cluster that we made, or on namespaces whose owner labelled them `airflow-chaos/allow=true`; anything
else is refused by name (`permit`). Waiting, retrying and judging are not done here: one call, one answer, bounded in
time.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import IO, Any
from urllib.parse import urlsplit

from kubernetes import client

from harness.errors import UsageError
from harness.kube.agents import Agents
from harness.kube.changes import Changes
from harness.kube.console import Console, once
from harness.kube.fetching import fetch
from harness.kube.hands import Closed, Docker, Hands
from harness.kube.leases import Leases
from harness.kube.manifests import Manifests
from harness.kube.mesh import Meshes
from harness.kube.objects import (
    STACK_LABEL,
    EndpointSlice,
    Node,
    Pod,
    Replicas,
    Workload,
    node_of,
    pod_of,
    replicas_of,
    rolling,
    slice_of,
    workload_of,
)
from harness.kube.permit import Namespace, Permit, nowhere, place_of
from harness.kube.policies import Policies
from harness.kube.rights import Right, denied
from harness.kube.source import CALL_TIMEOUT_S, UNREADABLE, KubeError, Source, configured, reaching
from harness.kube.workloads import DEPLOYMENT, Workloads
from harness.settings import Settings

LOG_TIMEOUT_S = 3.0  # a node that is off must not hold up the reading of those that are not
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Kube:
    """The cluster of these settings. Nothing is sent before the first call; that call meets the guard."""

    def __init__(self, settings: Settings) -> None:
        """Raises `UsageError` where there is no cluster to speak to."""
        self.place = place_of(settings)
        kubeconfig = settings.aim.path
        configuration = configured(kubeconfig, self.place.context, nowhere(kubeconfig))
        host = urlsplit(configuration.host).hostname or ""
        self.ours = self.place.context == settings.context and host in LOOPBACK
        self._permit = Permit(settings, self.place, self.ours, self._namespace)
        if host in LOOPBACK:
            configuration.proxy = None
        self._configuration = configuration
        self._api = api = client.ApiClient(configuration)
        self._core = client.CoreV1Api(api)
        self._discovery = client.DiscoveryV1Api(api)
        self._version = client.VersionApi(api)
        self._custom = client.CustomObjectsApi(api)
        self.closed = settings.aim.nodes == "closed"
        self.hands = self._hands(settings)
        self._workloads = Workloads(api, self.guard)
        self.change = Changes(api, self._workloads, self.guard, self.require_ours)
        self.leases = Leases(api, self.guard)
        self.policies = Policies(api, self.guard)
        self.manifests = Manifests(api, self._permit.refuse_production)
        self.meshes = Meshes(self.manifests, self.guard)

    def _hands(self, settings: Settings) -> Hands:
        if settings.aim.nodes == "agent":
            image = lambda node: self._image(settings.namespace, node)  # noqa: E731
            return Agents(self._configuration, settings.aim.agent, self.guard, image)
        return Closed() if self.closed else Docker()

    def _image(self, namespace: str, node: str) -> str:
        """One that a node has already, if pods of the deployment run there; else one that it can get."""
        pods = [pod for pod in self.pods(namespace) if pod.image and pod.phase == "Running"]
        if not pods:
            raise UsageError(f"no pod runs in {namespace} whose image an agent could have; say it in the target's file")
        return next((pod.image for pod in pods if pod.node == node), pods[0].image)

    def require_ours(self) -> None:
        """Raises `UsageError` by name unless we made this cluster."""
        if not self.ours:
            raise UsageError(f"{self.place} is not ours: this needs a cluster that `harness up` made")

    def guard(self, namespace: str) -> None:
        """Raises `UsageError` by name unless we made this cluster or the namespace's owner allows us in."""
        self._permit.guard(namespace)

    def confirm(self, namespace: str) -> None:
        """As `guard`, asked of the server again: still allowed, and still the cluster that it was."""
        self._permit.confirm(namespace)

    def denied(self, asked: Iterable[Right]) -> list[Right]:
        """Those of the rights that the cluster does not give us. Raises `UsageError` where it may not be asked."""
        every = list(asked)
        for namespace in sorted({right.namespace for right in every} - {""}):
            self._permit.refuse_production(namespace)
        return denied(self._api, every)

    def _namespace(self, name: str) -> Namespace | None:
        try:
            with reaching():
                found = self._core.read_namespace(name, _request_timeout=CALL_TIMEOUT_S)
        except KubeError as refused:
            if refused.status == 404:
                return None
            raise
        meta = found.metadata or client.V1ObjectMeta()
        return Namespace(meta.uid or "", meta.labels or {})

    def pods(self, namespace: str, selector: str = "") -> list[Pod]:
        """The pods that a label selector matches, by name."""
        return sorted(self.pod_source(namespace, selector).list().items, key=lambda p: p.name)

    def pod_source(self, namespace: str, selector: str = "") -> Source[Pod]:
        self.guard(namespace)
        where = {"namespace": namespace} | ({"label_selector": selector} if selector else {})
        return Source(self._core.list_namespaced_pod, where, pod_of)

    def slice_source(self, namespace: str) -> Source[EndpointSlice]:
        self.guard(namespace)
        return Source(self._discovery.list_namespaced_endpoint_slice, {"namespace": namespace}, slice_of)

    def pods_on(self, node: str) -> list[Pod]:
        """The pods of a node, whosever they are."""
        self.require_ours()
        where = {"field_selector": f"spec.nodeName={node}"}
        return sorted(Source(self._core.list_pod_for_all_namespaces, where, pod_of).list().items, key=lambda p: p.key)

    def nodes(self, selector: str = "") -> list[Node]:
        """The nodes that a label selector matches, by name."""
        return sorted(self.node_source(selector).list().items, key=lambda n: n.name)

    def node_source(self, selector: str = "") -> Source[Node]:
        return Source(self._core.list_node, {"label_selector": selector} if selector else {}, node_of)

    def delete_pod(self, pod: Pod, grace_seconds: int | None) -> bool:
        """Delete this very pod, with its own grace where none is given.

        False where it is gone or another has taken its name: then nothing was deleted.
        """
        self.guard(pod.namespace)
        this_one = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=pod.uid))
        if grace_seconds is not None:
            this_one.grace_period_seconds = grace_seconds
        try:
            with reaching():
                self._core.delete_namespaced_pod(
                    pod.name, pod.namespace, body=this_one, _request_timeout=CALL_TIMEOUT_S
                )
        except KubeError as refused:
            if refused.status in (404, 409):
                return False
            raise
        return True

    def log(self, pod: Pod, lines: int) -> list[str]:
        """The last lines of its main container's log, each behind its time (RFC 3339); none where that is gone."""
        self.guard(pod.namespace)
        try:
            with reaching():
                text = self._core.read_namespaced_pod_log(
                    pod.name,
                    pod.namespace,
                    container=pod.main or None,
                    tail_lines=lines,
                    timestamps=True,
                    _request_timeout=LOG_TIMEOUT_S,
                )
        except KubeError as refused:
            if refused.status in (400, 404):
                return []
            raise
        return str(text).splitlines()

    def console(self, pod: Pod, command: Sequence[str], container: str = "") -> Console:
        """Begin a command in a pod's container, to be asked by lines. Raises `KubeError` where it cannot be begun."""
        self.guard(pod.namespace)
        return Console(self._configuration, pod.namespace, pod.name, command, container)

    def once(self, pod: Pod, container: str, command: Sequence[str], within_s: float) -> str:
        """What a command in a pod's container prints. Raises `KubeError` where it fails or does not end in time."""
        self.guard(pod.namespace)
        return once(self._configuration, pod.namespace, pod.name, command, within_s, container)

    def own_console(self, namespace: str, pod: str, command: Sequence[str]) -> Console:
        """As `console`, in a pod of our own, which need not stand where faults are allowed."""
        self._permit.refuse_production(namespace)
        return Console(self._configuration, namespace, pod, command)

    def fetch(self, namespace: str, pod: str, command: Sequence[str], into: IO[bytes], within_s: float) -> None:
        """Write to a file what a command in a pod's container prints. Raises `KubeError` where it fails."""
        self._permit.refuse_production(namespace)
        fetch(self._configuration, namespace, pod, command, into, within_s)

    def annotations(self, namespace: str, endpoints: str) -> dict[str, str]:
        """What is noted on an Endpoints object; nothing where there is none."""
        self.guard(namespace)
        try:
            with reaching():
                found = self._core.read_namespaced_endpoints(endpoints, namespace, _request_timeout=CALL_TIMEOUT_S)
        except KubeError as refused:
            if refused.status == 404:
                return {}
            raise
        return dict((found.metadata.annotations if found.metadata else None) or {})

    def workload(self, kind: str, namespace: str, name: str) -> Workload | None:
        """A Deployment or StatefulSet, or None where there is none of this name."""
        if kind == DEPLOYMENT:
            found = self._workloads.deployments(namespace)
        else:
            found = self._workloads.stateful_sets(namespace)
        return next((workload_of(kind, raw) for raw in found if raw.metadata.name == name), None)

    @contextmanager
    def lent_to(self, module: ModuleType) -> Iterator[None]:
        """Have a module of `chaosk8s` speak to this very cluster, whichever one its environment names."""
        theirs: Any = module
        before = theirs.create_k8s_api_client
        theirs.create_k8s_api_client = lambda secrets=None: self._api
        try:
            yield
        finally:
            theirs.create_k8s_api_client = before

    def ready_replicas(self, namespace: str) -> dict[str, Replicas]:
        """Per component: pods Ready and wanted, over its Deployments and StatefulSets."""
        return replicas_of(self._standing(namespace))

    def rolling(self, namespace: str) -> list[str]:
        """Deployments and StatefulSets that are not yet as their manifests say, with their Ready pods."""
        return rolling(self._standing(namespace))

    def stack(self, namespace: str) -> str | None:
        """Which of our stacks stands there, or None where what stands is none of ours."""
        labels = [workload.metadata.labels or {} for workload in self._standing(namespace)]
        return next((found[STACK_LABEL] for found in labels if STACK_LABEL in found), None)

    def _standing(self, namespace: str) -> list[Any]:
        return [raw for _, raw in self._workloads.every(namespace)]

    def load_balancer(self, namespace: str, service: str) -> str | None:
        """The address that a Service of type LoadBalancer was given, or None."""
        self.guard(namespace)
        try:
            with reaching():
                found = self._core.read_namespaced_service(service, namespace, _request_timeout=CALL_TIMEOUT_S)
        except KubeError as refused:
            if refused.status == 404:
                return None
            raise
        balancer = found.status.load_balancer if found.status else None
        given = (balancer.ingress if balancer else None) or []
        return next((g.ip or g.hostname for g in given if g.ip or g.hostname), None)

    def announcer(self, namespace: str, service: str) -> str | None:
        """The node that answers for a Service's address, by MetalLB's own word, or None where none says so."""
        self.guard(namespace)
        this_one = f"metallb.io/service-name={service},metallb.io/service-namespace={namespace}"
        with reaching():
            found = self._custom.list_cluster_custom_object(
                "metallb.io", "v1beta1", "servicel2statuses", label_selector=this_one, _request_timeout=CALL_TIMEOUT_S
            )
        table: Any = found
        newest = sorted(table["items"], key=lambda item: str(item["metadata"]["creationTimestamp"]))
        return str(newest[-1]["status"]["node"]) if newest else None

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """What a Secret holds; nothing where there is none."""
        self.guard(namespace)
        try:
            with reaching():
                found = self._core.read_namespaced_secret(name, namespace, _request_timeout=CALL_TIMEOUT_S)
                return {key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()}
        except KubeError as refused:
            if refused.status == 404:
                return {}
            if refused.status == UNREADABLE:  # what cannot be read would be quoted
                raise KubeError(f"the Secret {namespace}/{name} cannot be read", UNREADABLE) from None
            raise

    def server_version(self) -> str:
        """The cluster's own version, like v1.37.0."""
        with reaching():
            return str(self._version.get_code(_request_timeout=CALL_TIMEOUT_S).git_version)
