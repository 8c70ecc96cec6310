"""Another release of Airflow, under load, as `helm upgrade` of the official chart brings it: all that runs it gets the
new image, a Job with that image migrates the database, and pods of the new release wait until it has.

The way back is forward: an older release cannot read the tables of a newer one. What is due is marked first
(`kube/releases.py`), so whoever comes after a harness that was killed in between brings all to the new release.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.chaos.blast import Blow
from harness.chaos.context import Context
from harness.chaos.strike import EVERY_SECONDS, Strike, choose
from harness.errors import FaultError, HarnessError
from harness.kube import Kube, Pod, Release

ACTION = "upgrade"
API_SERVER = "api-server"
CALL_S = 20.0
# Asked of a pod by its own Python: which tables the database has, which release is installed, and which one answers.
_REVISION = """
import os, psycopg2
url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
cursor = psycopg2.connect(url, connect_timeout=5).cursor()
cursor.execute("SELECT version_num FROM alembic_version")
print(*sorted(row[0] for row in cursor.fetchall()))
"""
_INSTALLED = """
from importlib.metadata import version
print(version("apache-airflow-core"))
"""
_ANSWERS = """
import json, urllib.request
print(json.load(urllib.request.urlopen("http://127.0.0.1:8080/api/v2/version", timeout=10))["version"])
"""


@dataclass(frozen=True)
class Look:
    """What was seen at one moment: the database's revision, and by pod its image, the release that is installed in it,
    and of api-servers the one that answers. What could not be asked for is not there."""

    revision: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    installed: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)


def aimed(kube: Kube, namespace: str, tag: str) -> list[Pod]:
    """The pods that would be replaced now. Raises `FaultError` where there is none, or all have this tag already."""
    return _due(kube, namespace, tag)[1]


def upgrade(context: Context, namespace: str, tag: str, within_s: float) -> list[dict[str, Any]]:
    """Have all that runs Airflow run the image with this tag, migrate the database, and wait until every old pod is
    gone and every new one says which release it is."""
    kube, releases = context.kube, context.kube.change.releases
    release, pods = _due(kube, namespace, tag)
    image, before = release.tagged(tag), _look(kube, pods)
    strike = Strike.begin(context, ACTION, namespace, image, Blow(pods, seconds=within_s), settled=True, kind="Image")
    strike.look_into(pods)
    deadline, t = time.monotonic() + within_s, context.recorder.now()
    releases.owe(namespace, image)
    releases.bring(namespace, image)
    for pod in pods:
        strike.hit(pod, strike.known.get(pod.uid), t, how="its image was replaced", image=image)
    migrated_t = _reach(strike, deadline, lambda: releases.migrated(namespace, image))
    if migrated_t is not None:  # without, no pod of the new release starts
        strike.watch(max(0.0, deadline - time.monotonic()), objects=True)
    complete_t = _reach(strike, deadline, lambda: len(_new(kube, namespace, release, image)) >= _wanted(release))
    after = _look(kube, _new(kube, namespace, release, image))
    told: dict[str, Any] = {"image": image, "before": asdict(before), "after": asdict(after)}
    return strike.prove_gone(0, **told, migrated_t=migrated_t, complete_t=complete_t)


def _due(kube: Kube, namespace: str, tag: str) -> tuple[Release, list[Pod]]:
    kube.require_ours()  # who keeps a record of releases, such as Helm, would not know of this one
    release = kube.change.releases.runs(namespace)
    if release.image == release.tagged(tag):
        raise FaultError(f"{namespace} runs {release.image} already; `harness up --stack` makes the ground again")
    if pods := _of(kube, namespace, release):
        return release, pods
    raise FaultError(f"no pod in {namespace} runs {release.image}; nothing was changed")


def _of(kube: Kube, namespace: str, release: Release) -> list[Pod]:
    owners = {f"{one.kind}/{one.name}" for one in release.workloads}
    return [pod for pod in choose(kube.pods(namespace), "all", 0) if pod.owner in owners]


def _wanted(release: Release) -> int:
    return sum(one.replicas for one in release.workloads)


def _new(kube: Kube, namespace: str, release: Release, image: str) -> list[Pod]:
    """The pods of the new release that serve; none while one of another image is there."""
    pods = _of(kube, namespace, release)
    return [pod for pod in pods if pod.ready] if all(pod.image == image for pod in pods) else []


def _reach(strike: Strike, deadline: float, there: Callable[[], bool]) -> int | None:
    """When it is there, in nanoseconds of the run, or None where it does not come in time. Old pods are looked at
    meanwhile."""
    while True:
        try:
            if there():
                return strike.context.recorder.now()
        except FaultError:
            return None
        if time.monotonic() >= deadline:
            return None
        strike.look(objects=True)
        time.sleep(EVERY_SECONDS)


def _look(kube: Kube, pods: Sequence[Pod]) -> Look:
    servers = [pod for pod in pods if pod.component == API_SERVER]
    installed = {pod.key: _ask(kube, pod, _INSTALLED) for pod in pods}
    answers = {pod.key: _ask(kube, pod, _ANSWERS) for pod in servers}
    return Look(
        revision=next((said for pod in servers if (said := _ask(kube, pod, _REVISION))), ""),
        images={pod.key: pod.image for pod in pods},
        installed={name: said for name, said in installed.items() if said},
        answers={name: said for name, said in answers.items() if said},
    )


def _ask(kube: Kube, pod: Pod, script: str) -> str:
    """What the script prints there; nothing where it could not be asked."""
    try:
        return kube.once(pod, pod.containers[0], ("python", "-c", script), CALL_S).strip()
    except (HarnessError, IndexError):
        return ""
