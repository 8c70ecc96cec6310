"""One fault from its beginning to its proof: the pods that it hits, and what has been seen of their end."""

from __future__ import annotations

import random
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.chaos import within
from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.errors import FaultError
from harness.kube import TASK_PODS, Console, Kube, Pod, containers_by_node, nodes

EVERY_SECONDS = 0.2
ARISES_WITHIN_S = 30.0
AT_WORK = "one-at-work"
ROLES = ("primary", "standby")
MOMENT = (AT_WORK, *ROLES)  # of which only the moment decides which pods they are
PICKS = ("all", "one", "all-but-one", *MOMENT)


@dataclass(frozen=True)
class Only:
    """Of the pods that a selector finds, the one of this name, or those on this node; any where neither is said."""

    name: str = ""
    node: str = ""

    def of(self, pods: Sequence[Pod]) -> list[Pod]:
        return [pod for pod in pods if pod.name == (self.name or pod.name) and pod.node == (self.node or pod.node)]

    def __str__(self) -> str:
        return "".join(f" and {what} {value}" for what, value in (("name", self.name), ("node", self.node)) if value)


ANY = Only()


@dataclass
class Victim:
    """One pod that was hit and what has been seen of its end; times are `t` of the history. Where nodes are closed, it
    has `canaries`: processes of ours that end with it."""

    pod: Pod
    processes: tuple[nodes.Process, ...]
    canaries: tuple[Console, ...] = ()
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
    """A fault that has begun: every step of it is recorded under its id. `known` is what ran in pods, by their uids,
    when they were looked into; nothing of those that only canaries are in."""

    context: Context
    action: str
    fault: str
    victims: list[Victim] = field(default_factory=list)
    known: dict[str, tuple[nodes.Process, ...]] = field(default_factory=dict)
    canaries: dict[str, tuple[Console, ...]] = field(default_factory=dict)

    @staticmethod
    def begin(
        context: Context,
        action: str,
        namespace: str,
        selector: str,
        blow: Blow,
        *,
        settled: bool = False,
        on_nodes: bool = True,
        kind: str = "Selector",
    ) -> Strike:
        """Record that a fault begins, and its pods where it is `settled` that these very ones are aimed at; what finds
        them is a selector, or an object of another `kind` by its name. Without `on_nodes` their nodes are neither
        entered nor looked into.

        Raises `FaultRefused`, with nothing recorded, where it may not be or would reach too far.
        """
        context.permit(namespace, blow)
        target: dict[str, object] = {"kind": kind, "name": selector, "namespace": namespace}
        evidence = {"aimed": [pod.key for pod in blow.pods]} if settled and blow.pods else {}
        strike = Strike(context, action, context.begin(action, target, evidence))
        if on_nodes:  # what takes time, takes it now
            context.kube.hands.ready({pod.node for pod in blow.pods if pod.node})
        return strike

    def look_into(self, pods: Sequence[Pod]) -> None:
        """Take note of what runs in these pods, while they are there: it is that which must be seen to end."""
        kube = self.context.kube
        if kube.closed:
            for pod in (pod for pod in pods if pod.uid not in self.canaries):
                self.canaries[pod.uid] = within.canaries(kube, pod)
            return
        found = nodes.find(kube.hands, containers_by_node(pods))
        self.known |= {pod.uid: of_pod(pod, found) for pod in pods}

    def hit(self, pod: Pod, processes: Sequence[nodes.Process] | None, t: int, **evidence: object) -> Victim:
        """Record that this pod was hit at `t`; `processes` were found in it; None where nobody looked."""
        victim = Victim(pod, tuple(processes or ()), self.canaries.get(pod.uid, ()))
        self.context.expect(pod)
        self.context.reach.pods.add(pod.uid)
        self.victims.append(victim)
        found = {} if processes is None else {"pids": [p.pid for p in processes]}
        role = {"role": self.context.picked[pod.uid]} if pod.uid in self.context.picked else {}
        self.context.record(
            self.fault, self.action, "injected", t=t, target=victim.target, evidence={**evidence, **role, **found}
        )
        self.context.struck()
        return victim

    def prove(self, victim: Victim, **evidence: object) -> None:
        """Record what makes us believe that this pod was hit."""
        said = {**victim.evidence(), **evidence}
        self.context.record(self.fault, self.action, "proved", target=victim.target, evidence=said)

    def end(self, **evidence: object) -> list[dict[str, Any]]:
        """Record that nothing more is done; returns what Chaos Toolkit's journal is to hold of it."""
        for canary in (one for some in self.canaries.values() for one in some):
            canary.close()
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
            self.look(objects=objects)
            time.sleep(EVERY_SECONDS)

    def look(self, *, objects: bool) -> None:
        """Look once at those that are not gone yet."""
        self._look_at_processes([v for v in self.victims if v.process_gone_t is None])
        if objects:
            self._look_at_objects([v for v in self.victims if v.uid_gone_t is None])

    @staticmethod
    def _gone(victim: Victim, objects: bool) -> bool:
        return victim.process_gone_t is not None and (victim.uid_gone_t is not None or not objects)

    def _look_at_processes(self, victims: list[Victim]) -> None:
        by_node: dict[str, list[nodes.Process]] = {}
        for victim in victims:
            if victim.processes and not victim.canaries:
                by_node.setdefault(victim.pod.node, []).extend(victim.processes)
        alive = nodes.alive(self.context.kube.hands, by_node) if by_node else {}
        ended = {id(victim) for victim in victims if within.ended(victim.canaries)}
        t = self.context.recorder.now()
        for victim in victims:
            # Of one that no process was found of, none can be seen to end.
            looked = victim.processes and not victim.canaries
            if id(victim) in ended or (looked and not set(victim.processes) & set(alive.get(victim.pod.node, ()))):
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


def of_pod(pod: Pod, found: Mapping[str, Sequence[nodes.Process]]) -> tuple[nodes.Process, ...]:
    """What was found in the containers of one pod."""
    return tuple(process for container in pod.container_ids for process in found.get(container, ()))


def choose(found: list[Pod], pick: str, seed: int) -> list[Pod]:
    """Those of the pods to hit; the same seed picks the same one of the same pods."""
    running = sorted((p for p in found if p.phase == "Running" and not p.deleting), key=lambda p: p.name)
    if pick == "all" or not running:
        return running
    if pick not in PICKS:
        raise FaultError(f"pick must be one of {', '.join(PICKS)}, not {pick!r}; nothing was done")
    one = random.Random(seed).choice(running)  # noqa: S311
    return [one] if pick in ("one", *MOMENT) else [pod for pod in running if pod is not one]


def chosen(
    context: Context,
    namespace: str,
    selector: str,
    pick: str,
    *,
    spared: Container[str] = frozenset(),
    only: Only = ANY,
) -> list[Pod]:
    """The pods to hit, none on a node that is `spared`; those of tasks, at work on some, or of a role, are waited for.

    Raises `FaultError` where there is none.
    """
    context.kube.guard(namespace)
    deadline = time.monotonic() + (ARISES_WITHIN_S if selector == TASK_PODS or pick in MOMENT else 0)
    while not (found := choose(only.of(_candidates(context, namespace, selector, pick, spared)), pick, context.seed)):
        if time.monotonic() >= deadline:
            break
        time.sleep(EVERY_SECONDS)
    if not found:
        raise FaultError(
            f"the selector {selector!r} with pick {pick}{only} leaves no running pod in {namespace} to hit"
        )
    if pick in ROLES:
        context.picked.update({pod.uid: pick for pod in found})
    return found


def on_node(kube: Kube, namespaces: Sequence[str], node: str) -> list[Pod]:
    """What of the stack runs on a node."""
    there = [pod for name in namespaces for pod in kube.pods(name) if pod.node == node]
    return [pod for pod in there if pod.phase == "Running" and pod.component and not pod.deleting]


def _candidates(context: Context, namespace: str, selector: str, pick: str, spared: Container[str]) -> list[Pod]:
    pods = [pod for pod in context.kube.pods(namespace, selector) if pod.node not in spared]
    if pick in ROLES:
        roles = context.roles()
        return [pod for pod in pods if roles.get(pod.name) == pick]
    if pick != AT_WORK:
        return pods
    busy = context.at_work()
    return [pod for pod in pods if pod.name in busy]
