"""Pods that hang: every process is stopped (SIGSTOP), so that connections stand and nothing answers on them.

A hang ends in one of two ways: a liveness probe has the kubelet replace the container, which is looked for while the
action lasts, or the undo lets the processes go on.
"""

from __future__ import annotations

import time
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, Strike, Victim, chosen
from harness.errors import FaultError
from harness.kube import containers_by_node, nodes

STOPPED_WITHIN_S = 10.0


def hang(context: Context, namespace: str, selector: str, pick: str, hold_s: float) -> list[dict[str, Any]]:
    """Stop the pods' processes, prove it, and wait until they are gone, `hold_s` at most."""
    pods = chosen(context, namespace, selector, pick)
    strike = Strike.begin(context, "hang_pods", namespace, selector, Blow(pods, seconds=hold_s), settled=True)
    t = context.recorder.now()
    held_until = time.monotonic() + hold_s
    hit = nodes.stop(containers_by_node(pods))
    for pod in pods:
        if processes := tuple(p for c in pod.container_ids for p in hit.get(c, ())):
            strike.hit(pod, processes, t, signal="SIGSTOP")
    if missed := len(pods) - len(strike.victims):
        raise FaultError(f"{missed} of {len(pods)} pods had no process to stop; run harness heal")
    at = {id(victim): _wait_stopped(context, victim) for victim in strike.victims}
    for victim in strike.victims:
        strike.prove(victim, stopped=at[id(victim)] is not None, stopped_t=at[id(victim)], process_gone=None)
    strike.watch(max(0.0, held_until - time.monotonic()), objects=False)
    for victim in strike.victims:
        strike.prove(victim, stopped=at[id(victim)] is not None, stopped_t=at[id(victim)])
    return strike.end(held_s=hold_s)


def _wait_stopped(context: Context, victim: Victim) -> int | None:
    """When every process of it was seen stopped, or None where that was not seen in time."""
    deadline = time.monotonic() + STOPPED_WITHIN_S
    while time.monotonic() < deadline:
        seen = nodes.states({victim.pod.node: victim.processes}).get(victim.pod.node, {})
        t = context.recorder.now()
        living = {state for state in seen.values() if state not in nodes.DEAD}
        if living == {nodes.STOPPED}:
            return t
        time.sleep(EVERY_SECONDS)
    return None
