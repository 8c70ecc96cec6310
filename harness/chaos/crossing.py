"""A cut by a NetworkPolicy, and what gets across it all the same.

Nobody counts the packets that a cluster's network drops, and one that knows no policies drops none. So connections are
tried from within the pods: a new one each time, and one that was open before. The cut is proved when both had been
answered, and neither is any more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from harness.chaos.strike import Strike
from harness.errors import FaultError
from harness.kube import Console, Kube, KubeError, Pod
from harness.kube.policies import OTHER, THIS

TRIED_WITHIN_S = 30.0
ANSWERS_WITHIN_S = 10.0
POLICY = "policy"  # how, in the record, where it is not on the nodes
ASK, END = "try", "end"
Way = tuple[Pod, Pod, int]  # from which pod, to which, on which port
ACROSS, NOT_ACROSS = ["new yes", "held yes"], ["new no", "held no"]

# What is sent over the open connection is acknowledged by the other side's kernel, whatever listens there: the count
# of what is not yet stands at byte 24 of Linux's tcp_info.
_TRY = """
import socket, struct, sys, time
there = sys.argv[1], int(sys.argv[2])
held = socket.create_connection(there, 2)

def new():
    try:
        socket.create_connection(there, 2).close()
    except OSError:
        return "no"
    return "yes"

def across():
    try:
        held.send(b"\\n")
        for _ in range(20):
            time.sleep(0.1)
            if not struct.unpack_from("I", held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0]:
                return "yes"
    except OSError:
        return "closed"
    return "no"

print("end", flush=True)
for line in sys.stdin:
    print("new", new())
    print("held", across())
    print("end", flush=True)
"""


def cut(
    strike: Strike, namespace: str, pods: Sequence[Pod], others: Sequence[Pod], hold_s: float
) -> list[dict[str, Any]]:
    """Keep the pods off from the others for `hold_s`. Raises `FaultError`, with nothing cut, where nobody can try."""
    kube, now = strike.context.kube, strike.context.recorder.now
    if {pod.uid for pod in pods} & {other.uid for other in others}:
        raise FaultError("some pods are on both sides, and a policy cannot say that; nothing was cut")
    with ExitStack() as closing:
        tries = {pod.uid: tried(kube, ways(pod, others), closing) for pod in pods}
        for side, some in ((THIS, pods), (OTHER, others)):
            for pod in some:
                kube.change.mark_cut(pod, side)
        t = now()
        held_until = time.monotonic() + hold_s
        kube.policies.cut(namespace, [other.ip for other in others])
        for pod in pods:
            strike.hit(pod, None, t, by=POLICY, cut_off_from=[other.key for other in others])
        still = wait_cut(tries)
        for victim in strike.victims:
            found = still[victim.pod.uid]
            strike.prove(victim, cut=not found, still_across=found, tried=len(tries[victim.pod.uid]))
    time.sleep(max(0.0, held_until - time.monotonic()))
    return strike.end(held_s=hold_s)


def ways(pod: Pod, others: Sequence[Pod]) -> list[Way]:
    """From the pod to those that say on which ports they answer, or else from them to the pod. Raises `FaultError`
    where nobody says so."""
    found = [(pod, other, port) for other in others for port in other.ports[:1]]
    found = found or [(other, pod, port) for other in others for port in pod.ports[:1]]
    if not found:
        raise FaultError(f"neither {pod.key} nor {others[0].key} says on which port it answers; nothing was cut")
    return found


def tried(kube: Kube, some: Sequence[Way], closing: ExitStack) -> list[Console]:
    """What tries each way, over which both connections get across now. Raises `FaultError` where they do not."""
    found = []
    for way in some:
        line, said = begun(kube, way, closing, _TRY)
        if said != ACROSS:
            raise FaultError(f"{_named(way)} is not reached as it is ({said}); nothing was cut")
        found.append(line)
    return found


def begun(kube: Kube, way: Way, closing: ExitStack, script: str, *words: str) -> tuple[Console, list[str]]:
    """A script in the pod that a way begins at, told where the way leads, and its first answer. Raises `FaultError`
    where there is none."""
    one, there, port = way
    try:
        line = kube.console(one, ("python3", "-c", script, there.ip, str(port), *words), one.containers[0])
        closing.callback(line.close)
        line.until(END, ANSWERS_WITHIN_S)
        return line, asked(line)
    except KubeError as cause:
        why = f"nothing can try from {one.key} whether it reaches {there.key}:{port}"
        raise FaultError(f"{why}, so nothing was cut: {cause}") from cause


def shut(kube: Kube, some: Sequence[Way]) -> list[str]:
    """Which ways nothing gets across any more, in words; one between pods of which one is gone is none."""
    return [f"{_named(way)} is not reached again" for way in standing(kube, some) if not _open(kube, way)]


def standing(kube: Kube, some: Sequence[Way]) -> list[Way]:
    """The ways between pods that are both still there."""
    there = {pod.uid for name in {way[0].namespace for way in some} for pod in kube.pods(name)}
    return [way for way in some if {way[0].uid, way[1].uid} <= there]


def _open(kube: Kube, way: Way) -> bool:
    with ExitStack() as closing:
        try:
            tried(kube, [way], closing)
        except FaultError:
            return False
        return True


def _named(way: Way) -> str:
    return f"{way[1].key}:{way[2]} from {way[0].key}"


def asked(line: Console, within_s: float = ANSWERS_WITHIN_S) -> list[str]:
    """What a script answers now. Raises `KubeError` where that is nothing."""
    line.send(ASK)
    return line.until(END, within_s)


def wait_cut(tries: Mapping[str, Sequence[Console]]) -> dict[str, list[str]]:
    """What still gets across from each pod, once it is nothing, or time is up."""
    deadline = time.monotonic() + TRIED_WITHIN_S
    while True:
        said = {uid: [_answer(line) for line in some] for uid, some in tries.items()}
        still = {uid: [" ".join(one) for one in some if one != NOT_ACROSS] for uid, some in said.items()}
        if not any(still.values()) or time.monotonic() >= deadline:
            return still
        time.sleep(1.0)


def _answer(line: Console) -> list[str]:
    """One that cannot be asked proves nothing."""
    try:
        return asked(line)
    except KubeError as cause:
        return [f"unknown: {cause}"]
