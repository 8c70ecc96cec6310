"""Pods of our own, as `restricted` wants them: no user but a nameless one, no rights, nothing of their node."""

from __future__ import annotations

from collections.abc import Iterable
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


def apart(beside: Iterable[str]) -> Json:
    """An affinity to where the fewest faults hit what stands there: with the control plane, and away from the pods of
    these namespaces."""
    pods = {"topologyKey": "kubernetes.io/hostname", "namespaces": list(beside), "labelSelector": {}}
    away = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 50, "podAffinityTerm": pods}]}
    expression = {"key": CONTROL_PLANE, "operator": "Exists"}
    best = [{"weight": 100, "preference": {"matchExpressions": [expression]}}]
    return {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": best},
        **({"podAntiAffinity": away} if pods["namespaces"] else {}),
    }


def waits(pod: Json) -> str:
    """Why a pod does not run, in the cluster's own words."""
    conditions = [c for c in pod["status"].get("conditions") or () if c["status"] != "True" and c.get("message")]
    waiting = [s.get("state", {}).get("waiting") or {} for s in pod["status"].get("containerStatuses") or ()]
    words = [w.get("message") or w.get("reason") for w in waiting if w.get("reason") != "ContainerCreating"]
    return "; ".join([*(str(w) for w in words if w), *(c["message"] for c in conditions if not waiting)])
