"""The Lease that keeps harnesses on several machines out of each other's way: made, read, renewed, given up.

Each call is one try. What somebody else changed meanwhile is never overwritten: the cluster compares versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching

LEASE = "airflow-chaos"
GONE, TAKEN = 404, 409  # somebody else removed it, or made or changed it, meanwhile


@dataclass(frozen=True)
class Lease:
    """Who holds it, since when it is renewed (UTC, by the holder's clock), and for how many seconds that is good."""

    holder: str
    renewed: datetime
    lasts_s: int
    uid: str
    version: str


class Leases:
    """The Lease of one cluster, one in each namespace; `guard` refuses a namespace that is not ours to touch."""

    def __init__(self, api: client.ApiClient, guard: Callable[[str], None]) -> None:
        self._api = client.CoordinationV1Api(api)
        self._guard = guard

    def make(self, namespace: str, holder: str, lasts_s: int) -> Lease | None:
        """A new one, or None where there is one already. Raises `KubeError` 404 where there is no such namespace."""
        self._guard(namespace)
        body = _body(namespace, holder, lasts_s)
        return _unless(
            (TAKEN,), lambda: self._api.create_namespaced_lease(namespace, body, _request_timeout=CALL_TIMEOUT_S)
        )

    def read(self, namespace: str) -> Lease | None:
        """The one that is there."""
        self._guard(namespace)
        return _unless(
            (GONE,), lambda: self._api.read_namespaced_lease(LEASE, namespace, _request_timeout=CALL_TIMEOUT_S)
        )

    def renew(self, namespace: str, before: Lease, holder: str, lasts_s: int) -> Lease | None:
        """The same, from now on held by `holder`; None if it is no longer what it was `before`."""
        self._guard(namespace)
        body = _body(namespace, holder, lasts_s, before)
        return _unless(
            (GONE, TAKEN),
            lambda: self._api.replace_namespaced_lease(LEASE, namespace, body, _request_timeout=CALL_TIMEOUT_S),
        )

    def give_up(self, namespace: str, held: Lease) -> None:
        """Remove it, unless it has changed since it was held."""
        self._guard(namespace)
        this_one = client.V1DeleteOptions(
            preconditions=client.V1Preconditions(uid=held.uid, resource_version=held.version)
        )
        try:
            with reaching():
                self._api.delete_namespaced_lease(LEASE, namespace, body=this_one, _request_timeout=CALL_TIMEOUT_S)
        except KubeError as refused:
            if refused.status not in (GONE, TAKEN):
                raise


def _body(namespace: str, holder: str, lasts_s: int, before: Lease | None = None) -> client.V1Lease:
    meta = client.V1ObjectMeta(name=LEASE, namespace=namespace)
    if before:
        meta.uid, meta.resource_version = before.uid, before.version
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond or 1)  # the cluster refuses a time without its fraction
    spec = client.V1LeaseSpec(holder_identity=holder, lease_duration_seconds=lasts_s, renew_time=now)
    return client.V1Lease(metadata=meta, spec=spec)


def _unless(statuses: tuple[int, ...], call: Callable[[], Any]) -> Lease | None:
    try:
        with reaching():
            return _lease(call())
    except KubeError as refused:
        if refused.status in statuses:
            return None
        raise


def _lease(raw: client.V1Lease) -> Lease:
    """What others left out counts as never renewed."""
    meta, spec = raw.metadata or client.V1ObjectMeta(), raw.spec or client.V1LeaseSpec()
    return Lease(
        holder=spec.holder_identity or "",
        renewed=spec.renew_time or datetime.fromtimestamp(0, UTC),
        lasts_s=spec.lease_duration_seconds or 0,
        uid=meta.uid or "",
        version=meta.resource_version or "",
    )
