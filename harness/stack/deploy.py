"""Deploy Airflow and what stands in front of it: MetalLB, fresh secrets, and one kustomize overlay per stack."""

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
from harness.settings import PLANTED_ON, ROOT, Settings
from harness.stack import autoscaler, cluster, gobuild, images, recipes
from harness.stack.access import INGRESS_NAMESPACE, INGRESS_SERVICE, SECRET, USER
from harness.stack.kubectl import apply, kubectl, kustomize
from harness.wait import until

READY_SECONDS = 600
REMOVE_SECONDS = 60
PATIENCE = REMOVE_SECONDS + 30
GRACES = (5, 1)  # seconds, tried in turn until the pods are gone
UNTIL_GONE = ("--wait=true", f"--timeout={REMOVE_SECONDS}s")
# The kinds in which overlays differ.
OWNERS = "deployments,statefulsets"
WORKLOADS = f"{OWNERS},jobs"
OTHERS = "poddisruptionbudgets,services,configmaps,persistentvolumeclaims,serviceaccounts,roles,rolebindings"
FOLDERS = {"stack": "overlays", "mutant": "mutants"}
DNS = ROOT / "deploy" / "cluster" / "dns.yaml"
RANDOM_BYTES = {
    "admin-password": 24,
    "jwt-secret": 48,
    "api-secret-key": 48,
    "postgres-password": 24,
    "postgres-superuser-password": 24,
    "postgres-replication-password": 24,
    "ledger-password": 24,
}
# A pooler that vanishes is missed after some 10 s; left to itself, the kernel keeps trying for a quarter of an hour.
KEEPALIVE = "connect_timeout=5&keepalives_idle=5&keepalives_interval=2&keepalives_count=3&tcp_user_timeout=10000"
POOL_SIZE = 20
SPEAKER_CPU = "100m"
LEDGER_SECRET = "ledger"  # noqa: S105
Say = Callable[[str], None]


def ensure(settings: Settings, say: Say) -> None:
    """Apply everything and wait until every component is Ready. Applying what stands already changes nothing."""
    manifests = rendered(settings)
    apply(settings, DNS.read_text(encoding="utf-8"))
    apply(settings, _metallb(settings))
    _ensure_secret(settings)
    scales = autoscaler.wanted(manifests)
    if scales:
        autoscaler.ensure(settings, say)
    _ensure_images(settings, manifests, say)
    kube = Kube(settings)
    if another := _another(kube, settings):
        say(f"ending the stack {another}")
        _end(settings)
    say("applying the manifests")
    apply(settings, manifests)
    _remove_others(settings)
    if not scales:
        autoscaler.remove(settings)
    say("waiting for every component to be Ready")
    until(
        lambda: _short(kube, settings),
        lambda short: not short,
        what="every component Ready",
        timeout=READY_SECONDS,
        every=2,
    )
    # Last, because MetalLB's webhook is the last to answer, and each earlier attempt costs the others time.
    say("giving the load balancer its address")
    _ensure_pool(settings)
    until(
        lambda: kube.load_balancer(INGRESS_NAMESPACE, INGRESS_SERVICE),
        lambda address: address is not None,
        what="an address of the load balancer",
        timeout=120,
    )


def _ensure_images(settings: Settings, manifests: str, say: Say) -> None:
    """Put the images that these manifests need, and the node image lacks, into the nodes."""
    table = recipes.load()
    if names := images.addons_in(table, manifests):
        say(f"putting {', '.join(names)} into the nodes")
        images.ensure_addon(settings, table, names, [name for name, _, _ in cluster.containers(settings)], say)


def rendered(settings: Settings) -> str:
    """The manifests of a stack; with a mutant, its component over them. Raises `UsageError` if either is missing."""
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
    """Raises `UsageError` if no stack of this name exists, or none in this profile."""
    return _folder("stack", settings.overlay)


def stacks() -> list[str]:
    """All stacks, each once for all profiles."""
    names = sorted(folder.name for folder in (ROOT / "deploy" / FOLDERS["stack"]).iterdir() if folder.is_dir())
    return [name for name in names if not any(name == f"{other}-defaults" for other in names)]


def _folder(kind: str, name: str) -> Path:
    """The folder of a stack or a mutant."""
    folder = ROOT / "deploy" / FOLDERS[kind] / name
    if not folder.is_dir():
        known = ", ".join(sorted(p.name for p in folder.parent.iterdir() if p.is_dir()))
        raise UsageError(f"no {kind} is called {name!r}; there are: {known}")
    return folder


def _another(kube: Kube, settings: Settings) -> str | None:
    """The stack that stands here instead of this one, if any; a mutant of this one is still this one."""
    standing = kube.stack(settings.namespace)
    return standing if standing and standing.partition(PLANTED_ON)[0] != settings.overlay else None


def _end(settings: Settings) -> None:
    """Delete every workload of the standing stack, and its pods with little grace.

    A roll would keep its pods until those of the next are Ready. Meanwhile they hold the processors that the next
    database needs, and a worker that is asked to end waits for a broker that ends too.
    """
    everything = (f"--namespace={settings.namespace}", f"--selector={STACK_LABEL}")
    _delete_workloads(settings, everything)


def _delete_workloads(settings: Settings, which: tuple[str, ...]) -> None:
    owners = kubectl(settings, "get", OWNERS, *which, "--output=name").split()
    kubectl(settings, "delete", WORKLOADS, *which, *UNTIL_GONE, timeout=PATIENCE)
    gone = [f"component in ({','.join(name.split('/')[-1] for name in owners)})"] if owners else []
    for selector in gone if settings.stack == "kubernetes" else [*gone, TASK_PODS]:
        _delete_pods(settings, selector)


def _delete_pods(settings: Settings, selector: str) -> None:
    """With little grace. A kubelet that has just begun to end a pod may miss that; an even shorter grace it notices."""
    for grace in GRACES:
        quickly = (f"--namespace={settings.namespace}", f"--selector={selector}", f"--grace-period={grace}")
        try:
            kubectl(settings, "delete", "pods", *quickly, *UNTIL_GONE, timeout=PATIENCE)
            return
        except CommandFailed:
            if grace == GRACES[-1]:
                raise


def _remove_others(settings: Settings) -> None:
    """Delete what belongs to other stacks, task pods that nobody looks after any more, and failed pods.

    Services and the like go last: Patroni keeps its state in the Endpoints of Services, and recreates them while it
    lives.
    """
    of_others = (f"--namespace={settings.namespace}", f"--selector={STACK_LABEL},{STACK_LABEL}!={settings.deployment}")
    _delete_workloads(settings, of_others)
    kubectl(settings, "delete", OTHERS, *of_others, *UNTIL_GONE, timeout=PATIENCE)
    Kube(settings).change.delete_failed(settings.namespace)


def _metallb(settings: Settings) -> str:
    """MetalLB's own manifest, as its Go module publishes it, with requests for processor time."""
    files = gobuild.folder(settings, recipes.load(), "metallb") / "files" / "manifests"
    return with_processor_time((files / "metallb-native.yaml").read_text(encoding="utf-8"), SPEAKER_CPU)


def with_processor_time(manifest: str, cpu: str) -> str:
    """Add a request of `cpu` to each container that has none.

    Without a request, a container gets nothing from busy processors. A speaker that does not answer its peers for 5 s
    is taken for dead: the address moves to another node and back, and each move resets all kept connections.
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
    ledger = {"redis.conf": f"requirepass {made['ledger-password']}\n"}
    for namespace, name, data in (
        (settings.ledger_namespace, LEDGER_SECRET, ledger),
        (settings.namespace, SECRET, made),  # last, since it says that all were made
    ):
        about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        kubectl(settings, "apply", "--server-side", "--filename=-", stdin=json.dumps(about))
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
        apply(settings, json.dumps({**secret, "stringData": data}))


def make_secrets(kept: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Every secret that the manifests refer to, by name: keys and passwords, kept or fresh, and what they make up."""
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
        "ledger-url": f"redis://:{made['ledger-password']}@ledger.airflow-chaos-ledger:6379/0",
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
    """The last addresses of a network before its broadcast address. Docker hands them out from the other end."""
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
