"""Undo what faults did, and re-read the cluster to see that it is as it was."""

from __future__ import annotations

from contextlib import suppress

from harness.chaos import leftovers
from harness.chaos.context import Context
from harness.errors import UsageError, WaitTimeout
from harness.history import NS
from harness.kube import Kube, KubeError
from harness.wait import until

UNDO_SECONDS = 180.0
LOOK_SECONDS = 2.0
LASTS_SECONDS = 5.0  # the kubelet may still call a container Ready for 3 s that has just been started again


def undo_all(context: Context) -> list[str]:
    """Undo each fault that is not undone yet. A second call finds nothing to do.

    Whatever a fault left behind is found in the cluster and repaired; a killed pod is replaced by its controller. Then
    the undo waits until every component has its pods again and keeps them, and records since when; if the cluster stays
    short or keeps a leftover, it records that, and the rollback check fails on it.
    """
    todo = [fault for fault in context.begun if fault not in context.undone]
    if not todo:
        return []
    since = None
    with suppress(WaitTimeout):
        until(lambda: _repaired(context), bool, what="leftovers repaired", timeout=UNDO_SECONDS)
        since = _whole_since(context)
    ready = ready_pods(context)
    left = [*leftovers.find(context.kube, context.settings, context.namespaces), *_amiss(context)]
    found = {
        "t": context.recorder.now() if since is None else since,
        "evidence": {"expected": context.expected, "ready": ready, "leftovers": left},
    }
    for fault in todo:
        context.record(fault, context.begun[fault], "rolled-back", **found)
        context.undone.add(fault)
    return todo


def _repaired(context: Context) -> bool:
    """False if something is not as before yet, or the cluster's own server does not answer, which may be what was
    broken."""
    try:
        leftovers.repair(context.kube, context.settings, context.namespaces)
        return not _amiss(context)
    except (KubeError, UsageError):
        return False


def _amiss(context: Context) -> list[str]:
    """What is not as it was before a fault, though nothing of it is left."""
    return [what for look in context.again for what in look()]


def _whole_since(context: Context) -> int:
    """From when on, in nanoseconds of the run, no component was short of a pod or being rolled for `LASTS_SECONDS`.

    Raises `WaitTimeout` where that does not come.
    """
    since: int | None = None

    def look() -> list[str]:
        nonlocal since
        began, short = context.recorder.now(), ["kubernetes"]
        with suppress(KubeError, UsageError):
            short = [*missing(context), *rolling(context)]
        since = None if short else began if since is None else since
        return short

    def lasts(short: list[str]) -> bool:
        return since is not None and context.recorder.now() - since >= LASTS_SECONDS * NS

    until(look, lasts, what="every component Ready and none being rolled, and staying so", timeout=UNDO_SECONDS)
    assert since is not None
    return since


def rolling(context: Context) -> list[str]:
    """What is being rolled: to undo a fault may take a roll, whose old pods are Ready all the while."""
    return [what for name in context.namespaces for what in context.kube.rolling(name)]


def wait_until_whole(kube: Kube, namespace: str, within_s: float = UNDO_SECONDS) -> None:
    """Until no pod of before is left, either: what was rolled to undo a fault is Ready long before that. Raises
    `WaitTimeout` where that does not come."""
    until(
        lambda: kube.rolling(namespace),
        lambda found: not found,
        what="every component Ready, and none being rolled",
        timeout=within_s,
        every=LOOK_SECONDS,
    )


def ready_pods(context: Context) -> dict[str, int]:
    """Ready pods per component, as they are now."""
    found = {c: r for name in context.namespaces for c, r in context.kube.ready_replicas(name).items()}
    ready = {component: found[component].ready if component in found else 0 for component in context.expected}
    for component, namespace in context.alone.items():
        ready[component] = sum(pod.ready for pod in context.kube.pods(namespace) if pod.component == component)
    return ready


def missing(context: Context) -> dict[str, int]:
    """How many pods each component is short of."""
    ready = ready_pods(context)
    return {c: wanted - ready[c] for c, wanted in context.expected.items() if ready[c] < wanted}
