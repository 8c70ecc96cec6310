"""Pods of our own, as `restricted` wants them: no user but a nameless one, no rights, nothing of their node."""

from __future__ import annotations

from typing import Any

USER = 65532
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
Json = dict[str, Any]


def pod(**more: Any) -> Json:
    """The spec of one that ends when it ends, and may run beside the control plane."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "tolerations": [{"key": CONTROL_PLANE, "operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **more,
    }


def container(name: str, image: str, **more: Any) -> Json:
    """One of its containers, which writes to volumes alone."""
    alone = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": alone, **more}
