"""Pods that are replaced in order, or made more and fewer: a rolling restart, and a change of scale."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, chosen
from harness.errors import FaultError
from harness.kube import Pod, containers_by_node, nodes
from harness.wait import until

ROLLED_WITHIN_S = 300.0
SCALED_WITHIN_S = 180.0
LEAVING_WITHIN_S = 20.0


def renew(context: Context, namespace: str, selector: str) -> list[dict[str, Any]]:
    """Roll the Deployment of these pods, and wait until every old one is gone."""
    pods = chosen(context, namespace, selector, "all")
    strike = Strike.begin(context, "renew_pods", namespace, selector, Blow(pods))
    found = nodes.find(containers_by_node(pods))
    t = context.recorder.now()
    context.kube.change.renew(namespace, pods[0].component, datetime.now(UTC).isoformat())
    for pod in pods:
        strike.hit(pod, [p for c in pod.container_ids for p in found.get(c, ())], t, how="rolling restart")
    return strike.prove_gone(ROLLED_WITHIN_S)


def scale(context: Context, namespace: str, selector: str, by: int) -> list[dict[str, Any]]:
    """Change the number of these pods. More: wait until all are Ready. Fewer: those that go are the fault's targets."""
    pods = chosen(context, namespace, selector, "all")
    going = pods[: max(0, -by)]  # as many; the cluster chooses which
    strike = Strike.begin(context, "scale_pods", namespace, selector, Blow(going))
    component = pods[0].component
    found = nodes.find(containers_by_node(pods)) if by < 0 else {}
    t = context.recorder.now()
    wanted = context.kube.change.scale(namespace, component, by)
    if by >= 0:
        until(
            lambda: _ready(context, namespace, selector),
            lambda ready: ready >= wanted,
            what=f"{wanted} {component} pods Ready",
            timeout=SCALED_WITHIN_S,
        )
        return strike.end(replicas=wanted)
    for pod in _leaving(context, namespace, selector, pods, -by):
        strike.hit(pod, [p for c in pod.container_ids for p in found.get(c, ())], t, how=f"scaled to {wanted}")
    return strike.prove_gone(SCALED_WITHIN_S)


def _ready(context: Context, namespace: str, selector: str) -> int:
    return sum(pod.ready and not pod.deleting for pod in context.kube.pods(namespace, selector))


def _leaving(context: Context, namespace: str, selector: str, before: list[Pod], count: int) -> list[Pod]:
    """Those of the pods that are asked to go. Raises `FaultError` where they are not as many as they should be."""

    def gone() -> list[Pod]:
        staying = {p.uid for p in context.kube.pods(namespace, selector) if not p.deleting}
        return [pod for pod in before if pod.uid not in staying]

    leaving = until(
        gone, lambda some: len(some) >= min(count, len(before)), what="pods to go", timeout=LEAVING_WITHIN_S
    )
    if len(leaving) > count:
        raise FaultError(f"{len(leaving)} pods went where {count} should have; something else is taking pods away")
    return leaving
