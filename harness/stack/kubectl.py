"""kubectl, run in the control plane's node: the cluster's own version, nothing to install. And kustomize."""

from __future__ import annotations

from pathlib import Path

from harness.process import run
from harness.settings import Settings
from harness.stack import gobuild, recipes


def kubectl(settings: Settings, *words: str, stdin: str | None = None, timeout: float = 60) -> str:
    """Run kubectl as the cluster's administrator and return what it printed."""
    admin = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--request-timeout=20s"]
    return run(
        ["docker", "exec", "--interactive", control_plane(settings), *admin, *words], timeout=timeout, stdin=stdin
    )


def apply(settings: Settings, manifests: str) -> None:
    """Make everything as the manifests say, whoever set it otherwise before."""
    kubectl(settings, "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests, timeout=120)


def kustomize(settings: Settings, folder: Path) -> str:
    """The manifests of a folder with a kustomization."""
    program = gobuild.build(settings, recipes.load(), "kustomize") / "bin" / "kustomize"
    return run([str(program), "build", "--load-restrictor=LoadRestrictionsNone", str(folder)], timeout=60)


def control_plane(settings: Settings) -> str:
    """The container of the node that is never broken."""
    return f"{settings.cluster}-control-plane"
