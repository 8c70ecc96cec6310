"""One fault from its beginning to its proof: the pods that it hits, and what has been seen of their end."""

from __future__ import annotations

import random
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.kube import TASK_PODS, Kube, Pod, nodes

EVERY_SECONDS = 0.2
ARISES_WITHIN_S = 30.0
AT_WORK = "one-at-work"
PICKS = ("all", "one", "all-but-one", AT_WORK)


@dataclass
class Victim:
    """One pod that was hit and what has been seen of its end; times are `t` of the history."""

    pod: Pod
    processes: tuple[nodes.Process, ...]
    process_gone_t: int | None = None
    uid_gone_t: int | None = None
    exit_code: int | None = None

    @property
    def target(self) -> dict[str, Any]:
        pod = self.pod
        return {"kind": "Pod", "name": pod.key, "uid": pod.uid, "node": pod.node, "component": pod.component}

    def evidence(self) -> dict[str, Any]:
        return {
            "uid_gone": self.uid_gone_t is not None,
            "uid_gone_t": self.uid_gone_t,
            "process_gone": self.process_gone_t is not None,
            "process_gone_t": self.process_gone_t,
            "exit_code": self.exit_code,
        }


@dataclass
class Strike:
    """A fault that has begun: every step of it is recorded under its id."""

    context: Context
    action: str
    fault: str
    victims: list[Victim] = field(default_factory=list)

    @staticmethod
    def begin(
        context: Context, action: str, namespace: str, selector: str, blow: Blow, *, settled: bool = False
    ) -> Strike:
        """Record that a fault begins, and its pods where it is `settled` that these very ones are aimed at.

        Raises `FaultRefused`, with nothing recorded, where it may not be or would reach too far.
        """
        context.permit(namespace, blow)
        target: dict[str, object] = {"kind": "Selector", "name": selector, "namespace": namespace}
        evidence = {"aimed": [pod.key for pod in blow.pods]} if settled and blow.pods else {}
        return Strike(context, action, context.begin(action, target, evidence))

    def hit(self, pod: Pod, processes: Sequence[nodes.Process] | None, t: int, **evidence: object) -> Victim:
        """Record that this pod was hit at `t`; `processes` were found in it; None where nobody looked."""
        victim = Victim(pod, tuple(processes or ()))
        self.context.expect(pod)
        self.context.reach.pods.add(pod.uid)
        self.victims.append(victim)
        pids = {} if processes is None else {"pids": [p.pid for p in processes]}
        self.context.record(
            self.fault, self.action, "injected", t=t, target=victim.target, evidence={**evidence, **pids}
        )
        self.context.struck()
        return victim

    def prove(self, victim: Victim, **evidence: object) -> None:
        """Record what makes us believe that this pod was hit."""
        said = {**victim.evidence(), **evidence}
        self.context.record(self.fault, self.action, "proved", target=victim.target, evidence=said)

    def end(self, **evidence: object) -> list[dict[str, Any]]:
        """Record that nothing more is done; returns what Chaos Toolkit's journal is to hold of it."""
        self.context.record(self.fault, self.action, "ended", evidence=dict(evidence))
        return [{"pod": v.pod.key, "uid": v.pod.uid, **v.evidence()} for v in self.victims]

    def prove_gone(self, within_s: float, *, objects: bool = True, **evidence: object) -> list[dict[str, Any]]:
        """Look until every process, and every pod object, is gone or time is up; what was not seen stays unproved."""
        self.watch(within_s, objects=objects)
        proved = [v for v in self.victims if self._gone(v, objects)]
        for victim in proved:
            self.prove(victim, **evidence)
        return self.end(unproved={v.pod.key: v.evidence() for v in self.victims if v not in proved})

    def watch(self, within_s: float, *, objects: bool) -> None:
        """Look until every victim is gone or time is up."""
        deadline = time.monotonic() + within_s
        while not all(self._gone(v, objects) for v in self.victims) and time.monotonic() < deadline:
            self._look_at_processes([v for v in self.victims if v.process_gone_t is None])
            if objects:
                self._look_at_objects([v for v in self.victims if v.uid_gone_t is None])
            time.sleep(EVERY_SECONDS)

    @staticmethod
    def _gone(victim: Victim, objects: bool) -> bool:
        return victim.process_gone_t is not None and (victim.uid_gone_t is not None or not objects)

    def _look_at_processes(self, victims: list[Victim]) -> None:
        by_node: dict[str, list[nodes.Process]] = {}
        for victim in victims:
            by_node.setdefault(victim.pod.node, []).extend(victim.processes)
        alive = nodes.alive(by_node) if by_node else {}
        t = self.context.recorder.now()
        for victim in victims:
            # Of one that no process was found of, none can be seen to end.
            if victim.processes and not set(victim.processes) & set(alive.get(victim.pod.node, ())):
                victim.process_gone_t = t

    def _look_at_objects(self, victims: list[Victim]) -> None:
        for namespace in {v.pod.namespace for v in victims}:
            there = {p.uid: p for p in self.context.kube.pods(namespace)}
            t = self.context.recorder.now()
            for victim in (v for v in victims if v.pod.namespace == namespace):
                seen = there.get(victim.pod.uid)
                if seen is None:
                    victim.uid_gone_t = t
                elif seen.exit_code is not None:
                    victim.exit_code = seen.exit_code


def choose(found: list[Pod], pick: str, seed: int) -> list[Pod]:
    """Those of the pods to hit; the same seed picks the same one of the same pods."""
    running = sorted((p for p in found if p.phase == "Running" and not p.deleting), key=lambda p: p.name)
    if pick == "all" or not running:
        return running
    if pick not in PICKS:
        raise FaultError(f"pick must be one of {', '.join(PICKS)}, not {pick!r}; nothing was done")
    one = random.Random(seed).choice(running)  # noqa: S311
    return [one] if pick in ("one", AT_WORK) else [pod for pod in running if pod is not one]


def chosen(
    context: Context, namespace: str, selector: str, pick: str, *, spared: Container[str] = frozenset()
) -> list[Pod]:
    """The pods to hit, none on a node that is `spared`; those of tasks, or at work on some, are waited for.

    Raises `FaultError` where there is none.
    """
    context.kube.guard(namespace)
    deadline = time.monotonic() + (ARISES_WITHIN_S if selector == TASK_PODS or pick == AT_WORK else 0)
    while not (found := choose(_candidates(context, namespace, selector, pick, spared), pick, context.seed)):
        if time.monotonic() >= deadline:
            break
        time.sleep(EVERY_SECONDS)
    if not found:
        raise FaultError(f"the selector {selector!r} with pick {pick} leaves no running pod in {namespace} to hit")
    return found


def on_node(kube: Kube, namespaces: Sequence[str], node: str) -> list[Pod]:
    """What of the stack runs on a node."""
    there = [pod for name in namespaces for pod in kube.pods(name) if pod.node == node]
    return [pod for pod in there if pod.phase == "Running" and pod.component and not pod.deleting]


def _candidates(context: Context, namespace: str, selector: str, pick: str, spared: Container[str]) -> list[Pod]:
    pods = [pod for pod in context.kube.pods(namespace, selector) if pod.node not in spared]
    if pick != AT_WORK:
        return pods
    busy = context.at_work()
    return [pod for pod in pods if pod.name in busy]
