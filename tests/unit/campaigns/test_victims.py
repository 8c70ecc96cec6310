"""Every pod of the stack is a victim, unless it says itself why it is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.campaigns import victims
from harness.kube import Node, Pod
from harness.settings import Settings
from harness.swept import Place
from harness.target import Target

SETTINGS = Settings()
HOMES = ("airflow", "ingress", "metallb-system", "kube-system", "airflow-chaos-ledger", "local-path-storage")


def pod(namespace: str, name: str, owner: str, **more: Any) -> Pod:
    standing: dict[str, Any] = {
        "uid": f"uid-{name}",
        "node": "worker",
        "component": name,
        "phase": "Running",
        "ready": True,
        "restarts": 0,
        "exit_code": None,
        "deleting": False,
        "container_ids": (),
        "ip": "",
        "daemon": owner.startswith("DaemonSet/"),
    }
    return Pod(namespace=namespace, name=name, owner=owner, **{**standing, **more})


class Cluster:
    """What stands in it."""

    def __init__(self, *pods: Pod) -> None:
        self.there = pods

    def require_ours(self) -> None:
        pass

    def pods(self, namespace: str) -> list[Pod]:
        return [one for one in self.there if one.namespace == namespace]

    def nodes(self) -> list[Node]:
        return [Node("control", "c", True, holds_data=True), Node("worker", "w", True), Node("worker2", "x", False)]


def found(*pods: Pod) -> tuple[tuple[Place, ...], dict[str, str]]:
    there, others = victims.pods(Cluster(*pods), SETTINGS)  # type: ignore[arg-type]
    return there, {one.name: one.because for one in others}


@pytest.mark.parametrize(
    ("one", "because"),
    [
        (pod("kube-system", "etcd", "Node/control"), victims.STATIC),
        (pod("kube-system", "kube-proxy", "DaemonSet/kube-proxy"), victims.OF_NODE),
        (pod("metallb-system", "controller", "Deployment/controller"), victims.ADDRESSES),
        (pod("airflow-chaos-ledger", "ledger", "Deployment/ledger"), victims.RECORD),
        (pod("local-path-storage", "provisioner", "Deployment/provisioner"), victims.ROOM),
    ],
)
def test_what_is_no_victim_is_said_with_the_reason(one: Pod, because: str) -> None:
    assert found(one) == ((), {one.key: because})


KINDS = st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"])


@given(st.lists(st.tuples(st.sampled_from(HOMES), KINDS, st.booleans()), max_size=8))
def test_every_pod_is_a_victim_or_is_left_out_by_name(rows: list[tuple[str, str, bool]]) -> None:
    every = [
        pod(home, f"p{n}", f"{kind}/o{n % 3}", phase="Succeeded" if over else "Running")
        for n, (home, kind, over) in enumerate(rows)
    ]
    there, others = found(*every)
    alive = {one.key for one in every if one.phase == "Running"}
    assert {place.name for place in there} | others.keys() == alive
    assert not {place.name for place in there} & others.keys()
    assert {one.key for one in every if one.namespace in ("airflow", "ingress")} & alive <= {p.name for p in there}


def test_a_place_is_taken_by_its_owner_and_part() -> None:
    parts = [
        (pod("airflow", "api-1", "Deployment/api-server"), ("airflow/Deployment/api-server", "")),
        (pod("airflow", "patroni-1", "StatefulSet/patroni"), ("airflow/StatefulSet/patroni", "patroni-1")),
        (pod("metallb-system", "speaker", "DaemonSet/speaker"), ("metallb-system/DaemonSet/speaker", "worker")),
    ]
    assert [victims.place(one).slot for one, _ in parts] == [slot for _, slot in parts]


def test_the_node_of_the_control_plane_is_none() -> None:
    there, others = victims.nodes(Cluster())  # type: ignore[arg-type]
    assert [one.name for one in there] == ["worker", "worker2"]
    assert [(one.name, one.because) for one in others] == [("control", victims.CONTROL)]


def test_a_stack_is_settled_when_all_are_there_and_ready() -> None:
    one, two = (pod("airflow", f"w-{n}", "Deployment/worker") for n in range(2))
    wanted = [victims.place(one), victims.place(two)]

    def left(*pods: Pod) -> list[str]:
        cluster: Any = Cluster(*pods)
        cluster.nodes = lambda: [SimpleNamespace(name="n", ready=True)]
        return victims.unsettled(cluster, SETTINGS, wanted)

    late, going = pod("airflow", "w-1", one.owner, ready=False), pod("airflow", "w-1", one.owner, deleting=True)
    assert left(one, two) == []
    assert left(one, late) == left(one, going) == ["airflow/w-1"]
    assert left(one) == ["1 of 2 of airflow/Deployment/worker"]
    assert left(one, two, pod("kube-system", "kube-proxy", "DaemonSet/kube-proxy", ready=False)) == []


def test_what_a_target_names_is_looked_through_and_nothing_else_of_ours() -> None:
    aimed = Settings(target=Target(name="mine", context="c", namespace="flow", beside=("edge",)))
    there = [pod(home, home, f"Deployment/{home}") for home in ("flow", "edge", "ingress", "airflow")]
    found, _ = victims.pods(Cluster(*there), aimed)  # type: ignore[arg-type]
    assert {place.name for place in found} == {"flow/flow", "edge/edge"}
