"""Airflow and what stands before it, onto the cluster: MetalLB, secrets made now, and one kustomize overlay a stack."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import yaml

from harness.errors import CommandFailed, StackError, UsageError
from harness.kube import DATA_LABEL, STACK_LABEL, TASK_PODS, Kube
from harness.process import run
from harness.settings import ROOT, Settings
from harness.stack import autoscaler, cluster, gobuild, images, recipes
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE, SECRET, USER
from harness.stack.kubectl import apply, kubectl, kustomize
from harness.wait import until

READY_SECONDS = 600
REMOVE_SECONDS = 60
PATIENCE = REMOVE_SECONDS + 30
# What overlays differ in.
WORKLOADS = "deployments,statefulsets,jobs"
OTHERS = "poddisruptionbudgets,services,configmaps,serviceaccounts,roles,rolebindings"
FOLDERS = {"stack": "overlays", "mutant": "mutants"}
RANDOM_BYTES = {
    "admin-password": 24,
    "jwt-secret": 48,
    "api-secret-key": 48,
    "postgres-password": 24,
    "postgres-superuser-password": 24,
    "postgres-replication-password": 24,
}
# A pooler that is gone without a word is missed after some 10 s; by itself, the kernel tries for a quarter of an hour.
KEEPALIVE = "connect_timeout=5&keepalives_idle=5&keepalives_interval=2&keepalives_count=3&tcp_user_timeout=10000"
POOL_SIZE = 20
SPEAKER_CPU = "100m"
Say = Callable[[str], None]


def ensure(settings: Settings, say: Say) -> None:
    """Apply everything and wait until every component is Ready. Applying what stands already changes nothing."""
    manifests = rendered(settings)
    apply(settings, _metallb(settings))
    _ensure_secret(settings)
    scales = autoscaler.wanted(manifests)
    if scales:
        autoscaler.ensure(settings, say)
    _ensure_images(settings, manifests, say)
    say("applying the manifests")
    apply(settings, manifests)
    switched = _remove_others(settings)
    if not scales:
        autoscaler.remove(settings)
    say("waiting for every component to be Ready")
    kube = Kube(settings)
    until(
        lambda: _short(kube, settings),
        lambda short: not short,
        what="every component Ready",
        timeout=READY_SECONDS,
        every=2,
    )
    if switched:
        _hurry(kube, settings)
    # Last, for MetalLB's webhook is the last to answer, and every attempt before that costs the others time.
    say("giving the load balancer its address")
    _ensure_pool(settings)
    until(
        lambda: kube.load_balancer(INGRESS_NAMESPACE, INGRESS_SERVICE),
        lambda address: address is not None,
        what="an address of the load balancer",
        timeout=120,
    )


def _ensure_images(settings: Settings, manifests: str, say: Say) -> None:
    """What these manifests need and the nodes do not have yet."""
    table = recipes.load()
    if names := images.addons_in(table, manifests):
        say(f"putting {', '.join(names)} into the nodes")
        images.ensure_addon(settings, table, names, [name for name, _, _ in cluster.containers(settings)], say)


def rendered(settings: Settings) -> str:
    """The manifests of a stack; with a mutant, its component over them. Raises `UsageError` where there is no such."""
    overlay = overlay_of(settings)
    if not settings.mutant:
        return kustomize(settings, overlay)
    parts: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(overlay)],
        "components": [str(_folder("mutant", settings.mutant))],
        "labels": [{"pairs": {STACK_LABEL: settings.deployment}}],
    }
    settings.cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.cache) as name:
        folder = Path(name).resolve()
        for kind in ("resources", "components"):  # kustomize takes no absolute path
            parts[kind] = [os.path.relpath(path, folder) for path in parts[kind]]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(parts), encoding="utf-8")
        return kustomize(settings, folder)


def overlay_of(settings: Settings) -> Path:
    """Raises `UsageError` where no stack of this name, or none in this profile, exists."""
    return _folder("stack", settings.overlay)


def stacks() -> list[str]:
    """The stacks that there are, each once for all profiles."""
    names = sorted(folder.name for folder in (ROOT / "deploy" / FOLDERS["stack"]).iterdir() if folder.is_dir())
    return [name for name in names if not any(name == f"{other}-defaults" for other in names)]


def _folder(kind: str, name: str) -> Path:
    """Of a stack or a mutant."""
    folder = ROOT / "deploy" / FOLDERS[kind] / name
    if not folder.is_dir():
        known = ", ".join(sorted(p.name for p in folder.parent.iterdir() if p.is_dir()))
        raise UsageError(f"no {kind} is called {name!r}; there are: {known}")
    return folder


def _remove_others(settings: Settings) -> bool:
    """Delete what belongs to another stack, the pods of tasks that nobody is there for any more, and those that failed;
    returns whether another stack had workloads of its own.

    Its pods get little grace: a worker that is asked to end waits for its broker, which goes with it. The rest comes
    after them: Patroni keeps its state in the Endpoints of Services, and makes anew what goes before itself.
    """
    where = f"--namespace={settings.namespace}"
    of_others = (where, f"--selector={STACK_LABEL},{STACK_LABEL}!={settings.deployment}")
    until_gone = ("--wait=true", f"--timeout={REMOVE_SECONDS}s")
    owners = kubectl(settings, "get", "deployments,statefulsets", *of_others, "--output=name").split()
    kubectl(settings, "delete", WORKLOADS, *of_others, *until_gone, timeout=PATIENCE)
    gone = [f"component in ({','.join(name.split('/')[-1] for name in owners)})"] if owners else []
    for selector in gone if settings.stack == "kubernetes" else [*gone, TASK_PODS]:
        quickly = (f"--selector={selector}", "--grace-period=5", *until_gone)
        kubectl(settings, "delete", "pods", where, *quickly, timeout=PATIENCE)
    kubectl(settings, "delete", OTHERS, *of_others, *until_gone, timeout=PATIENCE)
    Kube(settings).change.delete_failed(settings.namespace)
    return bool(owners)


def _hurry(kube: Kube, settings: Settings) -> None:
    """Give no more grace to what is on its way out: a worker that both stacks have waits for the other's broker."""
    for pod in kube.pods(settings.namespace):
        if pod.deleting:
            kube.delete_pod(pod, grace_seconds=5)


def _metallb(settings: Settings) -> str:
    """MetalLB's own manifest, as its Go module publishes it, with processor time asked for."""
    files = gobuild.folder(settings, recipes.load(), "metallb") / "files" / "manifests"
    return with_processor_time((files / "metallb-native.yaml").read_text(encoding="utf-8"), SPEAKER_CPU)


def with_processor_time(manifest: str, cpu: str) -> str:
    """The same documents, with a request of `cpu` for each container that asks for nothing.

    What asks for nothing gets nothing from busy processors. A speaker that does not answer the others for 5 s is called
    dead, the address moves to another node and back, and each time all kept connections are reset.
    """
    documents = [one for one in yaml.safe_load_all(manifest) if one]
    for one in documents:
        if one["kind"] in ("DaemonSet", "Deployment"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                container.setdefault("resources", {}).setdefault("requests", {}).setdefault("cpu", cpu)
    return yaml.safe_dump_all(documents, sort_keys=False)


def _ensure_secret(settings: Settings) -> None:
    """Make the shared keys and the login once; what a standing stack has is kept, and what it lacks is added."""
    kept = Kube(settings).secret(settings.namespace, SECRET)
    made = make_secrets(kept)
    if made == kept:
        return
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace}}
    kubectl(settings, "apply", "--server-side", "--filename=-", stdin=json.dumps(namespace))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": settings.namespace},
        "stringData": made,
    }
    apply(settings, json.dumps(secret))


def make_secrets(kept: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """All that the manifests refer to, by name: keys and passwords, kept or fresh, and what is made of them."""
    made = {name: kept.get(name) or secrets.token_urlsafe(size) for name, size in RANDOM_BYTES.items()}
    made["fernet-key"] = kept.get("fernet-key") or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    login, user = made["admin-password"], f"airflow:{made['postgres-password']}"
    direct, pooled = f"{user}@postgres:5432/airflow", f"{user}@pgbouncer:6543/airflow?{KEEPALIVE}"
    return made | {
        "passwords.json": json.dumps({USER: login}),
        "sql-alchemy-conn": f"postgresql+psycopg2://{direct}",
        "celery-result-backend": f"db+postgresql+psycopg2://{direct}",
        "pooled-sql-alchemy-conn": f"postgresql+psycopg2://{pooled}",
        "pooled-sql-alchemy-conn-async": f"postgresql+psycopg://{pooled}",
        "pooled-celery-result-backend": f"db+postgresql+psycopg2://{pooled}",
        "pgbouncer-users.txt": f'"airflow" "{made["postgres-password"]}"\n',
    }


def _ensure_pool(settings: Settings) -> None:
    """Give MetalLB addresses at the end of Docker's own network. Its webhook must answer first."""
    metadata = {"name": "airflow-chaos", "namespace": "metallb-system"}
    first, last = pool(_subnet())
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": metadata,
            "spec": {"addresses": [f"{first}-{last}"]},
        },
        # The node with the databases is never broken, so it must not be the one that answers for the address.
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": metadata,
            "spec": {"nodeSelectors": [{"matchExpressions": [{"key": DATA_LABEL, "operator": "DoesNotExist"}]}]},
        },
    ]
    manifests = yaml.safe_dump_all(objects)

    def attempt() -> str:
        try:
            apply(settings, manifests)
        except CommandFailed as cause:
            return str(cause)[-300:]
        return ""

    until(attempt, lambda problem: not problem, what="MetalLB taking its addresses", timeout=180, every=2)


def pool(subnet: str) -> tuple[str, str]:
    """The last addresses of a network, its broadcast address left out. Docker hands out from the other end."""
    network = ipaddress.IPv4Network(subnet)
    if network.num_addresses < 4 * POOL_SIZE:
        raise StackError(f"Docker's network kind ({subnet}) is too small for a pool of {POOL_SIZE} addresses")
    last = int(network.broadcast_address) - 1
    return str(ipaddress.IPv4Address(last - POOL_SIZE + 1)), str(ipaddress.IPv4Address(last))


def _subnet() -> str:
    said = json.loads(run(["docker", "network", "inspect", "kind"], timeout=30))
    subnets = [c["Subnet"] for c in said[0]["IPAM"]["Config"] if ":" not in c["Subnet"]]
    if not subnets:
        raise StackError("Docker's network kind has no IPv4 subnet; remove it (docker network rm kind) and try again")
    return str(subnets[0])


def _short(kube: Kube, settings: Settings) -> list[str]:
    """What is not yet as its manifest says."""
    short = []
    for namespace in (settings.namespace, INGRESS_NAMESPACE, settings.ledger_namespace):
        short += kube.rolling(namespace)
        short += [] if kube.ready_replicas(namespace) else [f"nothing in {namespace}"]
    return short
