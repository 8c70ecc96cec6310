"""Pods that cannot reach others: every packet between the two sides is dropped on the nodes, in both directions."""

from __future__ import annotations

import time
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, chosen
from harness.errors import FaultError
from harness.kube import firewall

TRIED_WITHIN_S = 30.0


def cut_off(
    context: Context, namespace: str, selector: str, pick: str, peers: str, hold_s: float
) -> list[dict[str, Any]]:
    """Cut the selected pods off from the pods that `peers` selects, for `hold_s`; the undo lets packets through again.

    The proof is that packets were dropped: a cut that nothing runs into is none.
    """
    context.kube.require_ours()
    pods = chosen(context, namespace, selector, pick)
    others = chosen(context, namespace, peers, "all")
    strike = Strike.begin(context, "cut_off", namespace, selector, Blow(pods, seconds=hold_s), settled=True)
    t = context.recorder.now()
    held_until = time.monotonic() + hold_s
    for pod in pods:
        for other in others:
            if not (pod.ip and other.ip):
                raise FaultError(f"{pod.key} or {other.key} has no address; run harness heal")
            for node in {pod.node, other.node}:
                firewall.cut(node, pod.ip, other.ip)
        strike.hit(pod, None, t, cut_off_from=[other.key for other in others])
    dropped = _wait_dropped({node for pod in (*pods, *others) for node in [pod.node]})
    for victim in strike.victims:
        strike.prove(victim, dropped_packets=dropped)
    time.sleep(max(0.0, held_until - time.monotonic()))
    return strike.end(held_s=hold_s)


def _wait_dropped(names: set[str]) -> int:
    """How many packets the rules on these nodes have dropped, once it is one."""
    deadline = time.monotonic() + TRIED_WITHIN_S
    while True:
        dropped = sum(sum(firewall.dropped(node)) for node in sorted(names))
        if dropped or time.monotonic() >= deadline:
            return dropped
        time.sleep(1.0)
