"""Pods that are replaced in turn, added or removed: a rolling restart, and a change of scale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, chosen
from harness.errors import FaultError
from harness.kube import Pod
from harness.wait import until

ROLLED_WITHIN_S = 300.0
SCALED_WITHIN_S = 180.0
LEAVING_WITHIN_S = 20.0


def renew(context: Context, namespace: str, selector: str) -> list[dict[str, Any]]:
    """Roll the Deployment of these pods, and wait until every old one is gone."""
    pods = chosen(context, namespace, selector, "all")
    component, change = pods[0].component, context.kube.change
    return roll(
        context, namespace, selector, pods, lambda: change.renew(namespace, component, datetime.now(UTC).isoformat())
    )


def roll(
    context: Context, namespace: str, selector: str, pods: list[Pod], begin: Callable[[], None], **by: object
) -> list[dict[str, Any]]:
    """As `renew`; `begin` has the cluster replace the pods, and `by` goes into the record of each."""
    strike = Strike.begin(context, "renew_pods", namespace, selector, Blow(pods))
    strike.look_into(pods)
    t = context.recorder.now()
    begin()
    for pod in pods:
        strike.hit(pod, strike.known.get(pod.uid), t, how="rolling restart", **by)
    return strike.prove_gone(ROLLED_WITHIN_S)


def scale(context: Context, namespace: str, selector: str, by: int) -> list[dict[str, Any]]:
    """Change the number of these pods. More: wait until all are Ready. Fewer: those that go are the fault's targets."""
    pods = chosen(context, namespace, selector, "all")
    component, change = pods[0].component, context.kube.change
    return resize(context, namespace, selector, pods, by, lambda: change.scale(namespace, component, by))


def resize(
    context: Context, namespace: str, selector: str, pods: list[Pod], more: int, begin: Callable[[], int], **by: object
) -> list[dict[str, Any]]:
    """As `scale`, by so many `more`; `begin` has the cluster do it, and says how many there are to be; `by` goes into
    the record of each."""
    going = pods[: max(0, -more)]  # as many; the cluster chooses which
    strike = Strike.begin(context, "scale_pods", namespace, selector, Blow(going))
    if more < 0:
        strike.look_into(pods)
    t = context.recorder.now()
    wanted = begin()
    if more >= 0:
        until(
            lambda: _ready(context, namespace, selector),
            lambda ready: ready >= wanted,
            what=f"{wanted} pods of {selector} Ready",
            timeout=SCALED_WITHIN_S,
        )
        return strike.end(replicas=wanted)
    for pod in _leaving(context, namespace, selector, pods, -more):
        strike.hit(pod, strike.known.get(pod.uid), t, how=f"scaled to {wanted}", **by)
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
