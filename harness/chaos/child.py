"""One process of a pod dies while it works, and the pod lives on: the one of a pool that holds a task."""

from __future__ import annotations

import random
import time
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, Strike, chosen
from harness.errors import FaultError
from harness.kube import Pod, nodes

AT_WORK_WITHIN_S = 30.0
KILLED_WITHIN_S = 10.0


def kill_child(context: Context, namespace: str, selector: str) -> list[dict[str, Any]]:
    """SIGKILL the process that supervises a task in one of the pods, while the ledger shows that task under way."""
    pods = chosen(context, namespace, selector, "all")
    strike = Strike.begin(context, "kill_child", namespace, selector, Blow(pods[:1]))  # whichever is at work
    context.kube.hands.ready({pod.node for pod in pods})
    deadline = time.monotonic() + AT_WORK_WITHIN_S
    while not (busy := _busy(context, pods)) and time.monotonic() < deadline:
        time.sleep(EVERY_SECONDS)
    if not busy:
        strike.end()
        raise FaultError(f"no pod of {selector!r} had a process at work for {AT_WORK_WITHIN_S:g} s; nothing was killed")
    pod, process, task = random.Random(context.seed).choice(busy)  # noqa: S311
    context.permit(namespace, Blow([pod]))
    t = context.recorder.now()
    if nodes.kill_one(context.kube.hands, pod.node, process):
        strike.hit(pod, [process], t, signal="SIGKILL")
    return strike.prove_gone(KILLED_WITHIN_S, objects=False, task_instance=task)


def _busy(context: Context, pods: list[Pod]) -> list[tuple[Pod, nodes.Process, str]]:
    """Processes that have a child and the id of an attempt in their title, with that id."""
    held, hands = context.at_work(), context.kube.hands
    processes = [
        (pod, process)
        for pod in pods
        if pod.name in held
        for container in pod.container_ids
        for process in nodes.at_work(hands, pod.node, container)
    ]
    titled = [(pod, process, nodes.title(hands, pod.node, process)) for pod, process in processes]
    return [(pod, process, task) for pod, process, title in titled for task in held[pod.name] if task and task in title]
