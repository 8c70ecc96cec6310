"""The only door to Kubernetes: its API (`client`) and the processes on its nodes (`nodes`)."""

from harness.kube.client import ALLOW_LABEL, Kube
from harness.kube.objects import EndpointSlice, Node, Pod, Replicas, containers_by_node
from harness.kube.source import Change, KubeError, Listing, Source

__all__ = [
    "ALLOW_LABEL",
    "Change",
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
