"""Chaos Mesh, where a cluster has it: what it says of the faults that it injects for us, and their end.

A fault of it is an object. Ours bear a label from their first moment, so that whoever comes after a killed harness
finds them, and takes away no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.kube.manifests import Json, Manifests
from harness.kube.source import Forbidden
from harness.wait import until

VERSION = "chaos-mesh.org/v1alpha1"
NETWORK, STRESS = "NetworkChaos", "StressChaos"
LABEL = "airflow-chaos/mesh"
GONE_WITHIN_S = 60.0
HERE, INJECTED = ".", "Injected"  # the side that a fault is aimed at; what is said of a pod that has it


@dataclass(frozen=True)
class Mesh:
    """One fault as the cluster has it: `pods` are those that have it, by Chaos Mesh's word, as namespace/name; `whole`
    whether that is all that it chose; `trouble` is what it said last of what went wrong."""

    kind: str
    namespace: str
    name: str
    ours: bool
    pods: frozenset[str] = frozenset()
    whole: bool = False
    trouble: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Meshes:
    """Those of one cluster; `guard` refuses a namespace that is not ours to touch."""

    def __init__(self, manifests: Manifests, guard: Callable[[str], None]) -> None:
        self._manifests = manifests
        self._guard = guard

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of faults that Chaos Mesh offers here; none where it is not installed."""
        return self._manifests.offered(VERSION)

    def ours(self, namespace: str) -> list[Mesh]:
        """Those that we made. Who may not list them has made none."""
        self._guard(namespace)
        try:
            return [
                _mesh(kind, raw)
                for kind in sorted(self.kinds & {NETWORK, STRESS})
                for raw in self._manifests.listed(kind, namespace, f"{LABEL}=true")
            ]
        except Forbidden:
            return []

    def read(self, kind: str, namespace: str, name: str) -> Mesh | None:
        """As the cluster has it, or None where there is none of this name."""
        self._guard(namespace)
        raw = self._manifests.read(kind, namespace, name)
        return _mesh(kind, raw) if raw else None

    def remove(self, one: Mesh) -> None:
        """Have it undone. Raises `WaitTimeout` as `wait_gone` does."""
        self._guard(one.namespace)
        self._manifests.delete(one.kind, one.namespace, one.name)
        self.wait_gone(one)

    def wait_gone(self, one: Mesh) -> None:
        """Wait for the object to go, which stays until Chaos Mesh has taken the fault back from every pod. Raises
        `WaitTimeout` where it does not."""
        until(
            lambda: self.read(one.kind, one.namespace, one.name),
            lambda left: left is None,
            what=f"Chaos Mesh took {one} back",
            timeout=GONE_WITHIN_S,
        )


def rights(kind: str) -> tuple[str, ...]:
    """To make one of a kind, follow it and take it back; and to look for what was left, of either."""
    own = (f"{verb} {kind.lower()}.chaos-mesh.org" for verb in ("create", "get", "delete"))
    return (*own, *(f"list {one.lower()}.chaos-mesh.org" for one in (NETWORK, STRESS)))


def marked(document: Mapping[str, Any], seconds: float) -> Json:
    """A fault's document with our label, and an end of its own where it has none; what is None is left out, since the
    cluster would refuse it."""
    made: Json = _without_none(document)
    made["metadata"] = {"name": made["metadata"]["name"], "labels": {LABEL: "true"}}
    made["spec"].setdefault("duration", f"{seconds:.0f}s")
    return made


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_none(one) for name, one in value.items() if one is not None}
    return value


def _mesh(kind: str, raw: Json) -> Mesh:
    meta, status = raw["metadata"], raw.get("status") or {}
    records = [one for one in (status.get("experiment") or {}).get("containerRecords") or () if isinstance(one, dict)]
    here = [one for one in records if one.get("selectorKey", HERE) == HERE and one.get("phase") == INJECTED]
    said = {one.get("type"): one.get("status") for one in status.get("conditions") or () if isinstance(one, dict)}
    return Mesh(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        ours=(meta.get("labels") or {}).get(LABEL) == "true",
        pods=frozenset("/".join(str(one.get("id", "")).split("/")[:2]) for one in here),
        whole=bool(here) and said.get("AllInjected") == "True",
        trouble=_trouble(records),
    )


def _trouble(records: Iterable[Json]) -> str:
    events = [event for one in records for event in one.get("events") or () if event.get("type") == "Failed"]
    return str(max(events, key=lambda event: str(event.get("timestamp", ""))).get("message", "")) if events else ""
