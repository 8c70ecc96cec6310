"""Pods that hang: every process is stopped (SIGSTOP), so that connections stay open and nothing answers on them.

A hang ends in one of two ways: a liveness probe makes the kubelet replace the container, which the action watches for,
or the undo lets the processes go on. Where nodes are closed, it is done from inside, where that is possible.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from harness.chaos import within
from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, Strike, Victim, chosen, of_pod
from harness.errors import FaultError
from harness.kube import Pod, containers_by_node, nodes

STOPPED_WITHIN_S = 10.0
FROM_INSIDE = "exec"  # how, in the record, where it is not from the node


def hang(context: Context, namespace: str, selector: str, pick: str, hold_s: float) -> list[dict[str, Any]]:
    """Stop the pods' processes, prove it, and wait until they are gone, `hold_s` at most."""
    pods = chosen(context, namespace, selector, pick)
    strike = Strike.begin(context, "hang_pods", namespace, selector, Blow(pods, seconds=hold_s), settled=True)
    held_until = time.monotonic() + hold_s
    (_stop_from_inside if context.kube.closed else _stop)(strike, pods)
    if missed := len(pods) - len(strike.victims):
        raise FaultError(f"{missed} of {len(pods)} pods had no process to stop; run harness heal")
    at = {id(victim): _wait_stopped(context, victim) for victim in strike.victims}
    for victim in strike.victims:
        strike.prove(victim, stopped=at[id(victim)] is not None, stopped_t=at[id(victim)], process_gone=None)
    strike.watch(max(0.0, held_until - time.monotonic()), objects=False)
    for victim in strike.victims:
        strike.prove(victim, stopped=at[id(victim)] is not None, stopped_t=at[id(victim)])
    return strike.end(held_s=hold_s)


def _stop(strike: Strike, pods: Sequence[Pod]) -> None:
    t = strike.context.recorder.now()
    hit = nodes.stop(strike.context.kube.hands, containers_by_node(pods))
    for pod in pods:
        if processes := of_pod(pod, hit):
            strike.hit(pod, processes, t, signal="SIGSTOP")


def _stop_from_inside(strike: Strike, pods: Sequence[Pod]) -> None:
    """All are looked into before the first is stopped. Raises `FaultError`, with nothing done, where one cannot be."""
    kube = strike.context.kube
    if cannot := [why for pod in pods if (why := within.unstoppable(kube, pod))]:
        raise FaultError(f"{cannot[0]}; nothing was done")
    strike.look_into(pods)
    for pod in pods:
        t = strike.context.recorder.now()
        if processes := within.stop(kube, pod):
            strike.hit(pod, processes, t, signal="SIGSTOP", by=FROM_INSIDE)


def _wait_stopped(context: Context, victim: Victim) -> int | None:
    """When every process of it was seen stopped, or None where that was not seen in time."""
    deadline = time.monotonic() + STOPPED_WITHIN_S
    while time.monotonic() < deadline:
        seen = _states(context, victim)
        t = context.recorder.now()
        if seen - nodes.DEAD == {nodes.STOPPED}:
            return t
        time.sleep(EVERY_SECONDS)
    return None


def _states(context: Context, victim: Victim) -> set[str]:
    if context.kube.closed:
        return within.states(context.kube, victim.pod, victim.processes)
    return set(nodes.states(context.kube.hands, {victim.pod.node: victim.processes}).get(victim.pod.node, {}).values())
