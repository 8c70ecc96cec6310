"""What a sweep hits, one after the other: every pod of the stack, or every node; what is not a victim, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.kube import CLUSTERS_OWN, Kube, Pod
from harness.settings import Settings
from harness.swept import LeftOut, Place, What

SYSTEM = "kube-system"
BALANCER, SPEAKER = "metallb-system", "speaker"
VOLUMES = "local-path-storage"
STATIC = "a static pod of the control plane, of which there is one"
OF_NODE = "every node has its own, and it goes with its node: harness sweep nodes"
RECORD = "the suite's own record of what tasks did; it is outside the stack"
ADDRESSES = "gives out addresses, and nobody asks for one while the stack stands"
ROOM = "makes volumes, and nobody asks for one while the stack stands"
CONTROL = "the node of the control plane, of which there is one"
OVER = frozenset({"Succeeded", "Failed"})


def pods(kube: Kube, settings: Settings) -> tuple[tuple[Place, ...], tuple[LeftOut, ...]]:
    """Every pod that has not ended: the victims, by owner and name, and the others. Raises `UsageError` if the cluster
    is not ours."""
    kube.require_ours()
    victims: list[Place] = []
    others: list[LeftOut] = []
    for pod in _all(kube, settings):
        if because := _spared(pod, settings):
            others.append(LeftOut(name=pod.key, because=because))
        else:
            victims.append(place(pod))
    return tuple(sorted(victims, key=lambda p: (p.owner, p.part, p.name))), tuple(others)


def nodes(kube: Kube) -> tuple[tuple[Place, ...], tuple[LeftOut, ...]]:
    """Every node but that of the control plane. Raises `UsageError` if the cluster is not ours."""
    kube.require_ours()
    every = kube.nodes()
    victims = [Place(name=n.name, uid=n.uid, owner="Node", part=n.name, node=n.name) for n in every if not n.holds_data]
    return tuple(victims), tuple(LeftOut(name=n.name, because=CONTROL) for n in every if n.holds_data)


def of(kube: Kube, settings: Settings, what: What) -> tuple[tuple[Place, ...], tuple[LeftOut, ...]]:
    """The victims, and what is not one."""
    return pods(kube, settings) if what == "pods" else nodes(kube)


def unsettled(kube: Kube, settings: Settings, wanted: Sequence[Place] = ()) -> list[str]:
    """The nodes and pods of the stack that are not Ready, or are being deleted; and the owners of those `wanted` that
    have fewer or more."""
    there = [pod for pod in _all(kube, settings) if not _spared(pod, settings)]
    first, now = (Counter(one.owner for one in some) for some in (wanted, map(place, there)))
    return [
        *(node.name for node in kube.nodes() if not node.ready),
        *(pod.key for pod in there if not pod.ready or pod.deleting),
        *(f"{now[owner]} of {many} of {owner}" for owner, many in first.items() if now[owner] != many),
    ]


def selector(one: Place) -> str:
    """The label that selects its kind; Kubernetes labels its own pods differently."""
    return f"{CLUSTERS_OWN if one.owner.startswith(f'{SYSTEM}/') else 'component'}={one.component}"


def place(pod: Pod) -> Place:
    """A pod's place: pods of a Deployment are all alike, others go by number or node."""
    kind = pod.owner.partition("/")[0]
    part = {"Deployment": "", "DaemonSet": pod.node}.get(kind, pod.name)
    return Place(
        name=pod.key,
        uid=pod.uid,
        owner=f"{pod.namespace}/{pod.owner}",
        part=part,
        component=pod.component,
        node=pod.node,
        duty=pod.duty,
    )


def _all(kube: Kube, settings: Settings) -> Iterator[Pod]:
    for namespace in (*settings.aim.namespaces, BALANCER, SYSTEM, settings.ledger_namespace, VOLUMES):
        yield from (pod for pod in kube.pods(namespace) if pod.phase not in OVER and pod.attempt is None)


def _spared(pod: Pod, settings: Settings) -> str:
    """Why a pod is not a victim; "" if it is one, as all are by default."""
    if pod.namespace in (settings.ledger_namespace, VOLUMES):
        return RECORD if pod.namespace == settings.ledger_namespace else ROOM
    if pod.owner.startswith("Node/"):
        return STATIC
    if pod.namespace == BALANCER and pod.component != SPEAKER:
        return ADDRESSES
    return OF_NODE if pod.daemon and pod.namespace == SYSTEM else ""
