"""What our faults left behind in a cluster: found by looking at the cluster alone, and repaired.

Nothing is remembered from the run that caused it, because a killed harness leaves no memory. Everything here may be
called twice. Nodes are looked into by whichever hands are on them: an agent that was left there marks its node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.chaos import archive, within
from harness.errors import HarnessError
from harness.kube import Changed, Kube, Lost, Mesh, Pod, firewall, nodes, power
from harness.settings import Settings
from harness.wait import until

NODES_BACK_WITHIN_S = 120.0
AGENT = "an agent of ours is on"


def find(kube: Kube, settings: Settings, namespaces: Sequence[str]) -> list[str]:
    """What is left, in words; nothing if all is as it should be."""
    found = [f"{changed.namespace}/{changed.name} is not what it was" for changed in _changed(kube, namespaces)]
    found += [f"the data of {one.workload.namespace}/{one.workload.name} are lost" for one in _lost(kube, namespaces)]
    found += [f"{one} of ours is there" for one in _meshes(kube, namespaces)]
    found += _marked(kube, namespaces) if kube.closed else []
    off = power.off(settings.cluster) if _powered(kube, settings) else []
    if kube.ours:
        found += [f"node {node.name} is closed" for node in kube.nodes() if node.closed]
    found += [f"node {name} is off" for name in off]
    return found + _on_nodes(kube, settings, namespaces, off)


def _on_nodes(kube: Kube, settings: Settings, namespaces: Sequence[str], off: Sequence[str] = ()) -> list[str]:
    where = _where(kube, settings, namespaces, off)
    found = [f"{len(p)} processes on {name} are stopped" for name, p in nodes.stopped(kube.hands, where).items() if p]
    found += [f"packets are dropped on {name}" for name in where if firewall.dropped(kube.hands, name)]
    return found + [f"{AGENT} {name}" for name in kube.hands.left()]


def repair(kube: Kube, settings: Settings, namespaces: Sequence[str]) -> list[str]:
    """Repair what `find` finds, and return it in words. Waits for nodes and for Chaos Mesh, and for pods only where
    their data are to be restored in them. Agents stay while one of their nodes is not as it was, so that the next look
    finds that."""
    found = find(kube, settings, namespaces)
    if not found:
        return []
    for changed in _changed(kube, namespaces):
        kube.change.put_back(changed)
    for mesh in _meshes(kube, namespaces):
        kube.meshes.remove(mesh)
    _unmark(kube, namespaces)
    _turn_on(kube, settings)
    for one in _lost(kube, namespaces):
        archive.restore(kube, one)
    where = _where(kube, settings, namespaces)
    nodes.resume(kube.hands, where)
    for name in where:
        firewall.mend(kube.hands, name)
    if all(what.startswith(AGENT) for what in _on_nodes(kube, settings, namespaces)):
        kube.hands.let_go()
    for node in kube.nodes() if kube.ours else ():
        if node.closed:
            kube.change.reopen(node.name)
    return found


def heal(kube: Kube, settings: Settings, namespaces: Sequence[str]) -> list[str]:
    """As `repair`, with a look into every node that pods of the deployment are on, even where no agent was left."""
    found = repair(kube, settings, namespaces)
    if settings.aim.nodes != "agent":
        return found
    try:
        kube.hands.ready({pod.node for pod in _pods(kube, namespaces) if pod.phase == "Running"})
    except HarnessError:
        kube.hands.let_go()
        raise
    return found + [what for what in repair(kube, settings, namespaces) if not what.startswith(AGENT)]


def _turn_on(kube: Kube, settings: Settings) -> None:
    if not _powered(kube, settings):
        return
    for name in power.off(settings.cluster):
        power.switch_on(name)
    until(
        lambda: [node.name for node in kube.nodes() if not node.ready],
        lambda away: not away,
        what="every node Ready",
        timeout=NODES_BACK_WITHIN_S,
        every=1,
    )


def _powered(kube: Kube, settings: Settings) -> bool:
    """Whether we may have switched nodes off: they are containers of this machine, in a cluster of ours."""
    return kube.ours and settings.aim.nodes == "docker"


def _where(
    kube: Kube, settings: Settings, namespaces: Sequence[str], off: Sequence[str] = ()
) -> Mapping[str, Sequence[str]]:
    """The nodes that can be looked into, and which containers there are ours to resume: in a cluster of others, none
    that are not the deployment's."""
    if kube.closed or not (kube.ours or settings.target):  # what nobody has described, nobody has opened
        return {}
    names = kube.hands.among([node.name for node in kube.nodes() if node.name not in off])
    if kube.ours:
        return dict.fromkeys(names, nodes.IN_PODS)
    pods = _pods(kube, namespaces)
    return {name: [one for pod in pods if pod.node == name for one in pod.container_ids] for name in names}


def _marked(kube: Kube, namespaces: Sequence[str]) -> list[str]:
    """What was done by the API alone."""
    pods = _pods(kube, namespaces)
    found = [f"processes of {pod.key} are stopped" for pod in pods if pod.stopped]
    found += [f"{pod.key} is marked as cut off" for pod in pods if pod.cut]
    return found + [f"a policy of ours cuts pods off in {name}" for name in namespaces if kube.policies.there(name)]


def _unmark(kube: Kube, namespaces: Sequence[str]) -> None:
    if not kube.closed:
        return
    for name in namespaces:
        kube.policies.mend(name)
    for pod in _pods(kube, namespaces):
        if pod.cut:
            kube.change.mark_cut(pod, None)
        if pod.stopped:
            within.resume(kube, pod)


def _pods(kube: Kube, namespaces: Sequence[str]) -> list[Pod]:
    return [pod for name in namespaces for pod in kube.pods(name)]


def _lost(kube: Kube, namespaces: Sequence[str]) -> list[Lost]:
    return [lost for name in namespaces for lost in kube.change.lost(name)]


def _meshes(kube: Kube, namespaces: Sequence[str]) -> list[Mesh]:
    return [one for name in namespaces for one in kube.meshes.ours(name)]


def _changed(kube: Kube, namespaces: Sequence[str]) -> list[Changed]:
    return [changed for name in namespaces for changed in kube.change.changed(name)]
