"""Deployments and StatefulSets, as a cluster lists them and as they are patched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client

from harness.kube.source import CALL_TIMEOUT_S, reaching

DEPLOYMENT, STATEFUL_SET = "Deployment", "StatefulSet"
_SOON: dict[str, Any] = {"_request_timeout": CALL_TIMEOUT_S}


class Workloads:
    """Those of one cluster; `guard` refuses a namespace that is not ours to touch."""

    def __init__(self, api: client.ApiClient, guard: Callable[[str], None]) -> None:
        self._apps = client.AppsV1Api(api)
        self._guard = guard

    def deployments(self, namespace: str) -> list[Any]:
        self._guard(namespace)
        with reaching():
            return list(self._apps.list_namespaced_deployment(namespace, **_SOON).items)

    def stateful_sets(self, namespace: str) -> list[Any]:
        self._guard(namespace)
        with reaching():
            return list(self._apps.list_namespaced_stateful_set(namespace, **_SOON).items)

    def every(self, namespace: str) -> list[tuple[str, Any]]:
        """All of both, each with its kind."""
        return [
            *((DEPLOYMENT, one) for one in self.deployments(namespace)),
            *((STATEFUL_SET, one) for one in self.stateful_sets(namespace)),
        ]

    def patch_deployment(self, namespace: str, name: str, body: dict[str, Any]) -> None:
        self._guard(namespace)
        with reaching():
            self._apps.patch_namespaced_deployment(name, namespace, body, **_SOON)

    def patch_stateful_set(self, namespace: str, name: str, body: dict[str, Any]) -> None:
        self._guard(namespace)
        with reaching():
            self._apps.patch_namespaced_stateful_set(name, namespace, body, **_SOON)

    def patch(self, kind: str, namespace: str, name: str, body: dict[str, Any]) -> None:
        """One of either kind."""
        if kind == DEPLOYMENT:
            self.patch_deployment(namespace, name, body)
        else:
            self.patch_stateful_set(namespace, name, body)
