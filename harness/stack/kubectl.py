"""kubectl as the control plane's node has it: of the cluster's own version, and nothing to install on the host."""

from __future__ import annotations

from harness.process import run
from harness.settings import Settings


def kubectl(settings: Settings, *words: str, stdin: str | None = None, timeout: float = 60) -> str:
    """Run kubectl as the cluster's administrator and return what it printed."""
    node = f"{settings.cluster}-control-plane"
    admin = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--request-timeout=20s"]
    return run(["docker", "exec", "--interactive", node, *admin, *words], timeout=timeout, stdin=stdin)
