"""The look-alike of the official chart (deploy/foreign), put beside the standing stack and taken away again.

`python -m tests.stack.chart up` (or `down`) does the same by hand; `up chart-like-ha` has two of each.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import string
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from harness import rights
from harness.audit.deployment import AIRFLOW
from harness.errors import CommandFailed
from harness.kube import Kube
from harness.settings import ROOT, Settings
from harness.stack import cluster, images, recipes
from harness.stack.kubectl import apply, kubectl, kustomize
from harness.wait import until

Json = dict[str, Any]
DEPLOY = ROOT / "deploy"
NAMESPACE, RELEASE = "data-platform", "etl"
AUDITOR = f"{NAMESPACE}/auditor"
READY_SECONDS = 480
LETTERS = string.ascii_letters + string.digits


def rendered(settings: Settings, variant: str = "chart-like") -> str:
    """As `helm template` would print it, with the chart's own images."""
    return kustomize(settings, DEPLOY / "foreign" / variant)


def runnable(settings: Settings, variant: str, values: Json) -> str:
    """The same on images that we have, with what Helm draws at random drawn, and with these values of the chart."""
    parts = {"resources": ["foreign/" + variant], "components": ["foreign/here", "components/images"]}
    with TemporaryDirectory(dir=settings.cache) as name:
        folder = Path(name).resolve()
        named = {kind: [os.path.relpath(DEPLOY / path, folder) for path in paths] for kind, paths in parts.items()}
        head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(head | named), encoding="utf-8")
        made = list(yaml.safe_load_all(kustomize(settings, folder)))
    secret = drawn()
    for one in made:
        labels = one["metadata"].get("labels", {})
        if one["kind"] == "Secret" and (data := secret.get(one["metadata"]["name"].removeprefix(f"{RELEASE}-"))):
            one["stringData"] = data
        if one["kind"] in ("Deployment", "StatefulSet") and labels.get("component") in AIRFLOW:
            _give(one["spec"]["template"]["spec"], values)
    return yaml.safe_dump_all(made, sort_keys=False)


def _give(pod: Json, values: Json) -> None:
    """As the chart's templates do with `volumes`, `volumeMounts` and `secret`."""
    pod["volumes"] += values.get("volumes", [])
    main = pod["containers"][0]
    main["volumeMounts"] += values.get("volumeMounts", [])
    for one in values.get("secret", []):
        held = {"secretKeyRef": {"name": one["secretName"], "key": one["secretKey"]}}
        main["env"].append({"name": one["envName"], "valueFrom": held})


def drawn() -> dict[str, dict[str, str]]:
    """As Helm draws them: letters and digits; a Fernet key is 32 of them in base64."""
    password = draw(10)
    return {
        "fernet-key": {"fernet-key": base64.b64encode(draw(32).encode()).decode()},
        "redis-password": {"password": password},
        "broker-url": {"connection": f"redis://:{password}@{RELEASE}-redis:6379/0"},
        "api-secret-key": {"api-secret-key": draw(32)},
        "jwt-secret": {"jwt-secret": draw(128)},
    }


def draw(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def up(
    settings: Settings,
    variant: str = "chart-like",
    values: Json | None = None,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Everything of it Ready. A Job cannot be applied twice: what stands is taken away first, and `prepare` is called
    before the new one comes."""
    manifests = runnable(settings, variant, values or {})
    table = recipes.load()
    if names := images.addons_in(table, manifests):
        nodes = [name for name, _, _ in cluster.containers(settings)]
        images.ensure_addon(settings, table, names, nodes, print)
    down(settings)
    prepare()
    apply(settings, manifests)
    apply(settings, rights.manifests(rights.auditing(NAMESPACE), AUDITOR))
    kube = Kube(settings)
    until(
        lambda: kube.rolling(NAMESPACE),
        lambda short: not short,
        what="everything of the look-alike Ready",
        timeout=READY_SECONDS,
        every=5,
    )


def down(settings: Settings) -> None:
    """Nothing of it left: the namespace, its volumes, and what the auditor has outside of it."""
    there = (f"--namespace={NAMESPACE}", "--all")
    kubectl(settings, "delete", "deployments,statefulsets,jobs", *there, "--wait=false")
    # A worker has 600 s, and no broker any more; a kubelet that waits for them may miss that they are 5 now.
    for grace in (("--grace-period=5",), ("--grace-period=0", "--force")):
        with suppress(CommandFailed):
            kubectl(settings, "delete", "pods", *there, *grace, "--timeout=60s", timeout=90)
    name = AUDITOR.partition("/")[2]
    kubectl(settings, "delete", f"clusterrole/{name}", f"clusterrolebinding/{name}", "--ignore-not-found")
    kubectl(
        settings, "delete", f"role/{name}", f"rolebinding/{name}", f"--namespace={rights.CLOCKS}", "--ignore-not-found"
    )
    kubectl(settings, "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s", timeout=150)


@contextmanager
def standing(settings: Settings, variant: str = "chart-like") -> Iterator[None]:
    try:
        up(settings, variant)
        yield
    finally:
        down(settings)


def kubeconfig(settings: Settings, path: Path, account: str = AUDITOR) -> Path:
    """Of the auditor, who may list what an audit looks at and nothing else; or of another."""
    namespace, _, name = account.partition("/")
    token = kubectl(settings, "create", "token", name, f"--namespace={namespace}", "--duration=1h").strip()
    config: dict[str, Any] = yaml.safe_load(settings.kubeconfig.read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": token}
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]](Settings.of(), *sys.argv[2:])
