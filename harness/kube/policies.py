"""A NetworkPolicy that cuts some pods off from others, where the cluster's network enforces such things.

A policy can only allow. So this one allows all but the other side, and says twice who that is: by the label that they
bear, since some networks go by what a pod is, and by their addresses, since others go by these. Any other policy that
lets the other side through, does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from kubernetes import client

from harness.errors import FaultError
from harness.kube.objects import CUT_LABEL
from harness.kube.source import CALL_TIMEOUT_S, KubeError, reaching

NAME = "airflow-chaos-cut"
THIS, OTHER = "this", "other"  # side
GONE = 404
EVERYWHERE = ("0.0.0.0/0", "::/0")
_SOON: dict[str, Any] = {"_request_timeout": CALL_TIMEOUT_S}


class Policies:
    """Those of one cluster, one in each namespace; `guard` refuses a namespace that is not ours to touch."""

    def __init__(self, api: client.ApiClient, guard: Callable[[str], None]) -> None:
        self._networking = client.NetworkingV1Api(api)
        self._guard = guard

    def cut(self, namespace: str, addresses: Sequence[str]) -> None:
        """Let through no packet between the pods that are marked as on this side, and those on the other, which have
        these addresses. Raises `KubeError` 409 where a cut is there already."""
        self._guard(namespace)
        with reaching():
            self._networking.create_namespaced_network_policy(namespace, _policy(addresses), **_SOON)

    def mend(self, namespace: str) -> None:
        """Take it away; it may be gone."""
        self._guard(namespace)
        try:
            with reaching():
                self._networking.delete_namespaced_network_policy(NAME, namespace, **_SOON)
        except KubeError as refused:
            if refused.status != GONE:
                raise

    def there(self, namespace: str) -> bool:
        """Whether one is there."""
        self._guard(namespace)
        with reaching():
            found = self._networking.list_namespaced_network_policy(namespace, **_SOON).items
        return any(one.metadata is not None and one.metadata.name == NAME for one in found)


def _policy(addresses: Sequence[str]) -> client.V1NetworkPolicy:
    others = client.V1LabelSelectorRequirement(key=CUT_LABEL, operator="NotIn", values=[OTHER])
    allowed = [
        client.V1NetworkPolicyPeer(
            namespace_selector=client.V1LabelSelector(),
            pod_selector=client.V1LabelSelector(match_expressions=[others]),
        ),
        *(client.V1NetworkPolicyPeer(ip_block=block) for block in map(_but(addresses), EVERYWHERE)),
    ]
    spec = client.V1NetworkPolicySpec(
        pod_selector=client.V1LabelSelector(match_labels={CUT_LABEL: THIS}),
        policy_types=["Ingress", "Egress"],
        ingress=[client.V1NetworkPolicyIngressRule(_from=allowed)],  # type: ignore[call-arg]  # its name in the types is another
        egress=[client.V1NetworkPolicyEgressRule(to=allowed)],
    )
    return client.V1NetworkPolicy(metadata=client.V1ObjectMeta(name=NAME), spec=spec)


def _but(addresses: Sequence[str]) -> Callable[[str], client.V1IPBlock]:
    try:
        single = [ipaddress.ip_network(address) for address in addresses]
    except ValueError as cause:
        raise FaultError(f"{cause}, so nothing was cut; read the pods again") from cause

    def block(cidr: str) -> client.V1IPBlock:
        version = ipaddress.ip_network(cidr).version
        excepted = [str(one) for one in single if one.version == version] or None
        return client.V1IPBlock(cidr=cidr, _except=excepted)  # type: ignore[call-arg]

    return block
