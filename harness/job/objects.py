"""What is installed in a cluster so that a pod there can run experiments: these documents for its API, nothing else.

The namespace is the harness's own, since whatever it stands on may not be hit; the account has exactly the rights that
`harness rbac` works out for these experiments. All that it needs from this machine travels in a ConfigMap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness import rights
from harness.errors import UsageError
from harness.kube import Right
from harness.kube.hardened import apart, container, pod
from harness.settings import Settings
from harness.target import Target, inside, written

NAME = "airflow-chaos"
ACCOUNT = "airflow-chaos-job"  # not that of `harness rbac`, which is its owner's
COLLECTOR = "airflow-chaos-collect"
MANAGED = {"app.kubernetes.io/managed-by": NAME}
IMAGE = "airflow-chaos/image"  # on a volume: which one reads it, if no Job is left
OWNER = "airflow-chaos/role"
SUITE, REPORTS, CACHE = "/etc/airflow-chaos", "/reports", "/var/cache/airflow-chaos"
HISTORIES = "5Gi"  # a run leaves 10 to 30 MB; a week of the nightly set, five times over
GRACE_S = 300  # to undo and to close: an undo waits for three minutes at most
EVICTIONS = 3  # pods that may end without a verdict, not counting evicted ones
# A verdict is an end: another pod would not change it. So is a refusal.
ENDS = (1, 2, 64, 70, 74)
MOST = 1_000_000  # bytes; a ConfigMap may have 1 MiB, names included
CRON = re.compile(r"@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+(?: \S+){4}")
Json = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What a Job is to do: which experiments, with which image, on which node (if named), and when (if not now).

    `volume` is the size of the volume for its reports.
    """

    paths: tuple[Path, ...]
    image: str
    node: str = ""
    schedule: str = ""
    volume: str = HISTORIES

    def __post_init__(self) -> None:
        names = [path.stem for path in self.paths]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"{twice[0]} is given twice; a Job runs each once")
        if self.schedule and not CRON.fullmatch(self.schedule):
            raise UsageError(f'{self.schedule!r} is not a schedule; give one as cron takes it, such as "0 3 * * *"')

    @property
    def kind(self) -> str:
        return "CronJob" if self.schedule else "Job"


def documents(order: Order, settings: Settings, target: Target, needed: Iterable[Right], build: str) -> list[Json]:
    """All documents, in the order in which they can be created. `target` is as a pod sees it."""
    home = settings.job_namespace
    account = list(yaml.safe_load_all(rights.manifests(needed, f"{home}/{ACCOUNT}")))
    return [
        _namespace(home),
        *(_ours(document) for document in account),
        _files(order, settings, target),
        _volume(home, order),
        _timed(order, settings, build) if order.schedule else _job(order, settings, build),
    ]


def _about(namespace: str, name: str = NAME) -> Json:
    return {"name": name, "namespace": namespace, "labels": MANAGED}


def _ours(document: Json) -> Json:
    return {**document, "metadata": {**document["metadata"], "labels": MANAGED}}


def _namespace(home: str) -> Json:
    """Not labelled to be broken, and held to Kubernetes' strictest standard for pods."""
    labels = {**MANAGED, "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home, "labels": labels}}


def _files(order: Order, settings: Settings, target: Target) -> Json:
    """The experiments, the bounds and the target, as they are on this machine."""
    data = {path.name: path.read_text(encoding="utf-8") for path in order.paths}
    if taken := data.keys() & {"slo.yaml", "target.yaml"}:
        raise UsageError(f"an experiment cannot be called {min(taken)}, since a Job has another file of this name")
    data |= {"slo.yaml": settings.slo_file.read_text(encoding="utf-8"), "target.yaml": written(target, ())}
    if (size := sum(len(text.encode()) for text in data.values())) > MOST:
        raise UsageError(f"the experiments and bounds have {size} bytes, and a ConfigMap has {MOST}; give fewer files")
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _about(settings.job_namespace), "data": data}


def _volume(home: str, order: Order) -> Json:
    about = {**_about(home), "annotations": {IMAGE: order.image}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": order.volume}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": spec}


def _timed(order: Order, settings: Settings, build: str) -> Json:
    """One at a time: no Job begins while another is under way."""
    job = _job(order, settings, build)
    spec = {
        "schedule": order.schedule,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"metadata": {"labels": job["metadata"]["labels"]}, "spec": job["spec"]},
    }
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": _about(settings.job_namespace), "spec": spec}


def _job(order: Order, settings: Settings, build: str) -> Json:
    ends = {"operator": "In", "values": list(ENDS)}
    evicted = [{"type": "DisruptionTarget", "status": "True"}]
    spec = {
        "backoffLimit": EVICTIONS,
        "podReplacementPolicy": "Failed",  # never two at once
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": evicted},
                {"action": "FailJob", "onExitCodes": ends},
            ]
        },
        "template": _pod(order, settings, build),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _about(settings.job_namespace), "spec": spec}


def _pod(order: Order, settings: Settings, build: str) -> Json:
    command = ["job", "work", *(f"{SUITE}/{path.name}" for path in order.paths)]
    works = {
        **container("harness", order.image),
        "args": command,
        "env": _environment(settings, order.image, build),
        # No more, or it does not fit next to the control plane and data of our own stack, and lands on a worker.
        "resources": {"requests": {"cpu": "200m", "memory": "384Mi"}, "limits": {"memory": "3Gi"}},
        "volumeMounts": [
            {"name": "suite", "mountPath": SUITE, "readOnly": True},
            {"name": "reports", "mountPath": REPORTS},
            {"name": "cache", "mountPath": CACHE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            {"name": "account", "mountPath": str(inside.ACCOUNT), "readOnly": True},
        ],
    }
    spec = {
        **_bare(order.node, settings.aim.namespaces),
        "serviceAccountName": ACCOUNT,
        "terminationGracePeriodSeconds": GRACE_S,
        "containers": [works],
        "volumes": [
            {"name": "suite", "configMap": {"name": NAME}},
            {"name": "reports", "persistentVolumeClaim": {"claimName": NAME}},
            {"name": "cache", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "account", "projected": {"sources": _account()}},
        ],
    }
    return {"metadata": {"labels": {OWNER: "harness"}}, "spec": spec}


def collector(image: str, home: str) -> Json:
    """A pod that reads the volume if no Job's pod does; it ends by itself."""
    reads = {
        **container("reader", image),
        "command": ["sleep", "600"],
        "volumeMounts": [{"name": "reports", "mountPath": REPORTS, "readOnly": True}],
    }
    volume = {"name": "reports", "persistentVolumeClaim": {"claimName": NAME, "readOnly": True}}
    spec = {
        **_bare("", ()),
        "activeDeadlineSeconds": 900,
        "terminationGracePeriodSeconds": 1,
        "containers": [reads],
        "volumes": [volume],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _about(home, COLLECTOR), "spec": spec}


def _bare(node: str, beside: Iterable[str]) -> Json:
    """What each pod of ours has; on the named node, or where the fewest faults would hit what it stands on."""
    return pod(**({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {"affinity": apart(beside)}))


def _account() -> list[Json]:
    """A token valid for a day: each run reads one as it begins, and no run lasts that long."""
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 86_400}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]


def _environment(settings: Settings, image: str, build: str) -> list[Json]:
    said: Mapping[str, str] = {
        "TARGET": f"{SUITE}/target.yaml",
        "SLO_FILE": f"{SUITE}/slo.yaml",
        "REPORTS": REPORTS,
        "CACHE": CACHE,
        "STACK": settings.stack,
        "PROFILE": settings.profile,
        "PRODUCTION_WORDS": ",".join(settings.production_words),
        "BUILD": build,
        "IMAGE": image,
        **({"SEED": str(settings.seed)} if settings.seed is not None else {}),
        **({"VANTAGE": str(settings.vantage)} if settings.vantage else {}),
    }
    own = {"OWN_NODE": "spec.nodeName", "OWN_NAMESPACE": "metadata.namespace"}
    own["JOB"] = "metadata.labels['batch.kubernetes.io/controller-uid']"
    return [
        *({"name": f"AIRFLOW_CHAOS_{name}", "value": value} for name, value in said.items()),
        *({"name": f"AIRFLOW_CHAOS_{n}", "valueFrom": {"fieldRef": {"fieldPath": path}}} for n, path in own.items()),
        {"name": "HOME", "value": CACHE},
        {"name": "COLUMNS", "value": "200"},
    ]
