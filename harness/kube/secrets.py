"""Secrets: which workloads read a key of one, and another value for it. What a Secret holds is not read here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from harness.errors import FaultError
from harness.kube.objects import Workload, workload_of
from harness.kube.source import CALL_TIMEOUT_S, UNREADABLE, KubeError, reaching
from harness.kube.workloads import Workloads

# What signs tokens and cookies may be drawn anew: whoever holds one logs in again. Whatever else a Secret holds is lost
# with its old value: a password, or what data are encrypted with.
SIGNS = frozenset({"AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY"})
_SOON: dict[str, Any] = {"_request_timeout": CALL_TIMEOUT_S}


@dataclass(frozen=True)
class Reader:
    """A Deployment or StatefulSet whose container has a key's value in its environment, under the name `variable`."""

    workload: Workload
    container: str
    variable: str

    @property
    def owner(self) -> str:
        """As its pods name it."""
        return f"{self.workload.kind}/{self.workload.name}"


class Secrets:
    """Those of one cluster; `guard` refuses a namespace that is not ours to touch."""

    def __init__(self, api: client.ApiClient, workloads: Workloads, guard: Callable[[str], None]) -> None:
        self._core = client.CoreV1Api(api)
        self._workloads = workloads
        self._guard = guard

    def readers(self, namespace: str, secret: str, key: str) -> list[Reader]:
        """Who reads this key. Raises `FaultError` where nobody does, or somebody for more than to sign."""
        found = []
        for kind, raw in self._workloads.every(namespace):
            for container, use in _uses(raw.spec.template.spec, secret, key):
                if use not in SIGNS:
                    what = f"{kind} {namespace}/{raw.metadata.name} reads {secret}/{key} as {use}"
                    raise FaultError(f"{what}, which would be lost; nothing was changed")
                found.append(Reader(workload_of(kind, raw), container, use))
        if not found:
            raise FaultError(f"nothing in {namespace} reads the key {key} of the Secret {secret}; nothing was changed")
        return found

    def replace(self, namespace: str, secret: str, key: str, value: str) -> str:
        """Give a key another value, and return the version that the Secret has from then on."""
        self._guard(namespace)
        try:
            with reaching():
                body = {"stringData": {key: value}}
                found = self._core.patch_namespaced_secret(secret, namespace, body, **_SOON)
        except KubeError as refused:
            if refused.status == UNREADABLE:  # what cannot be read would be quoted
                raise KubeError(f"the Secret {namespace}/{secret} was answered for unreadably", UNREADABLE) from None
            raise
        return str((found.metadata.resource_version if found.metadata else None) or "")


def _uses(pod: Any, secret: str, key: str) -> Iterator[tuple[str, str]]:
    """Container and variable; where it is read in another way, that."""
    for volume in pod.volumes or ():
        parts = [volume.secret] if volume.secret else []
        parts += [s.secret for s in (volume.projected.sources or ()) if s.secret] if volume.projected else []
        for part in parts:
            named = getattr(part, "secret_name", None) or getattr(part, "name", None)
            if named == secret and key in ([item.key for item in part.items or ()] or [key]):
                yield "", f"the volume {volume.name}"
    for container in (*(pod.init_containers or ()), *pod.containers):
        for whole in container.env_from or ():
            if whole.secret_ref and whole.secret_ref.name == secret:
                yield container.name, "all variables of a container"
        for one in container.env or ():
            ref = one.value_from.secret_key_ref if one.value_from else None
            if ref and (ref.name, ref.key) == (secret, key):
                yield container.name, one.name
