"""Hands on nodes by pods of ours there, which their owner allows: privileged, among the node's own processes, and gone
with the run.

A script that runs in one steps into the node's own file system and network first, so that it finds what it finds where
it is begun on the node itself, and needs nothing of the image but `nsenter`. A pod that nobody takes away ends by
itself. Its node is marked by it: whoever comes later finds there what a fault has left.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kubernetes import client

from harness.errors import FaultError, WaitTimeout
from harness.kube.console import once
from harness.kube.hands import CALL_S
from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching
from harness.target import Agent
from harness.wait import until

LABEL = "airflow-chaos/agent"
# Short options, which busybox has as well; and the node's programs are not where our image looks for its own.
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTER = ("nsenter", "-t", "1", "-m", "-n", "--", "env", PATH)
LIVES_S = 4 * 3600
READY_WITHIN_S = 90.0
GONE_WITHIN_S = 60.0
OVER = frozenset({"Succeeded", "Failed"})
GONE, THERE = 404, 409
_SOON: dict[str, Any] = {"_request_timeout": CALL_TIMEOUT_S}


class Agents:
    """`guard` refuses a namespace that is not ours to touch, and `image` names one that a node has already."""

    def __init__(
        self,
        configuration: client.Configuration,
        allowed: Agent,
        guard: Callable[[str], None],
        image: Callable[[str], str],
    ) -> None:
        self._configuration = configuration
        self._core = client.CoreV1Api(client.ApiClient(configuration))
        self._allowed = allowed
        self._guard = guard
        self._image = image
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def ready(self, nodes: Iterable[str]) -> None:
        """Raises `FaultError` where a pod cannot run on one of them, with the reason."""
        with self._lock:
            wanted = sorted(set(nodes) - self._known)
            for node in wanted:
                self._make(node)
            for node in wanted:
                self._wait(node)
                self._known.add(node)

    def run(self, node: str, script: str, *words: str) -> str:
        self.ready([node])
        command = (*ENTER, "sh", "-c", script, "sh", *words)
        return once(self._configuration, self._allowed.namespace, named(node), command, CALL_S)

    def among(self, nodes: Sequence[str]) -> list[str]:
        running = {p.spec.node_name for p in self._pods() if p.status.phase == "Running"}
        return [node for node in nodes if node in running]

    def left(self) -> list[str]:
        return sorted({pod.spec.node_name for pod in self._pods()})

    def let_go(self) -> None:
        for name in self._names():
            self._delete(name)
        self._known.clear()
        until(self._names, lambda left: not left, what="the agents' end", timeout=GONE_WITHIN_S)

    def _names(self) -> list[str]:
        return [pod.metadata.name for pod in self._pods()]

    def _pods(self) -> list[Any]:
        self._guard(self._allowed.namespace)
        with reaching():
            return list(self._core.list_namespaced_pod(self._allowed.namespace, label_selector=LABEL, **_SOON).items)

    def _make(self, node: str) -> None:
        self._guard(self._allowed.namespace)
        image = self._allowed.image or self._image(node)
        try:
            with reaching():
                self._core.create_namespaced_pod(self._allowed.namespace, _pod(node, image), **_SOON)
        except KubeError as refused:
            if refused.status != THERE:
                raise FaultError(f"no agent of ours can be made on {node}: {refused}") from refused

    def _delete(self, name: str) -> None:
        try:
            with reaching():
                body = client.V1DeleteOptions(grace_period_seconds=1)
                self._core.delete_namespaced_pod(name, self._allowed.namespace, body=body, **_SOON)
        except KubeError as refused:
            if refused.status != GONE:
                raise

    def _wait(self, node: str) -> None:
        try:
            until(lambda: self._state(node), lambda state: state == "", what="an agent", timeout=READY_WITHIN_S)
        except WaitTimeout as cause:
            raise FaultError(f"the agent on {node} does not run ({self._state(node)}); run harness heal") from cause

    def _state(self, node: str) -> str:
        """What an agent still lacks; nothing where it runs. Raises `FaultError` where it never will."""
        found = [pod for pod in self._pods() if pod.metadata.name == named(node)]
        if not found:
            return "it is gone"
        pod = found[0]
        why = f"{pod.status.reason or ''} {pod.status.message or ''}".strip()
        if pod.status.phase in OVER or pod.metadata.deletion_timestamp or pod.spec.node_name != node:
            raise FaultError(f"the agent on {node} is over ({why or pod.status.phase}); run harness heal")
        (status,) = pod.status.container_statuses or [None]
        if status and status.state and status.state.running:
            return ""
        waits = status.state.waiting if status and status.state else None
        return " ".join(part for part in (waits.reason, waits.message) if part) if waits else why or "Pending"


def named(node: str) -> str:
    """One name for each node, so that there is one pod on each, whoever makes it; nodes may have longer names."""
    return f"airflow-chaos-agent-{hashlib.sha256(node.encode()).hexdigest()[:10]}"


def _pod(node: str, image: str) -> client.V1Pod:
    """On this very node, whatever else it is closed to. It has no token, and no more of an API than any pod."""
    container = client.V1Container(
        name="agent",
        image=image,
        image_pull_policy="IfNotPresent",
        command=["sleep", str(LIVES_S)],
        security_context=client.V1SecurityContext(privileged=True, run_as_user=0, run_as_non_root=False),
    )
    spec = client.V1PodSpec(
        node_name=node,
        host_pid=True,
        restart_policy="Never",
        active_deadline_seconds=LIVES_S,
        termination_grace_period_seconds=1,
        automount_service_account_token=False,
        enable_service_links=False,
        tolerations=[client.V1Toleration(operator="Exists")],
        containers=[container],
    )
    return client.V1Pod(metadata=client.V1ObjectMeta(name=named(node), labels={LABEL: "true"}), spec=spec)
