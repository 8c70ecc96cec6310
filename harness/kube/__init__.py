"""The only door to Kubernetes: its API (`client`, `changes`), and its nodes: processes, power, packets on the way."""

from harness.kube.changes import EVICTED, REFUSED, Changed
from harness.kube.client import ALLOW_LABEL, STACK_LABEL, Kube
from harness.kube.objects import (
    DATA_LABEL,
    TASK_PODS,
    Announcement,
    EndpointSlice,
    Node,
    Pod,
    Replicas,
    containers_by_node,
)
from harness.kube.source import Change, KubeError, Listing, Source

__all__ = [
    "ALLOW_LABEL",
    "DATA_LABEL",
    "EVICTED",
    "REFUSED",
    "STACK_LABEL",
    "TASK_PODS",
    "Announcement",
    "Change",
    "Changed",
    "EndpointSlice",
    "Kube",
    "KubeError",
    "Listing",
    "Node",
    "Pod",
    "Replicas",
    "Source",
    "containers_by_node",
]
