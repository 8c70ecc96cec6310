"""Undo what faults did, and re-read the cluster to see that it is as it was."""

from __future__ import annotations

from contextlib import suppress

from harness.chaos import leftovers
from harness.chaos.context import Context
from harness.errors import WaitTimeout
from harness.wait import until

UNDO_SECONDS = 180.0


def undo_all(context: Context) -> list[str]:
    """Undo each fault that is not undone yet. A second call finds nothing to do.

    What a fault left behind is found in the cluster and put right; a killed pod its controller replaces. Then it is
    waited for, and recorded, that every component has its pods again; a cluster that stays short, or keeps a leftover,
    is recorded so, and the rollback check fails on it.
    """
    todo = [fault for fault in context.begun if fault not in context.undone]
    if not todo:
        return []
    with suppress(WaitTimeout):
        leftovers.repair(context.kube, context.settings, context.namespaces)
        until(lambda: missing(context), lambda short: not short, what="every component Ready", timeout=UNDO_SECONDS)
    ready = ready_pods(context)
    left = leftovers.find(context.kube, context.settings, context.namespaces)
    for fault in todo:
        evidence = {"expected": context.expected, "ready": ready, "leftovers": left}
        context.record(fault, context.begun[fault], "rolled-back", evidence=evidence)
        context.undone.add(fault)
    return todo


def ready_pods(context: Context) -> dict[str, int]:
    """Ready pods per component, as they are now."""
    found = {c: r for name in context.namespaces for c, r in context.kube.ready_replicas(name).items()}
    return {component: found[component].ready if component in found else 0 for component in context.expected}


def missing(context: Context) -> dict[str, int]:
    """How many pods each component is short of."""
    ready = ready_pods(context)
    return {c: wanted - ready[c] for c, wanted in context.expected.items() if ready[c] < wanted}
