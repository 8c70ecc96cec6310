"""The objects of one Airflow deployment, as Kubernetes JSON: recognized by what they run, whatever their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Json = Mapping[str, Any]

SCHEDULER, API_SERVER, WORKER = "scheduler", "api-server", "worker"
TRIGGERER, DAG_PROCESSOR = "triggerer", "dag-processor"
DATABASE, POOLER, BROKER = "database", "pgbouncer", "broker"
AIRFLOW = (API_SERVER, SCHEDULER, WORKER, TRIGGERER, DAG_PROCESSOR)
WORKLOADS = ("Deployment", "StatefulSet")
ELSEWHERE = ("Lease",)  # of nodes, which have a namespace of their own
COMMANDS = {
    "api-server": API_SERVER,
    "webserver": API_SERVER,
    "scheduler": SCHEDULER,
    "worker": WORKER,
    "triggerer": TRIGGERER,
    "dag-processor": DAG_PROCESSOR,
}
IMAGES = {
    "pgbouncer": POOLER,
    "postgres": DATABASE,
    "patroni": DATABASE,
    "spilo": DATABASE,  # Patroni, as Zalando's operator ships it
    "redis": BROKER,
    "valkey": BROKER,
    "rabbitmq": BROKER,
}
# The chart's own pooler is a tag of Airflow's image: recognized by its program, not its name.
PROGRAMS = {"pgbouncer": POOLER, "postgres": DATABASE, "redis-server": BROKER, "valkey-server": BROKER}
SHARE = re.compile(r"\s(?:--apps|--queues|-q)[\s=]+(\S+)")
RUNS = re.compile(r"\bairflow\s+(?:celery\s+)?(api-server|webserver|scheduler|worker|triggerer|dag-processor)\b")
BROKER_WATCH = re.compile(r"sentinel|exporter")


def at(thing: Any, path: str, default: Any = None) -> Any:
    """The value at `a.b.c` in nested mappings; the default if a part is missing or null."""
    for name in path.split("."):
        if not isinstance(thing, Mapping) or thing.get(name) is None:
            return default
        thing = thing[name]
    return thing


def matches(selector: Json | None, labels: Json) -> bool:
    """Whether a label selector matches these labels. An empty one matches all; no selector matches nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in at(selector, "matchLabels", {}).items()):
        return False
    return all(_met(one, labels) for one in at(selector, "matchExpressions", []))


def _met(expression: Json, labels: Json) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(expression.get("operator")), False)


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet, and the part that it plays in Airflow; `floor` is its autoscaler's minimum, or 1."""

    raw: Json
    role: str
    floor: int = 1

    @property
    def kind(self) -> str:
        return str(self.raw["kind"])

    @property
    def name(self) -> str:
        return str(at(self.raw, "metadata.name", ""))

    @property
    def where(self) -> str:
        """Kind and name, for people."""
        return f"{self.kind} {self.name}"

    @property
    def replicas(self) -> int:
        """As its spec says; rendered with an autoscaler, it says nothing."""
        return int(at(self.raw, "spec.replicas", self.floor))

    @property
    def labels(self) -> Json:
        """Of its pods."""
        found: Json = at(self.raw, "spec.template.metadata.labels", {})
        return found

    @property
    def pod(self) -> Json:
        """The pods' spec."""
        found: Json = at(self.raw, "spec.template.spec", {})
        return found

    @property
    def main(self) -> Json:
        """The container that plays the part."""
        containers = at(self.pod, "containers", [])
        return next((c for c in containers if role_of(c)), containers[0] if containers else {})

    @property
    def grace_s(self) -> float:
        return float(at(self.pod, "terminationGracePeriodSeconds", 30))

    @property
    def words(self) -> str:
        """The main container's command line."""
        return command_of(self.main)

    @property
    def share(self) -> str:
        """Which queues a worker serves, or which apps an api-server; it can only stand in for those with its share."""
        found = SHARE.search(self.words)
        return found.group(1) if found else ""


def command_of(container: Json) -> str:
    return " ".join(str(word) for word in [*at(container, "command", []), *at(container, "args", [])])


def role_of(container: Json) -> str:
    """By its command; a database, pooler or broker by its image. Empty if it is none of them."""
    words = command_of(container)
    if found := RUNS.search(words):
        return COMMANDS[found.group(1)]
    # The official image's entrypoint puts `airflow` before what it does not know as a program.
    first = next(iter([*at(container, "command", []), *at(container, "args", [])]), "")
    if str(first) in COMMANDS:
        return COMMANDS[str(first)]
    image = str(container.get("image", ""))
    name = image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]
    if BROKER_WATCH.search(f"{name} {words}"):
        return ""
    program = PROGRAMS.get(str(first).rsplit("/", 1)[-1])
    return program or next((role for word, role in IMAGES.items() if word in name), "")


def release_of(one: Json) -> str:
    """The Helm release that made it, by the labels of the official chart or its subcharts."""
    labels = at(one, "metadata.labels", {})
    return str(labels.get("release") or labels.get("app.kubernetes.io/instance") or "")


def _role(workload: Json) -> str:
    containers = at(workload, "spec.template.spec.containers", [])
    by_command = next((found for c in containers if (found := role_of(c))), "")
    label = str(at(workload, "spec.template.metadata.labels.component", ""))
    by_label = {"webserver": API_SERVER, "postgres": DATABASE, "redis": BROKER}.get(label, label)
    return by_command or (by_label if by_label in (*AIRFLOW, DATABASE, POOLER, BROKER) else "")


def _namespace(one: Json) -> str | None:
    found = at(one, "metadata.namespace")
    return None if found is None else str(found)


def _is_workload(one: Json) -> bool:
    return one.get("kind") in WORKLOADS


class Deployment:
    """All objects of one namespace, and the nodes; anything may be missing."""

    def __init__(
        self,
        objects: Iterable[Json],
        longest_task_s: float = 600.0,
        unseen: Mapping[str, str] | None = None,
        release: str = "",
    ) -> None:
        """`objects` are Kubernetes objects with their `kind`, `unseen` kinds that could not be listed, and why;
        `longest_task_s` comes from the owner. Of several namespaces, only the schedulers' counts; of several releases,
        only the named one, and objects that belong to none."""
        self.unseen = dict(unseen or {})
        objects = [one for one in objects if not release or release_of(one) in (release, "")]
        home = next((_namespace(one) for one in objects if _is_workload(one) and _role(one) == SCHEDULER), None)
        self._by_kind: dict[str, list[Json]] = {}
        for one in objects:
            if home is not None and _namespace(one) not in (home, None) and one.get("kind") not in ELSEWHERE:
                continue
            self._by_kind.setdefault(str(one.get("kind")), []).append(one)
        self.longest_task_s = longest_task_s

    def every(self, kind: str) -> Sequence[Json]:
        return self._by_kind.get(kind, [])

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        floors = {name: least for _, name, least in self.scalers()}
        raw = [one for kind in WORKLOADS for one in self.every(kind)]
        return tuple(
            Workload(one, role, floors.get(str(at(one, "metadata.name", "")), 1)) for one in raw if (role := _role(one))
        )

    def scalers(self) -> Iterator[tuple[Json, str, int]]:
        """Each autoscaler, the name of what it scales, and its minimum."""
        for kind, key, default in (
            ("HorizontalPodAutoscaler", "minReplicas", 1),
            ("ScaledObject", "minReplicaCount", 0),
        ):
            for one in self.every(kind):
                yield one, str(at(one, "spec.scaleTargetRef.name", "")), int(at(one, f"spec.{key}", default))

    @cached_property
    def releases(self) -> tuple[str, ...]:
        """The releases with a scheduler. Two of them are two deployments, which share nothing but a namespace."""
        return tuple(sorted({name for one in self.of(SCHEDULER) if (name := release_of(one.raw))}))

    @cached_property
    def live(self) -> bool:
        """Whether pods are known; what a chart renders has none."""
        return bool(self.every("Pod"))

    def of(self, *roles: str) -> Iterator[Workload]:
        """Workloads of these parts, in the order of the parts."""
        return (one for role in roles for one in self.workloads if one.role == role)

    def replicas(self, role: str) -> int:
        return sum(one.replicas for one in self.of(role))

    def pods(self, workload: Workload) -> list[Json]:
        """The pods that its selector matches, without those that are shutting down."""
        selector = at(workload.raw, "spec.selector")
        return [
            pod
            for pod in self.every("Pod")
            if matches(selector, at(pod, "metadata.labels", {})) and not at(pod, "metadata.deletionTimestamp")
        ]

    def budgets(self, workload: Workload) -> list[Json]:
        """The PodDisruptionBudgets that select its pods."""
        return [b for b in self.every("PodDisruptionBudget") if matches(at(b, "spec.selector"), workload.labels)]

    def has(self, kind: str, name: str) -> bool:
        return any(at(one, "metadata.name") == name for one in self.every(kind))

    def mounted(self, workload: Workload) -> tuple[str, list[str]]:
        """The text of all ConfigMaps that its pods mount, and the names of the Secrets, which nobody reads."""
        texts: list[str] = []
        secrets: list[str] = []
        for volume in at(workload.pod, "volumes", []):
            texts += map(str, self.config_map(str(at(volume, "configMap.name", ""))).values())
            secrets += [str(name)] if (name := at(volume, "secret.secretName")) else []
        return "\n".join(texts), secrets

    def config_map(self, name: str) -> Json:
        """The data of a ConfigMap; empty if it is not known."""
        found = (at(c, "data", {}) for c in self.every("ConfigMap") if at(c, "metadata.name") == name)
        data: Json = next(found, {})
        return data


def ready(pod: Json) -> bool:
    conditions = at(pod, "status.conditions", [])
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
