"""KEDA, which adds and removes workers: installed for a stack that asks for it, removed for one that does not.

Its manifests come from its Go module, without the admission webhook.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from harness.kube import DATA_LABEL
from harness.settings import Settings
from harness.stack import gobuild, images, recipes
from harness.stack.kubectl import apply, control_plane, kubectl, kustomize
from harness.stack.recipes import Table

ROW = "keda"
IMAGES = {"keda-operator": "keda-operator", "keda-metrics-apiserver": "keda-adapter"}  # Deployment → image
NAMESPACE = "keda"
KINDS = "scaledobjects.keda.sh,triggerauthentications.keda.sh"
READY_SECONDS = 240
GONE_SECONDS = 120
Say = Callable[[str], None]


def wanted(manifests: str) -> bool:
    """Whether a stack's manifests ask for it."""
    return "apiVersion: keda.sh/" in manifests


def ensure(settings: Settings, say: Say) -> None:
    """Get its images, apply it, and wait until it answers: until then, manifests that need it are refused."""
    table = recipes.load()
    images.ensure_addon(settings, table, tuple(IMAGES.values()), [control_plane(settings)], say)
    manifests = _manifests(settings, table)
    gobuild.drop_caches(settings)
    say("applying KEDA")
    apply(settings, manifests)
    for name in IMAGES:
        there = (f"--namespace={NAMESPACE}", f"--timeout={READY_SECONDS}s")
        kubectl(settings, "rollout", "status", f"deployment/{name}", *there, timeout=READY_SECONDS + 10)


def remove(settings: Settings) -> None:
    """Remove it if it is there: first the objects that it must clean up after, then itself."""
    if not kubectl(settings, "get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name").strip():
        return
    gone = ("--ignore-not-found", "--wait=true", f"--timeout={GONE_SECONDS}s")
    kubectl(settings, "delete", KINDS, f"--namespace={settings.namespace}", "--all", *gone, timeout=GONE_SECONDS + 10)
    manifests = _manifests(settings, recipes.load())
    kubectl(settings, "delete", "--filename=-", *gone, stdin=manifests, timeout=GONE_SECONDS + 10)


def _manifests(settings: Settings, table: Table) -> str:
    folder = gobuild.published(settings, table, ROW) / "config" / "minimal"
    found = [doc for doc in yaml.safe_load_all(kustomize(settings, folder)) if doc]
    return yaml.safe_dump_all([fitted(doc, table) for doc in found])


def fitted(manifest: dict[str, Any], table: Table) -> dict[str, Any]:
    """With our images, on the node that is never broken, and without looking for the webhook that is left out."""
    if manifest["kind"] != "Deployment":
        return manifest
    name, spec = manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    container |= {"image": table.images[IMAGES[name]].published, "imagePullPolicy": "IfNotPresent"}
    if name == "keda-operator":
        container["args"].append("--enable-webhook-patching=false")
    spec["nodeSelector"] = {DATA_LABEL: "true"}
    spec["tolerations"] = [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}
    ]
    return manifest
