"""What experiments aim at, as a reader looks for it: each target has a page, and each component belongs to one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import UsageError
from harness.experiment import Experiment


@dataclass(frozen=True)
class Target:
    """One page. Experiments on other pages with one of `tags` concern its reader too."""

    name: str
    title: str
    lead: str
    components: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def page(self) -> str:
        return f"{self.name}.md"


TARGETS = (
    Target(
        "scheduler",
        "Scheduler",
        "It decides what runs. When it dies, hangs, is cut off or loses its node, its tasks must go on and be adopted,"
        " and whatever is due must run, once.",
        ("scheduler",),
        ("scheduler",),
    ),
    Target(
        "webserver",
        "Webserver",
        "Airflow 3 calls it api-server. Users and running tasks both talk to it: its peers must answer their requests,"
        " and tasks must survive a silence.",
        ("api-server",),
        ("webserver", "api-server"),
    ),
    Target(
        "worker",
        "Worker",
        "It runs the tasks: a Celery worker, or a pod per task. What dies with it must be noticed and run again, once.",
        ("worker",),
        ("worker",),
    ),
    Target(
        "triggerer",
        "Triggerer",
        "Deferred tasks wait in it. Another one must take them over.",
        ("triggerer",),
        ("triggerer",),
    ),
    Target(
        "dag-processor",
        "DAG processor",
        "It reads the DAG files. Known DAGs must go on running without it, and new ones be seen once it is back.",
        ("dag-processor",),
        ("dag-processor",),
    ),
    Target(
        "ingress",
        "Ingress and load balancer",
        "Every request passes through it: the controllers, and the node that announces the load balancer's address.",
        ("ingress",),
        ("ingress",),
    ),
    Target(
        "database",
        "Database",
        "Airflow's metadata: a single PostgreSQL, or three under Patroni behind PgBouncer.",
        ("postgres", "patroni", "pgbouncer"),
        ("database",),
    ),
    Target(
        "broker",
        "Broker",
        "Celery's messages: a single Redis, or three with Sentinel.",
        ("redis", "broker", "sentinel"),
        ("broker",),
    ),
    Target(
        "kubernetes",
        "Kubernetes",
        "What Airflow stands on: the cluster's own API server, and its DNS.",
        ("kube-apiserver", "kube-dns"),
        ("kubernetes-control-plane",),
    ),
    Target(
        "any",
        "Any pod, any node",
        "Whatever it is, the rest must go on without it. [May any one die?](../run.md#may-any-one-die) says how to try"
        " each in turn.",
        ("any",),
        ("node", "drain"),
    ),
    Target(
        "nothing",
        "Nothing broken",
        "What the checks measure with no fault: the noise floor, and whether the stack is right to begin with.",
        ("none",),
        ("null", "healthy"),
    ),
)

# Each kind of fault, with its actions.
KINDS = {
    "killed": ("kill_pods", "crash_pods", "kill_child"),
    "deleted or evicted": ("delete_pods", "evict_pods"),
    "hung": ("hang_pods",),
    "cut off from the network": ("cut_off",),
    "asked to hand over": ("switch_over",),
    "lost and restored": ("lose_and_restore",),
    "node switched off": ("stop_node", "stop_announcing_node"),
    "node drained, or closed to new pods": ("drain_node", "close_nodes"),
    "rolled or scaled": ("renew_pods", "scale_pods"),
    "given another secret": ("rotate_secret",),
    "given another release": ("upgrade",),
    "overloaded": ("load_at", "overload"),
}


def of(component: str) -> Target:
    """The target that a component belongs to. Raises `UsageError` if it belongs to none."""
    found = next((target for target in TARGETS if component in target.components), None)
    if found is None:
        raise UsageError(f"component {component!r} has no page; add it to TARGETS in harness/catalogue/targets.py")
    return found


def at(found: Iterable[Experiment], target: Target) -> list[Experiment]:
    """The experiments of a page."""
    return [one for one in found if one.plan.component in target.components]


def related(found: Iterable[Experiment], target: Target) -> list[Experiment]:
    """Experiments on other pages that have a tag of this one."""
    return [
        one
        for one in found
        if one.plan.component not in target.components and not set(target.tags).isdisjoint(one.raw.get("tags", ()))
    ]


def by_kind(found: Iterable[Experiment]) -> dict[str, list[Experiment]]:
    """Kind of fault → experiments whose method has one."""
    every = list(found)
    return {kind: [one for one in every if not _actions(one).isdisjoint(names)] for kind, names in KINDS.items()}


def _actions(one: Experiment) -> set[str]:
    return {step["provider"]["func"] for step in one.raw["method"]}
