"""Pods that cannot reach others: every packet between the two sides is dropped on the nodes, in both directions.

The other side may be in two namespaces, so that what a pod asks of the cluster's own server is dropped as well: on the
pod's own node, which sends it on.

Where nodes are closed, a NetworkPolicy says so to the cluster's network, which need not listen: then it is not proved.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.chaos import crossing
from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, chosen
from harness.errors import FaultError
from harness.kube import Kube, Pod, firewall

TRIED_WITHIN_S = 30.0


@dataclass(frozen=True)
class Peers:
    """The other side: the pods that `peers` selects, and those that `also` does in the namespace `also_in`."""

    peers: str
    also: str = ""
    also_in: str = ""

    def of(self, context: Context, namespace: str, pods: Sequence[Pod]) -> list[Pod]:
        """Raises `FaultError` where there is none."""
        found = chosen(context, namespace, self.peers, "all")
        found += chosen(context, self.also_in or namespace, self.also, "all") if self.also else []
        if not (others := beside(pods, found)):
            raise FaultError(f"{self.peers!r} finds nobody whom {pods[0].key} could be cut off from; nothing was cut")
        return others


def beside(pods: Sequence[Pod], peers: Sequence[Pod]) -> list[Pod]:
    """Of the peers, those that pods can be cut off from: what is alone on its side is not cut off from itself."""
    mine = {pod.uid for pod in pods}
    return [peer for peer in peers if {peer.uid} != mine]


def cut_off(
    context: Context, namespace: str, selector: str, pick: str, side: Peers, hold_s: float
) -> list[dict[str, Any]]:
    """Cut the selected pods off from those of the other side, for `hold_s`; the undo lets packets through again.

    The proof is that packets were dropped: a cut that nothing runs into proves nothing.
    """
    pods = chosen(context, namespace, selector, pick)
    others = side.of(context, namespace, pods)
    if context.kube.closed and any(other.namespace != namespace for other in others):
        raise FaultError("a policy holds in one namespace, and the other side is in two; nothing was cut")
    if without := [pod.key for pod in (*pods, *others) if not pod.ip]:
        raise FaultError(f"{without[0]} has no address, so nothing was cut; read the pods again")
    strike = Strike.begin(context, "cut_off", namespace, selector, Blow(pods, seconds=hold_s), settled=True)
    if context.kube.closed:
        return crossing.cut(strike, namespace, pods, others, hold_s)
    names = {pod.node for pod in (*pods, *others)}
    context.kube.hands.ready(names)
    t = context.recorder.now()
    held_until = time.monotonic() + hold_s
    for pod in pods:
        _cut(context.kube, pod, others)
        strike.hit(pod, None, t, cut_off_from=[other.key for other in others])
    dropped = _wait_dropped(context.kube, names)
    for victim in strike.victims:
        strike.prove(victim, dropped_packets=dropped)
    time.sleep(max(0.0, held_until - time.monotonic()))
    return strike.end(held_s=hold_s)


def _cut(kube: Kube, pod: Pod, others: Sequence[Pod]) -> None:
    """On the pod's own node first, which sees all of it: with it, they are cut off from each other at once."""
    for node in sorted({pod.node, *(other.node for other in others)}, key=lambda name: name != pod.node):
        here = [o.ip for o in others if o.uid != pod.uid and node in (pod.node, o.node)]
        firewall.cut(kube.hands, node, pod.ip, *here)


def _wait_dropped(kube: Kube, names: set[str]) -> int:
    """How many packets the rules on these nodes have dropped, once it is one."""
    deadline = time.monotonic() + TRIED_WITHIN_S
    while True:
        dropped = sum(sum(firewall.dropped(kube.hands, node)) for node in sorted(names))
        if dropped or time.monotonic() >= deadline:
            return dropped
        time.sleep(1.0)
