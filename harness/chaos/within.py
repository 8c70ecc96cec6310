"""A pod seen, and stopped, from inside it: by `exec`, which is all that there is where nodes are closed.

From inside, nothing can be done to the first process of a container. So a pod can be stopped only if that is one which
merely starts the others, as in the official image. That a container has ended is told by a process of ours in it, a
canary: the kernel kills it with the first process, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import FaultError
from harness.kube import Console, Kube, KubeError, Pod
from harness.kube.nodes import LOOK, STATES, Process, parse_processes

CALL_S = 15.0
# Of shared process namespaces, pause is the first; of a node's own, none of these.
STARTERS = frozenset({"catatonit", "docker-init", "dumb-init", "pause", "s6-svscan", "tini"})
HERE = "here"
_CANARY = ("sh", "-c", f"echo {HERE}; exec cat")

# All but what has no parent here: the first process, and what was begun from outside, such as this script, probes and
# canaries. Three rounds, as from the node.
_SIGNAL = (
    LOOK
    + r"""
signal=$1
for round in 1 2 3; do
    victims=
    for entry in "$proc"/[0-9]*; do
        pid=${entry#"$proc"/}
        look "$pid" || continue
        case $state in Z|X) continue ;; esac
        case $parent in 0|$$) continue ;; esac
        victims="$victims $pid"
        echo "$signal $pid $started"
    done
    [ -n "$victims" ] || break
    kill -"$signal" $victims 2> /dev/null
done
:
"""
)


def canaries(kube: Kube, pod: Pod) -> tuple[Console, ...]:
    """One in each container of a pod that runs. Raises `FaultError` where a container has no shell to begin it."""
    found: list[Console] = []
    for container in pod.containers:
        try:
            found.append(kube.console(pod, _CANARY, container))
            found[-1].until(HERE, CALL_S)
        except KubeError as cause:
            for canary in found:
                canary.close()
            why = f"nothing of ours can be begun in {container} of {pod.key}, so that its end could not be seen"
            raise FaultError(f"{why}: {cause}") from cause
    return tuple(found)


def ended(some: Sequence[Console]) -> bool:
    """Whether every container that has a canary has ended."""
    return bool(some) and all(canary.killed() for canary in some)


def unstoppable(kube: Kube, pod: Pod) -> str | None:
    """Why a pod cannot be stopped from inside, or None where it can."""
    for container in pod.containers:
        try:
            first = kube.once(pod, container, ("cat", "/proc/1/comm"), CALL_S).strip()
        except KubeError as cause:
            return f"nobody can look into {container} of {pod.key}: {cause}"
        if first not in STARTERS:
            return f"the first process in {container} of {pod.key} is {first}, which cannot be stopped from inside"
    return None


def stop(kube: Kube, pod: Pod) -> tuple[Process, ...]:
    """SIGSTOP all processes of a pod but the first of each container; the pod is marked before."""
    kube.change.mark_stopped(pod)
    return _signal(kube, pod, "STOP")


def resume(kube: Kube, pod: Pod) -> None:
    """SIGCONT them, whoever stopped them, and take the mark away."""
    _signal(kube, pod, "CONT")
    kube.change.mark_resumed(pod)


def states(kube: Kube, pod: Pod, processes: Sequence[Process]) -> set[str]:
    """The states of those of the processes that are there, as the kernel's one letter."""
    words = [str(number) for process in processes for number in (process.pid, process.started)]
    answers = [_run(kube, pod, container, STATES, *words) for container in pod.containers]
    return {state for answer in answers for state in parse_processes(answer)}


def _signal(kube: Kube, pod: Pod, signal: str) -> tuple[Process, ...]:
    answers = [_run(kube, pod, container, _SIGNAL, signal) for container in pod.containers]
    return tuple(p for answer in answers for p in parse_processes(answer).get(signal, ()))


def _run(kube: Kube, pod: Pod, container: str, script: str, *words: str) -> str:
    return kube.once(pod, container, ("sh", "-c", script, "sh", "/proc", *words), CALL_S)
