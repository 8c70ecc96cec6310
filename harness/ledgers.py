"""A ledger of ours for somebody else's Airflow: installed in a namespace of its own, and removed with it.

It is our own stacks' ledger (`deploy/base/ledger`), adapted to its place. Its password is generated here and kept in
two Secrets, its own and one next to Airflow for tasks to read, and nowhere else.
"""

from __future__ import annotations

import base64
import secrets
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from harness.errors import UsageError, WaitTimeout
from harness.kube import Kube, Right
from harness.kube.hardened import apart, waits
from harness.kube.manifests import Manifests
from harness.settings import ROOT, Settings
from harness.stack import recipes
from harness.target import LedgerAt, Target
from harness.wait import until

MANIFEST = ROOT / "deploy" / "base" / "ledger" / "ledger.yaml"
NAME, PORT = "ledger", 6379
CONFIG, PASSES = "redis.conf", "requirepass "
SECRET, URL, PASSWORD = "airflow-chaos-ledger", "url", "password"
VARIABLE = "AIRFLOW_CHAOS_LEDGER"  # tells tasks where it is
HERE = 16380  # on this machine; our own stack's ledger has another port
OF = "airflow-chaos/ledger-of"  # whose ledger it is, so that two Airflows in a cluster do not take each other's
DRAWN_WITH = "airflow-chaos/secret"  # the uid of the Secret that its pod started with
RANDOM_BYTES = 24
READY_SECONDS, GONE_SECONDS = 180, 180
LAID = ("secrets", "services", "deployments.apps", "networkpolicies.networking.k8s.io")
MAKES = ("create namespaces", "patch namespaces {home}")
IN_HOME = (
    *(f"{verb} {kind}" for kind in LAID for verb in ("create", "patch")),
    "get secrets",
    "get deployments.apps",
    "list pods",
)
BESIDE = ("get secrets", "create secrets", "patch secrets")
Json = dict[str, Any]
Say = Callable[[str], None]


def install(settings: Settings, image: str, say: Say) -> None:
    """Install it and wait until it answers; an existing one is kept, with its password. Raises `UsageError` if that is
    not allowed, with nothing changed, or if its image does not come."""
    target, home = _aim(settings), settings.ledger_namespace
    kube = Kube(settings)
    kube.confirm(target.namespace)
    manifests = kube.manifests
    stands = manifests.read("Namespace", "", home)
    _ours_or_free(manifests, settings, stands)
    _entitled(kube, _needed(settings, IN_HOME, BESIDE, () if stands else MAKES))
    password = _kept(manifests, settings) or secrets.token_urlsafe(RANDOM_BYTES)
    if not stands:
        manifests.apply(_namespace(settings))
    manifests.apply(_secret(settings, home, NAME, {CONFIG: f"{PASSES}{password}\n"}))
    drawn = manifests.read("Secret", home, NAME) or {}
    for document in redis(settings, image or _image(kube), str(drawn.get("metadata", {}).get("uid"))):
        manifests.apply(document)
    say(f"waiting until {NAME} in {home} is Ready")
    _wait(manifests, home)
    held = {PASSWORD: password, URL: f"redis://:{password}@{NAME}.{home}.svc:{PORT}/0"}
    manifests.apply(_secret(settings, target.namespace, SECRET, held))  # last, since it says that all is there


def remove(settings: Settings) -> list[str]:
    """Remove what `install` made, and nothing else; returns what was there. Raises `UsageError` if that is not allowed,
    with nothing changed."""
    target, home = _aim(settings), settings.ledger_namespace
    kube = Kube(settings)
    kube.confirm(target.namespace)
    manifests = kube.manifests
    places = [("Secret", target.namespace, SECRET), ("Namespace", "", home)]
    there = [one for one in places if _is_ours(manifests.read(*one), settings)]
    _entitled(kube, _needed(settings, (), ("delete secrets",), ("delete namespaces {home}",)) if there else [])
    for one in there:
        manifests.delete(*one)
    if places[1] in there:
        until(
            lambda: manifests.read("Namespace", "", home),
            lambda left: left is None,
            what=f"the end of namespace {home}",
            timeout=GONE_SECONDS,
        )
    return [f"{kind} {f'{namespace}/' if namespace else ''}{name}" for kind, namespace, name in there]


def seen_from_here() -> LedgerAt:
    """The ledger as the target's file describes it, when it is reached as `forward` says."""
    return LedgerAt(port=HERE, secret=SECRET, key=PASSWORD)


def forward(settings: Settings) -> str:
    """The command that makes it reachable on this machine."""
    aim = settings.aim
    where = ["--kubeconfig", aim.kubeconfig] if aim.kubeconfig else []
    where += ["--context", aim.context, "--namespace", settings.ledger_namespace]
    return shlex.join(["kubectl", *where, "port-forward", f"service/{NAME}", f"{HERE}:{PORT}"])


def redis(settings: Settings, image: str, drawn: str) -> list[Json]:
    """The manifests of our own stacks' ledger, for this place. `drawn` is the uid of the Secret that it starts with."""
    fit = {"Service": _reached_inside, "NetworkPolicy": _let_in, "Deployment": _standing}
    found = sorted(
        yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")), key=lambda one: one["kind"] == "Deployment"
    )
    for one in found:
        one["metadata"] |= {"namespace": settings.ledger_namespace}
        one["metadata"]["labels"] |= _labels(settings)
        fit[one["kind"]](one["spec"], settings)
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            template["metadata"]["annotations"] = {DRAWN_WITH: drawn}
            template["spec"]["containers"][0]["image"] = image
    return found


def _reached_inside(spec: Json, _: Settings) -> None:
    """No port on the nodes."""
    spec["type"] = "ClusterIP"
    for port in spec["ports"]:
        del port["nodePort"]


def _let_in(spec: Json, settings: Settings) -> None:
    """Pods of Airflow, and a harness that runs in the cluster (`harness job`)."""
    (rule,) = spec["ingress"]
    rule["from"] = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in (settings.namespace, settings.job_namespace)
    ]


def _standing(spec: Json, settings: Settings) -> None:
    """On any node, if need be."""
    pod = spec["template"]["spec"]
    del pod["nodeSelector"]
    pod["affinity"] = apart(settings.aim.namespaces)


def _aim(settings: Settings) -> Target:
    """Raises `UsageError` if there is no target, or the ledger would be where faults hit."""
    if settings.target is None:
        raise UsageError("`harness up` gives our own stack a ledger; name another Airflow with --target FILE")
    home = settings.ledger_namespace
    if home in (*settings.target.namespaces, settings.job_namespace):
        raise UsageError(f"the ledger would be in {home}, next to what it is to record; {_elsewhere()}")
    return settings.target


def _elsewhere() -> str:
    return "set AIRFLOW_CHAOS_LEDGER_NAMESPACE to another name"


def _ours_or_free(manifests: Manifests, settings: Settings, stands: Json | None) -> None:
    """Raises `UsageError` if a name that we need is taken, or its last bearer is still being removed."""
    home, namespace = settings.ledger_namespace, settings.namespace
    if stands and not _is_ours(stands, settings):
        raise UsageError(f"namespace {home} exists and is not a ledger of {namespace}; {_elsewhere()}")
    if stands and stands["metadata"].get("deletionTimestamp"):
        raise UsageError(f"namespace {home} is still being removed; install once it is gone")
    secret = manifests.read("Secret", namespace, SECRET)
    if secret and not _is_ours(secret, settings):
        raise UsageError(f"the Secret {namespace}/{SECRET} exists and is not ours; rename or delete it")


def _is_ours(found: Json | None, settings: Settings) -> bool:
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    return _labels(settings).items() <= labels.items()


def _labels(settings: Settings) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "airflow-chaos", OF: settings.namespace}


def _needed(settings: Settings, home: tuple[str, ...], beside: tuple[str, ...], whole: tuple[str, ...]) -> list[Right]:
    there = settings.ledger_namespace
    return [
        *(Right.of("", words.format(home=there)) for words in whole),
        *(Right.of(there, words) for words in home),
        *(Right.of(settings.namespace, words) for words in beside),
    ]


def _entitled(kube: Kube, needed: list[Right]) -> None:
    if missing := kube.denied(needed):
        raise UsageError(f"the cluster does not let us {'; '.join(map(str, missing))}; nothing was changed")


def _kept(manifests: Manifests, settings: Settings) -> str:
    """Its current password; "" if there is none yet."""
    own = _held(manifests.read("Secret", settings.ledger_namespace, NAME), CONFIG)
    given = _held(manifests.read("Secret", settings.namespace, SECRET), PASSWORD)
    return own.removeprefix(PASSES).strip() or given


def _held(secret: Mapping[str, Any] | None, key: str) -> str:
    try:
        return base64.b64decode(((secret or {}).get("data") or {}).get(key, "")).decode()
    except ValueError:  # not made by us
        return ""


def _namespace(settings: Settings) -> Json:
    """Not labelled as open to faults, and held to Kubernetes' strictest standard for pods."""
    labels = {**_labels(settings), "pod-security.kubernetes.io/enforce": "restricted"}
    about = {"name": settings.ledger_namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": about}


def _secret(settings: Settings, namespace: str, name: str, held: Mapping[str, str]) -> Json:
    about = {"name": name, "namespace": namespace, "labels": _labels(settings)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": dict(held)}


def _image(kube: Kube) -> str:
    """The one in our table: in a cluster of ours the nodes have it by its name, elsewhere it is pulled."""
    row = recipes.load().images["redis"]
    return row.published if kube.ours else row.pinned


def _wait(manifests: Manifests, home: str) -> None:
    try:
        until(
            lambda: _short(manifests, home), lambda why: not why, what="a ledger that is Ready", timeout=READY_SECONDS
        )
    except WaitTimeout as cause:
        raise UsageError(f"{cause}; fix that, or name an image that exists with --image, and install again") from None


def _short(manifests: Manifests, home: str) -> str:
    """Why it is not yet as its manifest says; "" once it is."""
    found = manifests.read("Deployment", home, NAME) or {"metadata": {}}
    status = found.get("status", {})
    as_said = status.get("observedGeneration") == found["metadata"].get("generation")
    if as_said and status.get("updatedReplicas") == status.get("replicas") == status.get("availableReplicas") == 1:
        return ""
    refused = [str(c["message"]) for c in status.get("conditions") or () if c["type"] == "ReplicaFailure"]
    return "; ".join([*refused, *filter(None, map(waits, manifests.listed("Pod", home)))]) or "not Ready yet"
