"""No room: no node takes a new pod, so anything that needs one has to wait."""

from __future__ import annotations

import time
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, Strike
from harness.errors import FaultError
from harness.kube import Kube, Pod

WAITED_S = 1.0  # every pod is without a node for a moment


def close_nodes(context: Context, namespace: str, selector: str, hold_s: float) -> list[dict[str, Any]]:
    """Close every node that takes pods for `hold_s`; the pods that wait for one meanwhile are hit."""
    context.kube.require_ours()
    context.kube.guard(namespace)
    names = open_nodes(context.kube)
    strike = Strike.begin(context, "close_nodes", namespace, selector, Blow(nodes=names, seconds=hold_s))
    for name in names:
        context.kube.change.close(name)
    held_until = time.monotonic() + hold_s
    first: dict[str, float] = {}
    while time.monotonic() < held_until:
        for pod in context.kube.pods(namespace, selector):
            if _homeless(pod) and time.monotonic() - first.setdefault(pod.uid, time.monotonic()) >= WAITED_S:
                _hit(strike, pod)
        time.sleep(EVERY_SECONDS)
    if not strike.victims:
        strike.end()
        raise FaultError(f"no pod of {selector!r} was asked for in {hold_s:g} s without room; nothing was hit")
    return strike.end(held_s=hold_s)


def open_nodes(kube: Kube) -> list[str]:
    """The nodes that take pods: all but that of the databases."""
    return [node.name for node in kube.nodes() if not node.holds_data]


def _hit(strike: Strike, pod: Pod) -> None:
    if pod.uid not in {victim.pod.uid for victim in strike.victims}:
        strike.context.permit(pod.namespace, Blow([pod]))
        victim = strike.hit(pod, None, strike.context.recorder.now())
        strike.prove(victim, without_node_s=WAITED_S)


def _homeless(pod: Pod) -> bool:
    return pod.phase == "Pending" and not pod.node and not pod.deleting
