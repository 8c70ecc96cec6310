"""What is read of a pod that an executor made, from what the cluster says of it."""

from __future__ import annotations

import pytest
from kubernetes.client import (
    V1Container,
    V1ContainerPort,
    V1LabelSelector,
    V1ObjectMeta,
    V1OwnerReference,
    V1Pod,
    V1PodSpec,
    V1PodTemplateSpec,
    V1StatefulSet,
    V1StatefulSetSpec,
    V1StatefulSetStatus,
    V1StatefulSetUpdateStrategy,
)

from harness.kube.objects import TASK_PODS, Pod, pod_of, rolling


def of_task(**annotations: str) -> Pod:
    label, value = TASK_PODS.split("=")
    said = {"run_id": "run-1-w1", "task_id": "extract", "try_number": "1"} | annotations
    return pod_of(V1Pod(metadata=V1ObjectMeta(name="task", labels={label: value}, annotations=said)))


def test_an_attempt_of_a_run_that_was_asked_for_goes_by_the_run_alone() -> None:
    assert of_task(dag_id="chaos_workload").attempt == ("run-1-w1", "extract", -1, 1)
    assert of_task(map_index="2", try_number="3").attempt == ("run-1-w1", "extract", 2, 3)


def test_attempts_of_one_tick_are_told_apart_by_their_dags() -> None:
    """Two DAGs that are due at once have runs of one id; without the DAG, one's pod would be the other's second."""
    tick = {"run_id": "scheduled__2026-01-01T00:00:30+00:00", "task_id": "work"}
    one, other = of_task(dag_id="sched_interval", **tick), of_task(dag_id="sched_trigger", **tick)
    assert one.attempt == ("sched_interval/scheduled__2026-01-01T00:00:30+00:00", "work", -1, 1)
    assert other.attempt == ("sched_trigger/scheduled__2026-01-01T00:00:30+00:00", "work", -1, 1)


def test_a_pod_that_says_too_little_or_is_none_of_an_executor_has_no_attempt() -> None:
    said = {"run_id": "run-1-w1", "task_id": "extract", "try_number": "1"}
    label, value = TASK_PODS.split("=")
    for gone in said:
        kept = {name: each for name, each in said.items() if name != gone}
        assert pod_of(V1Pod(metadata=V1ObjectMeta(labels={label: value}, annotations=kept))).attempt is None
    assert pod_of(V1Pod(metadata=V1ObjectMeta(annotations=said))).attempt is None


@pytest.mark.parametrize(
    ("kind", "name", "owner"),
    [
        ("ReplicaSet", "api-server-758b79dd8b", "Deployment/api-server"),
        ("ReplicaSet", "by-hand", "ReplicaSet/by-hand"),
        ("StatefulSet", "patroni", "StatefulSet/patroni"),
        ("DaemonSet", "speaker", "DaemonSet/speaker"),
        ("Node", "control-plane", "Node/control-plane"),
    ],
)
def test_a_pod_says_who_replaces_it_and_what_it_is_among_its_peers(kind: str, name: str, owner: str) -> None:
    by = V1OwnerReference(api_version="v1", kind=kind, name=name, uid="u", controller=True)
    labels = {"pod-template-hash": "758b79dd8b", "role": "primary", "component": "c"}
    found = pod_of(V1Pod(metadata=V1ObjectMeta(name="p", labels=labels, owner_references=[by])))
    assert (found.owner, found.duty, found.component) == (owner, "primary", "c")


def test_one_of_kubernetes_own_goes_by_its_label_and_one_of_nobody_has_no_owner() -> None:
    found = pod_of(V1Pod(metadata=V1ObjectMeta(name="p", labels={"k8s-app": "kube-dns"})))
    assert (found.component, found.owner, found.duty) == ("kube-dns", "", "")


def test_a_pod_says_of_which_image_it_is_where_it_answers_and_what_we_have_marked_it_as() -> None:
    ports = [V1ContainerPort(container_port=53, protocol="UDP"), V1ContainerPort(container_port=6379)]
    some = [V1Container(name="a", image="first", ports=ports), V1Container(name="b", image="second")]
    meta = V1ObjectMeta(
        name="p", annotations={"airflow-chaos/stopped": "true"}, labels={"airflow-chaos/cut": "other", "component": "c"}
    )
    found = pod_of(V1Pod(metadata=meta, spec=V1PodSpec(containers=some)))
    assert (found.image, found.ports, found.stopped, found.cut) == ("first", (6379,), True, "other")
    plain = pod_of(V1Pod(metadata=V1ObjectMeta(name="p")))
    assert (plain.image, plain.ports, plain.stopped, plain.cut) == ("", (), False, "")


def database(strategy: str, *, seen: int, there: int, updated: int, ready: int) -> V1StatefulSet:
    spec = V1StatefulSetSpec(
        replicas=3,
        selector=V1LabelSelector(),
        service_name="postgres",
        template=V1PodTemplateSpec(),
        update_strategy=V1StatefulSetUpdateStrategy(type=strategy),
    )
    status = V1StatefulSetStatus(
        observed_generation=seen, replicas=there, updated_replicas=updated, ready_replicas=ready
    )
    return V1StatefulSet(metadata=V1ObjectMeta(name="postgres", generation=2), spec=spec, status=status)


@pytest.mark.parametrize(
    ("counts", "short"),
    [
        ({"seen": 2, "there": 3, "updated": 3, "ready": 3}, []),
        ({"seen": 2, "there": 3, "updated": 3, "ready": 2}, ["postgres 2/3"]),
        ({"seen": 2, "there": 3, "updated": 2, "ready": 3}, ["postgres 3/3"]),
        ({"seen": 1, "there": 3, "updated": 3, "ready": 3}, ["postgres 3/3"]),
        ({"seen": 2, "there": 4, "updated": 3, "ready": 3}, ["postgres 3/3"]),
    ],
    ids=["whole", "one not Ready", "one of before", "a change not seen yet", "one too many"],
)
def test_what_is_not_yet_as_its_manifest_says_is_being_rolled(counts: dict[str, int], short: list[str]) -> None:
    assert rolling([database("RollingUpdate", **counts)]) == short


def test_pods_of_before_are_no_roll_where_only_their_owner_replaces_them() -> None:
    assert rolling([database("OnDelete", seen=2, there=3, updated=0, ready=3)]) == []
    assert rolling([database("OnDelete", seen=2, there=3, updated=0, ready=2)]) == ["postgres 2/3"]
