"""What faults of ours still do to a cluster, found by looking at it alone, and put right.

Nothing is remembered from the run that did it: a harness that was killed leaves no memory. Everything here may be
called twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.kube import Changed, Kube, firewall, nodes, power
from harness.settings import Settings
from harness.wait import until

NODES_BACK_WITHIN_S = 120.0


def find(kube: Kube, settings: Settings, namespaces: Sequence[str]) -> list[str]:
    """What is left, in words; nothing where all is as it should be."""
    found = [f"{changed.namespace}/{changed.name} is not what it was" for changed in _changed(kube, namespaces)]
    if not kube.ours:
        return found
    found += [f"node {node.name} is closed" for node in kube.nodes() if node.closed]
    off = power.off(settings.cluster)
    found += [f"node {name} is off" for name in off]
    names = [node.name for node in kube.nodes() if node.name not in off]
    found += [f"{len(some)} processes on {name} are stopped" for name, some in nodes.stopped(names).items() if some]
    return found + [f"packets are dropped on {name}" for name in names if firewall.dropped(name)]


def repair(kube: Kube, settings: Settings, namespaces: Sequence[str]) -> list[str]:
    """Put right what `find` finds, and return it in words. Nodes are waited for, pods are not."""
    found = find(kube, settings, namespaces)
    if not found:
        return []
    for changed in _changed(kube, namespaces):
        kube.change.put_back(changed)
    if not kube.ours:
        return found
    for name in power.off(settings.cluster):
        power.switch_on(name)
    until(
        lambda: [node.name for node in kube.nodes() if not node.ready],
        lambda away: not away,
        what="every node Ready",
        timeout=NODES_BACK_WITHIN_S,
        every=1,
    )
    names = [node.name for node in kube.nodes()]
    nodes.resume(names)
    for name in names:
        firewall.mend(name)
    for node in kube.nodes():
        if node.closed:
            kube.change.reopen(node.name)
    return found


def _changed(kube: Kube, namespaces: Sequence[str]) -> list[Changed]:
    return [changed for name in namespaces for changed in kube.change.changed(name)]
