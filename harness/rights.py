"""The rights to a cluster that a run needs: what each part of it asks of the cluster's API, in one table.

Processes, packets and the power of nodes are reached by `docker exec` and `docker kill`, which no Role can grant: that
needs a kind cluster on this machine. On others, an agent reaches all but the power, if the owner allows one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any, Literal

import yaml

from harness.chaos import actions, borrowed
from harness.errors import UsageError
from harness.experiment import Experiment
from harness.kube import LEASE, Right
from harness.kube.mesh import rights as mesh_rights
from harness.observe.servers import PATRONI
from harness.settings import Settings
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE

NAME = "airflow-chaos"
NOTHING: Mapping[str, Any] = MappingProxyType({})
RBAC = "rbac.authorization.k8s.io"
GUARD = "get namespaces {namespace}"  # whether its owner allows faults in it
STACK = (  # in each of its namespaces: what preflight, observers and the undo look at
    GUARD,
    "list pods",
    "watch pods",
    "get pods/log",
    "list endpointslices.discovery.k8s.io",
    "watch endpointslices.discovery.k8s.io",
    "list deployments.apps",
    "list statefulsets.apps",
)
AUDIT = (  # what `harness audit` lists; not Secrets, since whoever may list their names may read them
    "list deployments.apps",
    "list statefulsets.apps",
    "list pods",
    "list configmaps",
    "list poddisruptionbudgets.policy",
    "list endpointslices.discovery.k8s.io",
    "list horizontalpodautoscalers.autoscaling",
    "list scaledobjects.keda.sh",
)
CLOCKS = "kube-node-lease"  # the namespace in which each node reports its time
ENTRY = (f"get services {INGRESS_SERVICE}",)
NODES = ("list nodes", "watch nodes")
# Each server is asked who is the primary, in its pod, and Patroni's own note is read.
PRIMARIES = ("create pods/exec", "get pods/exec", f"get endpoints {PATRONI}")
SEVERAL = "celery-ha"  # the stack whose database and broker are several servers
# Vantage points are pods of a Job of ours, in a namespace of their own that exists by then.
VANTAGE = (
    GUARD,
    "create jobs.batch",
    "patch jobs.batch",
    "get jobs.batch",
    "delete jobs.batch",
    "create secrets",
    "patch secrets",
    "list pods",
    "create pods/exec",
    "get pods/exec",
)
CLAIM = (
    "create leases.coordination.k8s.io",
    f"get leases.coordination.k8s.io {LEASE}",
    f"update leases.coordination.k8s.io {LEASE}",
    f"delete leases.coordination.k8s.io {LEASE}",
)


Beyond = Literal["", "looks", "enters", "powers"]
# Other people's data may not be lost, and what upgrades their deployments keeps a record of their releases.
DATA, DEPLOYED = "a database that we made", "a deployment that we made"
# What an action needs where nodes are closed: a process of ours in each container that is to end.
CANARIES = ("create pods/exec", "get pods/exec")
AGENTS = (GUARD, "create pods", "list pods", "delete pods", "create pods/exec", "get pods/exec")  # where they are made
LEFT_AGENTS = (GUARD, "list pods")  # whether one was left
POLICIES = "list networkpolicies.networking.k8s.io"  # whether one of ours was left, where nodes are closed


@dataclass(frozen=True)
class Needs:
    """What an action needs: `there`, where it aims; `everywhere`, in each namespace of the stack; in all the `cluster`.

    `beyond` the API it `looks` at the processes of nodes, `enters` nodes to break something, or switches their power.
    `closed` is what else it needs where it aims if nodes are closed; None: it cannot be done then. `given` is what it
    needs in the whole cluster if it is called with an argument of this name, `also` in the namespace `also_in`.
    `ours` is what it needs that only a cluster that we made has.
    Words in braces are arguments too.
    """

    there: tuple[str, ...] = ("list pods",)
    everywhere: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    beyond: Beyond = "looks"
    closed: tuple[str, ...] | None = CANARIES
    given: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()
    ours: str = ""

    def of_cluster(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """What it needs in the whole cluster, called with these arguments."""
        return (*self.cluster, *(words for name, words in self.given if arguments.get(name)))

    def lacks(self, nodes: str, arguments: Mapping[str, Any], *, ours: bool) -> str:
        """What is out of its reach if nodes are reached in this way; "" if it can be done."""
        if self.ours and not ours:
            return self.ours
        if self.beyond == "powers" and nodes != "docker":
            return "the power of nodes"
        if self.beyond and nodes == "closed" and self.closed is None:
            return "nodes, which are closed"
        if nodes == "closed" and arguments.get("also_in"):
            return "packets to another namespace, which no policy of one can drop"
        return "" if ours or PATCH not in self.of_cluster(arguments) else "nodes, which belong to all in a cluster"


WORKLOADS = ("list pods", "list deployments.apps", "list statefulsets.apps")
ROLLS = ("patch deployments.apps", "patch statefulsets.apps")
DEPLOYMENT = ("list pods", "list deployments.apps", "patch deployments.apps")
PATCH = "patch nodes"
CUT = (
    *CANARIES,
    "patch pods",
    "create networkpolicies.networking.k8s.io",
    "delete networkpolicies.networking.k8s.io",
    POLICIES,
)
INSIDE = ("list pods", *CANARIES)  # asked from within its pod
ACTIONS = {
    "back_up": Needs(INSIDE, beyond=""),
    "kill_pods": Needs(("list pods", "delete pods"), beyond="enters", given=(("away_s", PATCH),)),
    "crash_pods": Needs(beyond="enters", closed=None),
    "kill_child": Needs(beyond="enters", closed=None),
    "delete_pods": Needs(("list pods", "delete pods")),
    "evict_pods": Needs(("list pods", "create pods/eviction")),
    "drain_node": Needs(everywhere=("list pods", "create pods/eviction"), cluster=(PATCH,)),
    "hang_pods": Needs(beyond="enters", closed=(*CANARIES, "patch pods")),
    "renew_pods": Needs(DEPLOYMENT),
    "rotate_secret": Needs((*WORKLOADS, *ROLLS, *CANARIES, "patch secrets {secret}")),
    "scale_pods": Needs(DEPLOYMENT),
    "upgrade": Needs((*WORKLOADS, *ROLLS, *CANARIES, "list jobs.batch", "create jobs.batch"), ours=DEPLOYED),
    "stop_node": Needs(everywhere=("list pods",), cluster=("list nodes",), beyond="powers", closed=None),
    "stop_announcing_node": Needs(
        ("get services {service}",),
        ("list pods",),
        ("list nodes", "list servicel2statuses.metallb.io"),
        beyond="powers",
        closed=None,
    ),
    "close_nodes": Needs(cluster=("list nodes", PATCH), beyond=""),
    "cut_off": Needs(beyond="enters", closed=CUT, also=("list pods",)),
    "switch_over": Needs(INSIDE, beyond=""),
    "lose_and_restore": Needs((*INSIDE, "patch statefulsets.apps"), beyond="enters", closed=None, ours=DATA),
    "load_at": Needs(DEPLOYMENT),
    "overload": Needs(beyond=""),
    "pile_up": Needs((), beyond=""),
    "undo": Needs((), beyond=""),  # it takes back what the actions did, with their rights
}

PATCHES_NODES = ("list nodes", "patch nodes")
# Foreign actions that we know: what their own calls need, and what ours around them do.
BORROWED = {
    "chaosk8s.pod.actions.terminate_pods": Needs(("list pods", "delete pods")),
    "chaosk8s.pod.actions.delete_pods": Needs(("list pods", "delete pods")),
    "chaosk8s.node.actions.drain_nodes": Needs(
        ("list pods",), cluster=(*PATCHES_NODES, "list pods", "get pods", "create pods/eviction")
    ),
    "chaosk8s.node.actions.cordon_node": Needs(cluster=PATCHES_NODES, beyond=""),
    "chaosk8s.node.actions.uncordon_node": Needs((), cluster=PATCHES_NODES, beyond=""),
    "chaosk8s.deployment.actions.scale_deployment": Needs((*WORKLOADS, "patch deployments.apps")),
    "chaosk8s.deployment.actions.rollout_deployment": Needs((*WORKLOADS, "patch deployments.apps")),
    "chaosk8s.statefulset.actions.scale_statefulset": Needs((*WORKLOADS, "patch statefulsets.apps")),
    **{one.home: Needs((*INSIDE, *mesh_rights(one.made)), beyond="") for one in borrowed.KNOWN.values() if one.made},
}


def needed(experiments: Iterable[Experiment], settings: Settings) -> list[Right]:
    """Everything that runs of these experiments ask of the API, sorted, each once.

    It leaves out whatever --allow-providers lets through.
    """
    here, aim = settings.namespace, settings.aim
    experiments = list(experiments)
    watched = {name for one in experiments for name in one.plan.watch}
    found = {right for name in (*aim.namespaces, *watched) for right in _rights(name, STACK)}
    found.update(_rights(here, (*_login(settings), *CLAIM)), _rights("", NODES))
    if not settings.target:  # a target's address is in its file
        found.update(_rights(INGRESS_NAMESPACE, ENTRY))
    found.update(_rights(here, PRIMARIES if settings.stack == SEVERAL else ()))
    if aim.nodes == "agent":
        found.update(_rights(aim.agent.namespace, AGENTS if beyond(experiments) else LEFT_AGENTS))
    if settings.vantage or any(one.plan.probe.vantage for one in experiments):
        found.update(_rights(settings.job_namespace, VANTAGE))
    for _, needs, arguments in _steps(experiments):
        there = arguments.get("namespace") or arguments.get("ns") or here
        inside = needs.closed or () if needs.beyond and aim.nodes == "closed" else ()
        found.update(_rights(there, (GUARD, *needs.there, *inside), arguments))
        if needs.also and (where := arguments.get("also_in")):
            found.update(_rights(where, (GUARD, *needs.also)))
        found.update(_rights("", needs.of_cluster(arguments)))
        found.update(right for name in aim.namespaces for right in _rights(name, needs.everywhere))
    if aim.nodes == "closed":
        found.update(right for name in (*aim.namespaces, *watched) for right in _rights(name, (POLICIES,)))
    return sorted(found)


def _login(settings: Settings) -> tuple[str, ...]:
    kept = (settings.aim.login, settings.aim.ledger)
    return tuple(dict.fromkeys(f"get secrets {one.secret}" for one in kept if one and one.secret))


def auditing(namespace: str) -> list[Right]:
    """All that an audit of this namespace asks for, except the names of Secrets."""
    leases = _rights(CLOCKS, ("list leases.coordination.k8s.io",))
    return [*_rights(namespace, AUDIT), *leases, *_rights("", ("list nodes",))]


def claim(namespace: str) -> list[Right]:
    """The rights to the Lease that keeps harnesses on several machines out of each other's way."""
    return list(_rights(namespace, CLAIM))


def guard(namespace: str) -> Right:
    """The right to see whether a namespace's owner allows faults in it."""
    return next(_rights(namespace, (GUARD,)))


def beyond(experiments: Iterable[Experiment]) -> list[str]:
    """The actions of these experiments that need more than the API, by name."""
    return sorted({func for func, needs, _ in _steps(experiments) if needs.beyond})


def out_of_reach(experiment: Experiment, settings: Settings, *, ours: bool) -> dict[str, str]:
    """The actions of an experiment that cannot be done on the target, by name, each with what is out of its reach."""
    found = {}
    for func, needs, said in _steps([experiment]):
        there = said.get("namespace") or said.get("ns") or settings.namespace
        found[func] = needs.lacks(settings.aim.nodes, said, ours=ours)
        if settings.target and not ours:  # the undo looks into no other namespaces
            strange = {there, said.get("also_in") or there}.difference(settings.aim.namespaces)
            if strange:
                found[func] = f"namespace {min(strange)}, which its file does not name (`beside`)"
    return {func: what for func, what in found.items() if what}


def _steps(experiments: Iterable[Experiment]) -> Iterator[tuple[str, Needs, dict[str, Any]]]:
    for experiment in experiments:
        for activity in (*experiment.raw.get("method", ()), *experiment.raw.get("rollbacks", ())):
            provider = activity["provider"]
            arguments = provider.get("arguments", {})
            if provider.get("module") == actions.__name__:
                yield provider["func"], ACTIONS[provider["func"]], arguments
            elif known := borrowed.KNOWN.get(full := borrowed.named(provider)):
                yield full, BORROWED[full], {**arguments, "ns": known.model_validate(arguments).namespace}


def _rights(namespace: str, words: Iterable[str], arguments: Mapping[str, Any] = NOTHING) -> Iterator[Right]:
    return (Right.of(namespace, one.format_map({**arguments, "namespace": namespace})) for one in words)


def manifests(rights: Iterable[Right], account: str) -> str:
    """YAML to apply: a ServiceAccount (`namespace/name`), a Role for each namespace, a ClusterRole for the rest, all
    with its name, and the bindings. Raises `UsageError` if the account is not given in this form."""
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
