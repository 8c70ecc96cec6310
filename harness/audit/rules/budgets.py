"""What a drain may take at once, and whether it can end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from harness.audit.deployment import (
    AIRFLOW,
    BROKER,
    DATABASE,
    POOLER,
    WORKLOADS,
    Deployment,
    Json,
    Workload,
    at,
    matches,
)
from harness.audit.rule import Book, Said, broken, either

book = Book()
READS = ("PodDisruptionBudget",)
MAKE_PODS = (*WORKLOADS, "DaemonSet", "ReplicaSet")
EVERY = (*AIRFLOW, POOLER, BROKER, DATABASE)


def allowed(budget: Json, replicas: int) -> int:
    """How many of so many healthy pods may be evicted at once; percentages round up, as in Kubernetes."""
    if (most := at(budget, "spec.maxUnavailable")) is not None:
        return min(replicas, count(most, replicas))
    return max(0, replicas - count(at(budget, "spec.minAvailable", 1), replicas))


def count(said: object, replicas: int, whole: Callable[[float], int] = math.ceil) -> int:
    """A number of pods, or a share of so many; `whole` rounds the share."""
    text = str(said)
    return whole(float(text.rstrip("%")) * replicas / 100) if text.endswith("%") else int(text)


def _each(deployment: Deployment) -> Iterator[tuple[Workload, Json]]:
    for one in deployment.of(*EVERY):
        for budget in deployment.budgets(one):
            yield one, budget


def _name(budget: Json) -> str:
    return f"PodDisruptionBudget {at(budget, 'metadata.name')}"


@book.rule(
    "budget-missing",
    "A disruption budget for whatever has two replicas",
    outage="A drain of two nodes, or an upgrade of the cluster, takes all replicas at once.",
    change="scheduler: {podDisruptionBudget: {enabled: true, config: {maxUnavailable: 1}}}",
    experiment="scheduler-evict",
    reads=READS,
)
def _missing(deployment: Deployment) -> Iterator[Said]:
    for one in deployment.of(*EVERY):
        if one.replicas >= 2:
            yield either(bool(deployment.budgets(one)), one.where, "has one", "has none")


@book.rule(
    "budget-blocks",
    "A budget that lets a drain end",
    outage="No node can be drained: an upgrade of the cluster hangs, or an operator deletes the pods by force.",
    change="scheduler: {podDisruptionBudget: {enabled: true, config: {maxUnavailable: 1}}}",
    experiment="scheduler-node-drain",
    reads=READS,
)
def _blocks(deployment: Deployment) -> Iterator[Said]:
    for one, budget in _each(deployment):
        left = allowed(budget, one.replicas)
        yield either(left >= 1, _name(budget), f"lets {left} go", f"never lets one of {one.replicas} go")


@book.rule(
    "budget-allows-all",
    "A budget that keeps one",
    outage="A drain may take every replica at once, as if there were no budget.",
    change="apiServer: {podDisruptionBudget: {enabled: true, config: {maxUnavailable: 1}}}",
    experiment="scheduler-evict",
    reads=READS,
)
def _allows_all(deployment: Deployment) -> Iterator[Said]:
    for one, budget in _each(deployment):
        if one.replicas >= 2:
            left = allowed(budget, one.replicas)
            bad = f"lets all {one.replicas} go at once"
            yield either(left < one.replicas, _name(budget), f"keeps {one.replicas - left}", bad)


@book.rule(
    "budget-selects-nothing",
    "A budget that selects what is there",
    outage="It protects nothing: its selector matches no pod.",
    change="# the budget's selector must match the pods' labels",
    reads=READS,
)
def _selects_nothing(deployment: Deployment) -> Iterator[Said]:
    """Anybody's pods count: what a file renders beyond Airflow may have budgets too."""
    labels = [at(one, "spec.template.metadata.labels", {}) for kind in MAKE_PODS for one in deployment.every(kind)]
    for budget in deployment.every("PodDisruptionBudget"):
        found = any(matches(at(budget, "spec.selector"), some) for some in labels)
        pods = any(matches(at(budget, "spec.selector"), at(p, "metadata.labels", {})) for p in deployment.every("Pod"))
        if not found and not pods:
            yield broken(_name(budget), "matches no pod of this namespace")


@book.rule(
    "budget-keeps-the-sick",
    "A budget that lets pods go that are not Ready",
    outage="A pod that cannot become Ready blocks the drain of its node: the budget counts it as already missing.",
    change="# unhealthyPodEvictionPolicy: AlwaysAllow in the PodDisruptionBudget (the chart has no value for it)",
    experiment="scheduler-node-drain",
    reads=READS,
)
def _sick(deployment: Deployment) -> Iterator[Said]:
    for _, budget in _each(deployment):
        policy = at(budget, "spec.unhealthyPodEvictionPolicy", "IfHealthyBudget")
        yield either(policy == "AlwaysAllow", _name(budget), "lets them go", f"{policy}: keeps them")
