"""The objects of one namespace as they are, for reading alone: no guard is asked, since nothing can be changed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client import ApiException

from harness.errors import HarnessError, UsageError
from harness.kube.source import CALL_TIMEOUT_S, configured, reaching

# Where each kind is listed. What may be missing from a cluster, or hidden from its user, is left out and said.
PLACES = {
    "Deployment": "/apis/apps/v1/namespaces/{0}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{0}/statefulsets",
    "Pod": "/api/v1/namespaces/{0}/pods",
    "ConfigMap": "/api/v1/namespaces/{0}/configmaps",
    "Secret": "/api/v1/namespaces/{0}/secrets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{0}/poddisruptionbudgets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{0}/endpointslices",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{0}/horizontalpodautoscalers",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{0}/scaledobjects",
    "Node": "/api/v1/nodes",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
}
OPTIONAL = frozenset({"ScaledObject"})  # not every cluster has KEDA
NEEDED = frozenset({"Deployment", "StatefulSet"})
NAMES_ALONE = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
Json = dict[str, Any]


class Inventory:
    """What a namespace holds: `objects` with their `kind`, and `unseen` kinds, each with the reason."""

    def __init__(self, kubeconfig: Path, context: str, namespace: str, places: Mapping[str, str] = PLACES) -> None:
        """`places` are the kinds, and where each is listed.

        Raises `UsageError` where the cluster is out of reach, or its workloads may not be listed.
        """
        wanted = f"no context {context}" if context else "no cluster"
        refusal = f"{kubeconfig} names {wanted} that can be used; say --kubeconfig and --context"
        api = client.ApiClient(configured(kubeconfig, context or None, refusal))
        self.objects: list[Json] = []
        self.unseen: dict[str, str] = {}
        for kind, place in places.items():
            try:
                found, headers = _get(api, place.format(namespace))
            except ApiException as refused:
                if kind in NEEDED:
                    raise UsageError(
                        f"the {kind}s of namespace {namespace} may not be listed: {refused.reason}"
                    ) from refused
                if not (kind in OPTIONAL and refused.status == 404):
                    self.unseen[kind] = f"{refused.status} {refused.reason}"
                continue
            self.objects += ({**one, "kind": kind} for one in found)
            if kind == "Lease":  # compared with the moment at which they were read
                self.objects += _moment(headers)


def _get(api: client.ApiClient, path: str) -> tuple[list[Json], Mapping[str, str]]:
    """Of Secrets, their metadata alone: nothing secret is sent to us."""
    accept = NAMES_ALONE if path.endswith("/secrets") else "application/json"
    try:
        with reaching():
            asked = api.param_serialize("GET", path, header_params={"Accept": accept}, auth_settings=["BearerToken"])
            found: Any = api.call_api(*asked, _request_timeout=CALL_TIMEOUT_S)
            found.read()
            headers = dict(found.getheaders())
            data: Any = api.response_deserialize(found, {"200": "object"}).data
    except HarnessError as cause:
        if isinstance(cause.__cause__, ApiException):  # an answer, which says that this one kind is not to be had
            raise cause.__cause__ from None
        raise
    return list(data.get("items") or ()), headers


def _moment(headers: Mapping[str, str]) -> Iterator[Json]:
    """The cluster's own clock, in RFC 3339."""
    try:
        now = parsedate_to_datetime({k.lower(): v for k, v in headers.items()}["date"])
    except (KeyError, ValueError):
        return
    yield {"kind": "Moment", "now": now.astimezone(UTC).isoformat()}
