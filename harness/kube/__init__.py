"""The only door to Kubernetes: its API (`client`, `changes`, `leases`, `rights`), and its nodes: processes, power,
packets on the way."""

from harness.kube.changes import EVICTED, REFUSED, Changed, Lost
from harness.kube.client import Kube
from harness.kube.console import Console
from harness.kube.leases import LEASE, Lease
from harness.kube.mesh import Mesh
from harness.kube.neighbours import Neighbours, of_cluster
from harness.kube.objects import (
    CLUSTERS_OWN,
    DATA_LABEL,
    STACK_LABEL,
    TASK_PODS,
    EndpointSlice,
    Node,
    Pod,
    Replicas,
    Workload,
    containers_by_node,
)
from harness.kube.permit import ALLOW_LABEL, Place
from harness.kube.releases import UPGRADED, Release
from harness.kube.rights import Right
from harness.kube.secrets import Reader
from harness.kube.source import UNREADABLE, Change, KubeError, Listing, Source

__all__ = [
    "ALLOW_LABEL",
    "CLUSTERS_OWN",
    "DATA_LABEL",
    "EVICTED",
    "LEASE",
    "REFUSED",
    "STACK_LABEL",
    "TASK_PODS",
    "UNREADABLE",
    "UPGRADED",
    "Change",
    "Changed",
    "Console",
    "EndpointSlice",
    "Kube",
    "KubeError",
    "Lease",
    "Listing",
    "Lost",
    "Mesh",
    "Neighbours",
    "Node",
    "Place",
    "Pod",
    "Reader",
    "Release",
    "Replicas",
    "Right",
    "Source",
    "Workload",
    "containers_by_node",
    "of_cluster",
]
