"""Kill pods as a crash does: SIGKILL from the node, so that nothing can say goodbye; then prove that they are gone.

`kubectl delete --force` is not enough: the kubelet sends SIGTERM first, and a scheduler that is asked to stop hands its
work over, which is another fault than dying. The pod object is deleted right after, so that a new pod has to be
scheduled, with one second of grace: the kubelet then still reports the container's exit code before the object goes.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any

from harness.chaos.context import Context
from harness.errors import FaultError
from harness.kube import Pod, containers_by_node, nodes

PROVE_SECONDS = 30.0
EVERY_SECONDS = 0.2


@dataclass
class _Victim:
    """One killed pod and what has been seen of its death; times are `t` of the history."""

    pod: Pod
    processes: tuple[nodes.Process, ...]
    process_gone_t: int | None = None
    uid_gone_t: int | None = None
    exit_code: int | None = None
    target: dict[str, Any] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        return self.process_gone_t is not None and self.uid_gone_t is not None

    def evidence(self) -> dict[str, Any]:
        return {
            "uid_gone": self.uid_gone_t is not None,
            "uid_gone_t": self.uid_gone_t,
            "process_gone": self.process_gone_t is not None,
            "process_gone_t": self.process_gone_t,
            "exit_code": self.exit_code,
        }


def choose(found: list[Pod], pick: str, seed: int) -> list[Pod]:
    """Those of the pods to kill; the same seed picks the same one of the same pods."""
    running = sorted((p for p in found if p.phase == "Running" and not p.deleting), key=lambda p: p.name)
    if pick == "all" or not running:
        return running
    if pick not in ("one", "all-but-one"):
        raise FaultError(f"pick must be all, one or all-but-one, not {pick!r}; nothing was killed")
    one = random.Random(seed).choice(running)  # noqa: S311
    return [one] if pick == "one" else [pod for pod in running if pod is not one]


def kill(context: Context, namespace: str, selector: str, pick: str) -> list[dict[str, Any]]:
    """Inject and prove. Raises `FaultError` where no pod matched or nothing was hit."""
    context.kube.guard(namespace)
    chosen = choose(context.kube.pods(namespace, selector), pick, context.seed)
    if not chosen:
        raise FaultError(f"the selector {selector!r} matches no running pod in {namespace}; nothing was killed")
    fault = context.begin("kill_pods", {"kind": "Selector", "name": selector, "namespace": namespace})
    victims = _inject(context, fault, chosen)
    _prove(context, victims)
    for victim in (v for v in victims if v.proved):
        context.record(fault, "kill_pods", "proved", target=victim.target, evidence=victim.evidence())
    unproved = {v.pod.key: v.evidence() for v in victims if not v.proved}
    context.record(fault, "kill_pods", "ended", evidence={"unproved": unproved})
    return [{"pod": v.pod.key, "uid": v.pod.uid, **v.evidence()} for v in victims]


def _inject(context: Context, fault: str, chosen: list[Pod]) -> list[_Victim]:
    t = context.recorder.now()  # before the kill: what is measured from here can only come out longer
    hit = nodes.kill(containers_by_node(chosen))
    for pod in chosen:
        context.kube.delete_pod(pod, grace_seconds=1)
    victims = []
    for pod in chosen:
        processes = tuple(p for c in pod.container_ids for p in hit.get(c, ()))
        if not processes:
            continue
        target = {"kind": "Pod", "name": pod.key, "uid": pod.uid, "node": pod.node, "component": pod.component}
        victims.append(_Victim(pod, processes, target=target))
        evidence = {"signal": "SIGKILL", "pids": [p.pid for p in processes]}
        context.record(fault, "kill_pods", "injected", t=t, target=target, evidence=evidence)
    if len(victims) != len(chosen):
        raise FaultError(f"{len(chosen) - len(victims)} of {len(chosen)} pods had no process to kill; run harness heal")
    return victims


def _prove(context: Context, victims: list[_Victim]) -> None:
    """Look until every process and every pod object is gone, or time is up; what was not seen stays unproved."""
    deadline = time.monotonic() + PROVE_SECONDS
    while not all(v.proved for v in victims) and time.monotonic() < deadline:
        _look_at_processes(context, [v for v in victims if v.process_gone_t is None])
        _look_at_objects(context, [v for v in victims if v.uid_gone_t is None])
        time.sleep(EVERY_SECONDS)


def _look_at_processes(context: Context, victims: list[_Victim]) -> None:
    by_node: dict[str, list[nodes.Process]] = {}
    for victim in victims:
        by_node.setdefault(victim.pod.node, []).extend(victim.processes)
    alive = nodes.alive(by_node) if by_node else {}
    t = context.recorder.now()
    for victim in victims:
        if not set(victim.processes) & set(alive.get(victim.pod.node, ())):
            victim.process_gone_t = t


def _look_at_objects(context: Context, victims: list[_Victim]) -> None:
    for namespace in {v.pod.namespace for v in victims}:
        there = {p.uid: p for p in context.kube.pods(namespace)}
        t = context.recorder.now()
        for victim in (v for v in victims if v.pod.namespace == namespace):
            seen = there.get(victim.pod.uid)
            if seen is None:
                victim.uid_gone_t = t
            elif seen.exit_code is not None:
                victim.exit_code = seen.exit_code
