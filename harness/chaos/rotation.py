"""The secret that signs tokens, replaced as `helm upgrade` replaces it: another value, and all that read it are rolled.

Who reads it is marked first. The way back that the mark leads is forward: to roll once more, and only if that was not
begun. So whoever comes after a harness that was killed in between makes all pods have the same secret, the new one. The
old value is kept nowhere, and the new one is in the Secret alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import Strike, choose
from harness.errors import FaultError, HarnessError, WaitTimeout
from harness.kube import Kube, Pod, Reader
from harness.wait import until

BYTES = 48
CALL_S = 15.0
RUNNING_WITHIN_S = 60.0
# The value itself stays in the pod; `$0` is the variable's name.
HASH = 'printf %s "$(printenv "$0")" | sha256sum'


def aimed(kube: Kube, namespace: str, secret: str, key: str) -> list[Pod]:
    """The pods that read it now. Raises `FaultError` where there is none, or it may not be replaced."""
    return _reading(kube, namespace, secret, key, kube.change.secrets.readers(namespace, secret, key))


def rotate(context: Context, namespace: str, secret: str, key: str, within_s: float) -> list[dict[str, Any]]:
    """Replace the value of the key, roll all that read it, and wait until every old pod is gone. The new ones are asked
    for a hash of what they have, which is compared here and recorded nowhere."""
    kube, change = context.kube, context.kube.change
    readers = change.secrets.readers(namespace, secret, key)
    pods = _reading(kube, namespace, secret, key, readers)
    workloads = list({reader.owner: reader.workload for reader in readers}.values())
    blow = Blow(pods, seconds=within_s)
    strike = Strike.begin(context, "rotate_secret", namespace, f"{secret}/{key}", blow, kind="Secret")
    strike.look_into(pods)
    stamp, value = datetime.now(UTC).isoformat(), token_urlsafe(BYTES)
    for workload in workloads:
        change.owe_roll(workload, stamp)
    t = context.recorder.now()
    version = change.secrets.replace(namespace, secret, key, value)
    for workload in workloads:
        change.roll(workload, stamp)
    for pod in pods:
        strike.hit(pod, strike.known.get(pod.uid), t, how="its secret was replaced", version=version)
    strike.watch(within_s, objects=True)
    without = _without(kube, namespace, readers, hashlib.sha256(value.encode()).hexdigest())
    return strike.prove_gone(0, version=version, carried=not without, without=without)


def _reading(kube: Kube, namespace: str, secret: str, key: str, readers: Sequence[Reader]) -> list[Pod]:
    if pods := _of(kube, namespace, {reader.owner for reader in readers}):
        return pods
    raise FaultError(f"no pod in {namespace} runs that reads the key {key} of the Secret {secret}; nothing was changed")


def _of(kube: Kube, namespace: str, owners: Container[str]) -> list[Pod]:
    return [pod for pod in choose(kube.pods(namespace), "all", 0) if pod.owner in owners]


def _without(kube: Kube, namespace: str, readers: Sequence[Reader], wanted: str) -> list[str]:
    """The pods that do not have the new value; and what of these workloads has too few pods to say so."""
    owners = {reader.owner: reader.workload.replicas for reader in readers}

    def running() -> list[Pod]:
        return [pod for pod in _of(kube, namespace, owners) if pod.ready]

    try:
        pods = until(
            running,
            lambda some: len(some) >= sum(owners.values()),
            what="what was rolled to be Ready",
            timeout=RUNNING_WITHIN_S,
        )
    except WaitTimeout:
        pods = running()
    few = [owner for owner, wanted in owners.items() if sum(pod.owner == owner for pod in pods) < wanted]
    asked = [(pod, reader) for pod in pods for reader in readers if reader.owner == pod.owner]
    return [*few, *(pod.key for pod, reader in asked if not _has(kube, pod, reader, wanted))]


def _has(kube: Kube, pod: Pod, reader: Reader, wanted: str) -> bool:
    """What an init container had is gone with it; its pod is as new as the others of its workload."""
    if reader.container not in pod.containers:
        return True
    try:
        return kube.once(pod, reader.container, ("sh", "-c", HASH, reader.variable), CALL_S).split()[:1] == [wanted]
    except HarnessError:
        return False
