"""Faults that do not end by themselves: what they leave is found by looking at the cluster, and repaired."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.chaos import leftovers
from harness.kube import Kube, Pod, containers_by_node, firewall, nodes
from harness.settings import Settings
from harness.stack.access import INGRESS_NAMESPACE
from harness.wait import until

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def repaired(kube: Kube, settings: Settings) -> Iterator[None]:
    yield
    leftovers.repair(kube, settings, (settings.namespace, INGRESS_NAMESPACE))


def one(kube: Kube, settings: Settings, component: str) -> Pod:
    return kube.pods(settings.namespace, f"component={component}")[0]


def found(kube: Kube, settings: Settings) -> list[str]:
    return leftovers.find(kube, settings, (settings.namespace, INGRESS_NAMESPACE))


def repair(kube: Kube, settings: Settings) -> list[str]:
    return leftovers.repair(kube, settings, (settings.namespace, INGRESS_NAMESPACE))


def test_a_stack_at_rest_has_no_leftovers(kube: Kube, settings: Settings) -> None:
    assert found(kube, settings) == []
    assert repair(kube, settings) == []


def test_a_pod_that_hangs_is_found_and_goes_on(kube: Kube, settings: Settings) -> None:
    pod = one(kube, settings, "dag-processor")
    hit = nodes.stop(kube.hands, containers_by_node([pod]))
    processes = tuple(p for some in hit.values() for p in some)
    assert processes
    until(
        lambda: set(nodes.states(kube.hands, {pod.node: processes})[pod.node].values()),
        lambda states: states == {nodes.STOPPED},
        what="every process stopped",
        timeout=10,
    )
    assert found(kube, settings) == [f"{len(processes)} processes on {pod.node} are stopped"]
    assert repair(kube, settings) == [f"{len(processes)} processes on {pod.node} are stopped"]
    assert nodes.STOPPED not in nodes.states(kube.hands, {pod.node: processes})[pod.node].values()
    assert found(kube, settings) == []


def test_packets_between_two_pods_are_dropped_until_the_repair(kube: Kube, settings: Settings) -> None:
    worker, broker = one(kube, settings, "worker"), one(kube, settings, "redis")
    firewall.cut(kube.hands, worker.node, worker.ip, broker.ip)
    until(lambda: sum(firewall.dropped(kube.hands, worker.node)), lambda n: n > 0, what="a dropped packet", timeout=30)
    assert found(kube, settings) == [f"packets are dropped on {worker.node}"]
    repair(kube, settings)
    assert firewall.dropped(kube.hands, worker.node) == []
    assert found(kube, settings) == []


def test_a_closed_node_is_opened(kube: Kube, settings: Settings) -> None:
    node = one(kube, settings, "worker").node
    kube.change.close(node)
    assert found(kube, settings) == [f"node {node} is closed"]
    repair(kube, settings)
    assert found(kube, settings) == []


def test_a_changed_scale_is_put_back(kube: Kube, settings: Settings) -> None:
    before = kube.ready_replicas(settings.namespace)["dag-processor"].desired
    assert kube.change.scale(settings.namespace, "dag-processor", 1) == before + 1
    assert found(kube, settings) == [f"{settings.namespace}/dag-processor is not what it was"]
    repair(kube, settings)
    assert found(kube, settings) == []
    assert kube.ready_replicas(settings.namespace)["dag-processor"].desired == before
