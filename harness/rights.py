"""Which rights to a cluster a run needs: what each part of it asks the cluster's API for, in one table.

Processes, packets and the power of nodes are reached by `docker exec` and `docker kill`, which no Role can give: that
needs a kind cluster on this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

import yaml

from harness.chaos import actions
from harness.errors import UsageError
from harness.experiment import Experiment
from harness.kube import LEASE, Right
from harness.settings import Settings
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE, SECRET

NAME = "airflow-chaos"
NOTHING: Mapping[str, Any] = MappingProxyType({})
RBAC = "rbac.authorization.k8s.io"
GUARD = "get namespaces {namespace}"  # whether its owner allows faults in it
STACK = (  # each of its namespaces: what preflight, observers and the undo look at
    GUARD,
    "list pods",
    "watch pods",
    "get pods/log",
    "list endpointslices.discovery.k8s.io",
    "watch endpointslices.discovery.k8s.io",
    "list deployments.apps",
    "list statefulsets.apps",
)
LOGIN = (f"get secrets {SECRET}",)
ENTRY = (f"get services {INGRESS_SERVICE}",)
NODES = ("list nodes", "watch nodes")
CLAIM = (
    "create leases.coordination.k8s.io",
    f"get leases.coordination.k8s.io {LEASE}",
    f"update leases.coordination.k8s.io {LEASE}",
    f"delete leases.coordination.k8s.io {LEASE}",
)


@dataclass(frozen=True)
class Needs:
    """What an action needs: where it aims, in each namespace of the stack, and of the whole cluster.

    `enters`: it also enters or switches nodes. `given` is what it needs of the whole cluster where it is called with an
    argument of this name. Words in braces are arguments, too.
    """

    there: tuple[str, ...] = ("list pods",)
    everywhere: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    enters: bool = True
    given: tuple[tuple[str, str], ...] = ()


DEPLOYMENT = ("list pods", "list deployments.apps", "patch deployments.apps")
ACTIONS = {
    "kill_pods": Needs(("list pods", "delete pods"), given=(("away_s", "patch nodes"),)),
    "crash_pods": Needs(),
    "kill_child": Needs(),
    "delete_pods": Needs(("list pods", "delete pods")),
    "evict_pods": Needs(("list pods", "create pods/eviction")),
    "drain_node": Needs(everywhere=("list pods", "create pods/eviction"), cluster=("patch nodes",)),
    "hang_pods": Needs(),
    "renew_pods": Needs(DEPLOYMENT),
    "scale_pods": Needs(DEPLOYMENT),
    "stop_node": Needs(everywhere=("list pods",), cluster=("list nodes",)),
    "stop_announcing_node": Needs(
        ("get services {service}",), ("list pods",), ("list nodes", "list servicel2statuses.metallb.io")
    ),
    "close_nodes": Needs(cluster=("list nodes", "patch nodes"), enters=False),
    "cut_off": Needs(),
    "load_at": Needs(DEPLOYMENT),
    "overload": Needs(enters=False),
    "pile_up": Needs((), enters=False),
    "undo": Needs((), enters=False),  # it takes back what the actions did, with their rights
}


def needed(experiments: Iterable[Experiment], settings: Settings) -> list[Right]:
    """All that runs of these experiments ask the API for, sorted, each once.

    What --allow-providers lets through is not in it.
    """
    here, namespaces = settings.namespace, (settings.namespace, INGRESS_NAMESPACE)
    found = {right for name in namespaces for right in _rights(name, STACK)}
    found.update(_rights(here, (*LOGIN, *CLAIM)), _rights(INGRESS_NAMESPACE, ENTRY), _rights("", NODES))
    for _, needs, arguments in _steps(experiments):
        there = arguments.get("namespace") or here
        more = [words for name, words in needs.given if arguments.get(name)]
        found.update(_rights(there, (GUARD, *needs.there), arguments), _rights("", (*needs.cluster, *more)))
        found.update(right for name in namespaces for right in _rights(name, needs.everywhere))
    return sorted(found)


def claim(namespace: str) -> list[Right]:
    """What the Lease needs, by which harnesses on several machines keep out of each other's way."""
    return list(_rights(namespace, CLAIM))


def guard(namespace: str) -> Right:
    """What it needs to see whether a namespace's owner allows faults in it."""
    return next(_rights(namespace, (GUARD,)))


def entering(experiments: Iterable[Experiment]) -> list[str]:
    """The actions of these experiments that need more than the API, by name."""
    return sorted({func for func, needs, _ in _steps(experiments) if needs.enters})


def _steps(experiments: Iterable[Experiment]) -> Iterator[tuple[str, Needs, dict[str, Any]]]:
    for experiment in experiments:
        for activity in (*experiment.raw.get("method", ()), *experiment.raw.get("rollbacks", ())):
            provider = activity["provider"]
            if provider.get("module") == actions.__name__:
                yield provider["func"], ACTIONS[provider["func"]], provider.get("arguments", {})


def _rights(namespace: str, words: Iterable[str], arguments: Mapping[str, Any] = NOTHING) -> Iterator[Right]:
    return (Right.of(namespace, one.format_map({**arguments, "namespace": namespace})) for one in words)


def manifests(rights: Iterable[Right], account: str) -> str:
    """YAML to apply: a ServiceAccount (`namespace/name`), a Role for each namespace, a ClusterRole for the rest, all of
    its name, and the bindings. Raises `UsageError` where the account is not given so."""
    home, slash, name = account.partition("/")
    if not (home and slash and name) or "/" in name:
        raise UsageError(f"{account!r} names no ServiceAccount; give it as namespace/name")
    documents: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": home}}
    ]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": home}
    for namespace, some in groupby(sorted(rights), key=lambda right: right.namespace):
        kind = "Role" if namespace else "ClusterRole"
        about = {"name": name, "namespace": namespace} if namespace else {"name": name}
        documents.append({"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": about, "rules": _rules(some)})
        role = {"apiGroup": RBAC, "kind": kind, "name": name}
        binding = {"apiVersion": f"{RBAC}/v1", "kind": f"{kind}Binding", "metadata": dict(about)}
        documents.append({**binding, "roleRef": role, "subjects": [dict(subject)]})
    return yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=None)


def _rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """One rule for each kind of object, and each name of one."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource, right.name), []).append(right.verb)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": some, **({"resourceNames": [name]} if name else {})}
        for (group, resource, name), some in verbs.items()
    ]
