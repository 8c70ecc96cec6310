"""Install, look at and remove a Job or CronJob in the cluster: from this machine, with its user's own rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness import experiment as experiments
from harness import rights
from harness.errors import OutOfReach, UsageError
from harness.experiment import Experiment
from harness.job import objects
from harness.job.objects import MANAGED, NAME, OWNER, Order
from harness.kube import Kube
from harness.kube.hardened import waits
from harness.kube.manifests import Manifests
from harness.preflight import in_reach, possible, suite_version
from harness.settings import Settings
from harness.stack import cluster, images, recipes
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE
from harness.target import inside
from harness.wait import until

IMAGE = "harness"
SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED.items())
ROLES = ("RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole")
GONE_WITHIN_S = objects.GRACE_S + 60.0
LOG_LINES = 400
Say = Callable[[str], None]
State = Literal["none", "scheduled", "waiting", "running", "ended"]


@dataclass(frozen=True)
class Seen:
    """What is installed. `code` is the last container's exit code, and `because` what the cluster says about it."""

    kind: str = ""
    state: State = "none"
    pod: str = ""
    node: str = ""
    code: int | None = None
    because: str = ""
    lines: tuple[str, ...] = field(default=(), repr=False)


def aim(settings: Settings, kube: Kube) -> Settings:
    """The settings, aimed at the target as a pod sees it. Raises `UsageError` if that is not known, or if our pod would
    stand in it."""
    if settings.target:
        target = inside.of_others(settings.target)
    else:
        address = kube.load_balancer(INGRESS_NAMESPACE, INGRESS_SERVICE)
        if address is None:
            raise UsageError("the stack is not up: its load balancer has no address; run harness up")
        target = inside.of_ours(settings.namespace, address, settings.ledger_namespace)
    home = settings.job_namespace
    if home in (*target.namespaces, settings.ledger_namespace):
        raise UsageError(
            f"the harness would stand in {home}, which is what it is to break or to believe; "
            "set AIRFLOW_CHAOS_JOB_NAMESPACE to another name"
        )
    return settings.model_copy(update={"target": target})


def sorted_out(found: Sequence[Experiment], there: Settings) -> tuple[list[Experiment], list[str]]:
    """The experiments that can run there, and why each of the others will be skipped. Raises `UsageError` if one names
    the harness's own namespace, `OutOfReach` if none can run."""
    can, skipped = [], []
    for one in found:
        if there.job_namespace in _named(one):
            raise UsageError(f"{one.name} is about {there.job_namespace}, where the harness itself would stand")
        try:
            possible(one, there)
            in_reach(one, there, ours=False)
            can.append(one)
        except OutOfReach as cause:
            skipped.append(f"{one.name}: {cause}")
    if found and not can:
        raise OutOfReach(f"nothing of this can be run in the cluster: {'; '.join(skipped)}")
    return can, skipped


def _named(one: Experiment) -> set[str]:
    """The namespaces that an experiment names."""
    arguments = [activity["provider"].get("arguments", {}) for activity in one.method()]
    return {*one.plan.watch, *(str(said.get(key)) for said in arguments for key in ("namespace", "ns") if key in said)}


def image(settings: Settings, nodes: Sequence[str], say: Say) -> str:
    """Build the image of this suite, put it into these nodes of our cluster, and return its reference."""
    return images.ensure_own(settings, recipes.load(), IMAGE, nodes, say)


def install(order: Order, settings: Settings, say: Say) -> list[str]:
    """Install it; returns what will be skipped, and why. Raises `UsageError` if it cannot be, with nothing changed.

    A Job that has ended is replaced, and one that has not is left alone. Its reports stay.
    """
    kube = Kube(settings)
    for namespace in settings.aim.namespaces:
        kube.confirm(namespace)
    there = aim(settings, kube)
    can, skipped = sorted_out([experiments.load(path) for path in order.paths], there)
    known = [node.name for node in kube.nodes()]
    if order.node and order.node not in known:
        raise UsageError(f"there is no node {order.node}; there are: {', '.join(known)}")
    _make_room(kube.manifests, settings.job_namespace, order)
    if not order.image:
        order = replace(order, image=image(settings, _nodes(settings), say))
    assert there.target is not None
    found = objects.documents(order, settings, there.target, rights.needed(can, there), suite_version())
    _forget_roles(kube.manifests, found)
    for document in found:
        kube.manifests.apply(document)
    return skipped


def _nodes(settings: Settings) -> list[str]:
    """The nodes of our own cluster. Raises `UsageError` for any other: images get there only through a registry."""
    if settings.target:
        raise UsageError(
            "no node of somebody else's cluster has our image: build it with `harness job image`, push it to where "
            "they pull from, and name it with --image"
        )
    return [name for name, _, _ in cluster.containers(settings)]


def _make_room(manifests: Manifests, home: str, order: Order) -> None:
    """Delete a Job that has ended, since Jobs cannot change. Raises `UsageError` if something else is in the way."""
    seen = look(manifests, home)
    if seen.state in ("waiting", "running"):
        raise UsageError(f"a Job is already at work ({seen.pod or 'no pod yet'}); wait for it, or `harness job remove`")
    if seen.kind == "CronJob" and not order.schedule:
        raise UsageError("a CronJob is there, with a volume and rights of its own; `harness job remove` it first")
    _delete(manifests, [("Job", home, NAME)])


def _forget_roles(manifests: Manifests, found: Sequence[dict[str, Any]]) -> None:
    """Take back the rights that an earlier Job needed and this one does not."""
    kept = {(one["kind"], one["metadata"].get("namespace", "")) for one in found}
    for kind, namespace, name in _roles(manifests):
        if (kind, namespace) not in kept:
            manifests.delete(kind, namespace, name)


def _roles(manifests: Manifests) -> Iterator[tuple[str, str, str]]:
    for kind in ROLES:
        for one in manifests.everywhere(kind, SELECTOR):
            yield kind, one["metadata"].get("namespace", ""), one["metadata"]["name"]


def remove(settings: Settings, say: Say, *, volume: bool) -> list[str]:
    """Remove everything; the volume, with all reports on it, only with `volume`. Returns what was there.

    A run under way is undone and closed first: its pod gets the time for that.
    """
    manifests, home = Kube(settings).manifests, settings.job_namespace
    found = [("CronJob", home, NAME), ("Job", home, NAME), ("Pod", home, objects.COLLECTOR)]
    removed = _delete(manifests, found)
    if pods := manifests.listed("Pod", home, OWNER):
        say(f"waiting until {pods[-1]['metadata']['name']} has undone what it broke")
    until(
        lambda: manifests.listed("Pod", home, OWNER), lambda p: not p, what="the end of its pods", timeout=GONE_WITHIN_S
    )
    rest = [*_roles(manifests), ("ConfigMap", home, NAME), ("ServiceAccount", home, objects.ACCOUNT)]
    if volume:
        rest += [("PersistentVolumeClaim", home, NAME), ("Namespace", "", home)]
    return [*removed, *_delete(manifests, [one for one in rest if one[0] != "Namespace" or _is_ours(manifests, home)])]


def _is_ours(manifests: Manifests, home: str) -> bool:
    found = manifests.read("Namespace", "", home)
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    return MANAGED.items() <= labels.items()


def _delete(manifests: Manifests, places: Sequence[tuple[str, str, str]]) -> list[str]:
    """Delete these, and return those that were there, in words. Waits until a Job is gone, since another may take its
    name."""
    there = [one for one in places if manifests.delete(*one)]
    for kind, namespace, name in there:
        if kind in ("Job", "CronJob"):
            until(
                lambda k=kind, s=namespace, n=name: manifests.read(k, s, n),  # type: ignore[misc]
                lambda left: left is None,
                what=f"the end of {kind} {name}",
                timeout=60,
            )
    return [f"{kind} {f'{namespace}/' if namespace else ''}{name}" for kind, namespace, name in there]


def look(manifests: Manifests, home: str) -> Seen:
    """What is installed: of a CronJob, its newest Job."""
    jobs = manifests.listed("Job", home, SELECTOR)
    timed = manifests.read("CronJob", home, NAME)
    kind = "CronJob" if timed else "Job" if jobs else ""
    if not jobs:
        return Seen(kind, "scheduled", because=str(timed["spec"]["schedule"])) if timed else Seen()
    job = jobs[-1]
    pods = manifests.listed("Pod", home, f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}")
    conditions = job.get("status", {}).get("conditions") or ()
    over = [c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"]
    because = " ".join(str(c["message"]) for c in over if c.get("message"))
    if not pods:
        return Seen(kind, "ended" if over else "waiting", because=because)
    pod = pods[-1]
    name, running = pod["metadata"]["name"], pod["status"].get("phase") == "Running"
    state: State = "ended" if over else "running" if running else "waiting"
    lines = tuple(manifests.log(home, name, LOG_LINES))
    return Seen(kind, state, name, pod["spec"].get("nodeName", ""), _code(pod), because or waits(pod), lines)


def _code(pod: dict[str, Any]) -> int | None:
    statuses = pod["status"].get("containerStatuses") or [{}]
    code = statuses[0].get("state", {}).get("terminated", {}).get("exitCode")
    return int(code) if code is not None else None
