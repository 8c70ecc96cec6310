"""Pods that end: killed as by a crash, deleted, or evicted as by a drain; then the proof that they are gone.

A kill is SIGKILL from the node, so that nothing can say goodbye. `kubectl delete --force` is not enough: the kubelet
sends SIGTERM first, and a scheduler that is asked to stop hands its work over, which is a different fault from dying.
The pod object is deleted right after, so that a new pod has to be scheduled, with one second of grace: the kubelet then
still reports the container's exit code before the object goes.

Where nodes are closed, a kill is no more than a deletion without any grace, and its record says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Only, Strike, chosen, of_pod, on_node
from harness.errors import FaultError
from harness.kube import EVICTED, Kube, Pod, containers_by_node, nodes

KILLED_WITHIN_S = 30.0
DELETION = "delete"  # who kills, in the record, where it is not us
LEFT_WITHIN_S = 120.0  # the longest grace that is met here, 40 s and a preStop hook, and two cores that are busy


def kill(
    context: Context, namespace: str, selector: str, pick: str, away_s: float = 0.0, *, name: str = ""
) -> list[dict[str, Any]]:
    """SIGKILL every process of the pods, and delete them so that others replace them.

    For `away_s` their nodes take no pod, so that what can run nowhere else stays away; the undo opens the nodes.
    """
    pods = chosen(context, namespace, selector, pick, only=Only(name))
    closed = sorted({pod.node for pod in pods}) if away_s else []
    strike = Strike.begin(context, "kill_pods", namespace, selector, Blow(pods, closed, away_s), settled=True)
    for node in closed:
        context.kube.change.close(node)
    until = time.monotonic() + away_s
    if context.kube.closed:
        _delete_at_once(strike, pods)
    else:
        _sigkill(strike, pods, then=lambda pod: context.kube.delete_pod(pod, grace_seconds=1))
    if away_s:
        strike.watch(KILLED_WITHIN_S, objects=True)
        time.sleep(max(0.0, until - time.monotonic()))
    return strike.prove_gone(KILLED_WITHIN_S)


def crash(context: Context, namespace: str, selector: str, pick: str) -> list[dict[str, Any]]:
    """SIGKILL every process of the pods and leave the pods: the kubelet starts their containers again."""
    pods = chosen(context, namespace, selector, pick)
    strike = Strike.begin(context, "crash_pods", namespace, selector, Blow(pods), settled=True)
    _sigkill(strike, pods)
    return strike.prove_gone(KILLED_WITHIN_S, objects=False)


def leave(context: Context, namespace: str, selector: str, pick: str) -> list[dict[str, Any]]:
    """Delete the pods with the grace that they ask for: SIGTERM, and time to finish."""
    pods = chosen(context, namespace, selector, pick)
    strike = Strike.begin(context, "delete_pods", namespace, selector, Blow(pods), settled=True)
    strike.look_into(pods)
    t = context.recorder.now()
    for pod in pods:
        if context.kube.delete_pod(pod, grace_seconds=None):
            strike.hit(pod, strike.known.get(pod.uid), t)
    return strike.prove_gone(LEFT_WITHIN_S)


def evict(context: Context, namespace: str, selector: str, pick: str) -> list[dict[str, Any]]:
    """Ask to evict the pods one right after the other; what the disruption budget refuses is recorded as refused."""
    pods = chosen(context, namespace, selector, pick)
    strike = Strike.begin(context, "evict_pods", namespace, selector, Blow(pods), settled=True)
    evict_each(strike, pods)
    if not strike.victims:
        strike.end()
        raise FaultError(f"not one of {len(pods)} pods could be evicted; is a component below its disruption budget?")
    return strike.prove_gone(LEFT_WITHIN_S)


def evict_each(strike: Strike, pods: list[Pod]) -> list[Pod]:
    """Ask once for each, and return those that are still to go. Every answer is in the history."""
    strike.look_into(pods)
    left = []
    for pod in pods:
        t = strike.context.recorder.now()
        answer = strike.context.kube.change.evict(pod)
        if answer == EVICTED:
            strike.hit(pod, strike.known.get(pod.uid), t, eviction=answer)
        elif answer != 404:
            left.append(pod)
            target = {"kind": "Pod", "name": pod.key, "uid": pod.uid, "component": pod.component}
            strike.context.record(
                strike.fault, strike.action, "begin", t=t, target=target, evidence={"eviction": answer}
            )
    return left


def drain(context: Context, namespace: str, selector: str, within_s: float) -> list[dict[str, Any]]:
    """Close the node of one of the pods, and evict all of the stack's pods from it; refused ones are asked again."""
    context.kube.require_ours()
    node = chosen(context, namespace, selector, "one")[0].node
    blow = Blow(movable(context.kube, context.namespaces, node), [node], within_s)
    strike = Strike.begin(context, "drain_node", namespace, selector, blow)
    context.kube.change.close(node)
    left = movable(context.kube, context.namespaces, node)
    context.permit(namespace, Blow(left, [node]))
    aimed = {"node": node, "aimed": [p.key for p in left]}
    context.record(strike.fault, strike.action, "begin", evidence=aimed)  # only now can no other pod come
    deadline = time.monotonic() + within_s
    while left and time.monotonic() < deadline:
        left = evict_each(strike, left)
        strike.watch(1.0, objects=True)
    context.record(strike.fault, strike.action, "begin", evidence={"node": node, "left": [p.key for p in left]})
    return strike.prove_gone(max(1.0, deadline - time.monotonic()))


def movable(kube: Kube, namespaces: Sequence[str], node: str) -> list[Pod]:
    """What a drain moves from a node: all of the stack but DaemonSets' pods, which would come back to it."""
    return [pod for pod in on_node(kube, namespaces, node) if not pod.daemon]


def _sigkill(strike: Strike, pods: list[Pod], then: Callable[[Pod], object] = lambda _: None) -> None:
    t = strike.context.recorder.now()  # before the kill: what is measured from here can only come out longer
    hit = nodes.kill(strike.context.kube.hands, containers_by_node(pods))
    for pod in pods:
        then(pod)
    for pod in pods:
        if processes := of_pod(pod, hit):
            strike.hit(pod, processes, t, signal="SIGKILL")
    if missed := len(pods) - len(strike.victims):
        raise FaultError(f"{missed} of {len(pods)} pods had no process to kill; run harness heal")


def _delete_at_once(strike: Strike, pods: list[Pod]) -> None:
    """Without any grace: what a kill is where nodes are closed. The kubelet still asks the processes to end, and kills
    them seconds later; and the object is gone at once, so that only what we have in the pod sees them end."""
    strike.look_into(pods)
    t = strike.context.recorder.now()
    for pod in pods:
        if strike.context.kube.delete_pod(pod, grace_seconds=0):
            strike.hit(pod, None, t, by=DELETION)
    if missed := len(pods) - len(strike.victims):
        raise FaultError(f"{missed} of {len(pods)} pods were gone before they were deleted; run harness heal")
